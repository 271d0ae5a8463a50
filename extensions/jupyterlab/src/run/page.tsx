/** One run: where it stands, why it ended as it did, and all that is known of it. */
import * as React from 'react';

import type { Folder, Live, Sheet } from '../api';
import { Page } from '../parts/page';
import { Drawn, Section } from '../parts/small';
import { Source, type State, useSource } from '../source';
import { type Surface, useSurface } from '../surface';
import { Head } from './head';
import { Children, Files, Inputs, Metrics, Models, Params, Tags } from './tables';
import { Cause, Progress } from './progress';

type Now = Awaited<ReturnType<Surface['api']['live']>>;

export class RunPage extends Page<Sheet> {
  private readonly _now: Source<Now>;
  private _children = 0;

  constructor(
    surface: Surface,
    readonly subject: { id: string; folder: Folder }
  ) {
    super(surface, subject, surface.trans.__('Run'));
    this._now = new Source(
      () => surface.api.live(subject.folder, subject.id),
      1,
      () => this.isVisible
    );
    this._now.changed.connect((_, { value }) => {
      // A sweep's points come one by one: the whole is asked again now and then.
      const rare = this.source.state.value?.is_sweep && ++this._children % 5 === 0;
      if (rare || (value && value.status !== this.source.state.value?.status)) {
        this.source.refresh();
      }
    });
  }

  dispose(): void {
    this._now.dispose();
    super.dispose();
  }

  protected ask(): Promise<Sheet> {
    return this.surface.api.run(this.subject.folder, this.subject.id);
  }

  protected answered(state: State<Sheet>): void {
    super.answered(state);
    if (!state.value) {
      return;
    }
    const running = state.value.status === 'running';
    this._now.every(running ? 1 : 0);
    if (running && this._now.state.at === 0) {
      this._now.refresh();
    }
    const tab = this.parent?.title;
    if (tab) {
      const name = state.value.title.replace(/\.ipynb$/, '');
      tab.label = `${name} · ${state.value.short}`;
      tab.caption = `${state.value.title} · ${state.value.short}`;
    }
  }

  protected draw(sheet: Sheet): JSX.Element {
    return (
      <RunView sheet={sheet} now={this._now} folder={this.subject.folder} />
    );
  }
}

function RunView(props: {
  sheet: Sheet;
  now: Source<Now>;
  folder: Folder;
}): JSX.Element {
  const { trans } = useSurface();
  const { sheet, folder } = props;
  const told = useSource(props.now).value;
  const live: Live | null =
    sheet.status === 'running' ? (told?.live ?? sheet.live) : null;
  return (
    <>
      <Head sheet={sheet} folder={folder} />
      {live && <Progress live={live} />}
      {sheet.cause && <Cause sheet={sheet} folder={folder} />}
      <div className="nbops-Columns">
        {sheet.params.length > 0 && <Params sheet={sheet} />}
        {sheet.metrics.length > 0 && <Metrics sheet={sheet} />}
      </div>
      {sheet.metrics.some(metric => metric.points > 1) && (
        <Section title={trans.__('Metrics by step')}>
          <Drawn html={sheet.plots} />
        </Section>
      )}
      {sheet.children.length > 0 && <Children sheet={sheet} folder={folder} />}
      <div className="nbops-Columns">
        {sheet.models.length > 0 && <Models sheet={sheet} folder={folder} />}
        {sheet.inputs.length > 0 && <Inputs sheet={sheet} />}
        {sheet.files.length > 0 && <Files sheet={sheet} />}
        {Object.keys(sheet.tags).length > 0 && <Tags sheet={sheet} />}
      </div>
    </>
  );
}
