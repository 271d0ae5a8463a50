/** The report of a run as others get it, in a frame that can do nothing, and to be kept as a file. */
import * as React from 'react';

import type { Folder } from '../api';
import { Page } from '../parts/page';
import { Button } from '../parts/small';
import { type Surface, useSurface } from '../surface';

interface Report {
  name: string;
  html: string;
}

export class ReportPage extends Page<Report> {
  constructor(
    surface: Surface,
    readonly subject: { id: string; folder: Folder }
  ) {
    super(surface, subject, surface.trans.__('Report'));
    this.addClass('nbops-mod-report');
  }

  protected ask(): Promise<Report> {
    return this.surface.api.report(this.subject.folder, this.subject.id);
  }

  protected draw(report: Report): JSX.Element {
    return <ReportView report={report} subject={this.subject} />;
  }
}

function ReportView(props: {
  report: Report;
  subject: { id: string; folder: Folder };
}): JSX.Element {
  const { trans, act } = useSurface();
  const { report, subject } = props;
  return (
    <>
      <div className="nbops-Buttons nbops-Bar">
        <Button accent label={trans.__('Download')} onClick={() => download(report)} />
        <Button label={trans.__('Show the run')} onClick={() => void act('nbops:open-run', subject)} />
        <span className="nbops-Quiet">{report.name}</span>
      </div>
      <iframe className="nbops-Frame" sandbox="" srcDoc={report.html} title={report.name} />
    </>
  );
}

function download(report: Report): void {
  const address = URL.createObjectURL(new Blob([report.html], { type: 'text/html' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = report.name;
  link.click();
  URL.revokeObjectURL(address);
}
