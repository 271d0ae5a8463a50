/** The dialog of a step that waits: what is asked, and why it may go on or not. */
import * as React from 'react';

import type { ApprovalRow, Decision, Folder } from '../api';
import { modal } from '../parts/modal';
import { type Surface, useSurface } from '../surface';
import { decisionWord, moment } from '../words';
import { Reason } from './reason';

interface Props {
  folder: Folder;
  row: ApprovalRow;
  decision: Decision;
  close: (told: { message: string } | null) => void;
}

/** Say something to a step that waits; null when somebody leaves it. */
export function stepDialog(
  surface: Surface,
  folder: Folder,
  row: ApprovalRow,
  decision: Decision
): Promise<{ message: string } | null> {
  const { trans } = surface;
  const title = trans.__('%1 %2 of %3', decisionWord(decision, trans), row.task, row.pipeline);
  return modal<{ message: string }>(surface, title, close => (
    <StepForm folder={folder} row={row} decision={decision} close={close} />
  ));
}

function StepForm({ folder, row, decision, close }: Props): JSX.Element {
  const { trans, api } = useSurface();
  const approves = decision === 'approve';
  return (
    <Reason
      label={approves ? trans.__('Why it may go on') : trans.__('Why it may not')}
      button={decisionWord(decision, trans)}
      send={reason => api.decideStep(folder, row.run, { task: row.task, decision, reason })}
      close={close}
    >
      {row.asks && <p>{row.asks}</p>}
      <p className="nbops-Quiet">
        {trans.__('Asked by %1 on %2; it waits until %3.', row.requested_by, moment(row.requested), moment(row.expires))}{' '}
        {row.approvers.length > 0 && trans.__('%1 may decide.', row.approvers.join(trans.__(' or ')))}
      </p>
      {!approves && <p>{trans.__('The step is left out then, and so is what reads its products.')}</p>}
    </Reason>
  );
}
