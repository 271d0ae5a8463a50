/** All that `later` loads. */
export { ComparePage } from './compare/page';
export { DataPage } from './data/page';
export { chooseRuns } from './dialog/choose';
export { decideDialog, proposeDialog, rollbackDialog } from './dialog/decide';
export { deedDialog } from './dialog/incident';
export { runDialog } from './dialog/run';
export { scheduleDialog } from './dialog/schedule';
export { stepDialog } from './dialog/step';
export { IncidentPage } from './incident/page';
export { ModelPage } from './model/page';
export { PipelinePage } from './pipeline/page';
export { ReportPage } from './report/page';
export { ReviewPage } from './review/page';
export { RunPage } from './run/page';
