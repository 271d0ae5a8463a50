/** The views of the main area: one of each kind and subject, found again after a reload. */
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { SplitPanel, TabPanel, type Widget } from '@lumino/widgets';

import { nbopsIcon } from './icons';

/** What a view is of, and how it is opened again. */
export interface View extends Widget {
  readonly subject: ReadonlyPartialJSONObject;
  /** Ask the server again. */
  refresh(): void;
}

export type Kind = 'run' | 'pipeline' | 'model' | 'review' | 'incident' | 'data' | 'compare' | 'report';

export class Views {
  private readonly _trackers = new Map<
    Kind,
    WidgetTracker<MainAreaWidget<View>>
  >();

  /** `area` is where the shell has room for views. */
  constructor(
    private readonly _shell: JupyterFrontEnd.IShell,
    private readonly _area: string
  ) {}

  /** Show a view, the one that is there already if it has the same key. */
  show(kind: Kind, key: string, title: string, make: () => View): void {
    const id = `nbops-${kind}-${key}`;
    const tracker = this._tracker(kind);
    let widget = tracker.find(one => one.id === id);
    if (!widget) {
      widget = new MainAreaWidget({ content: make() });
      widget.id = id;
      widget.title.label = title;
      widget.title.icon = nbopsIcon;
      widget.title.closable = true;
      widget.toolbar.hide();
      this._shell.add(widget, this._area, { type: 'nbops' });
      void tracker.add(widget);
    }
    this._shell.activateById(id);
    reveal(widget);
  }

  /** What the view in front is of, if it is one of ours. */
  current(kind: Kind): ReadonlyPartialJSONObject | null {
    const found = this._tracker(kind).currentWidget;
    return found && found === this._shell.currentWidget
      ? found.content.subject
      : null;
  }

  /** Have all that can be seen asked for again; what is hidden asks when it is shown. */
  renew(): void {
    for (const tracker of this._trackers.values()) {
      tracker.forEach(({ content }) => content.isVisible && content.refresh());
    }
  }

  /** Open again, after a reload, what was open. */
  restore(restorer: ILayoutRestorer, kind: Kind, command: string): void {
    void restorer.restore(this._tracker(kind), {
      command,
      args: widget => widget.content.subject,
      name: widget => widget.id
    });
  }

  private _tracker(kind: Kind): WidgetTracker<MainAreaWidget<View>> {
    let tracker = this._trackers.get(kind);
    if (!tracker) {
      tracker = new WidgetTracker({ namespace: `nbops-${kind}` });
      this._trackers.set(kind, tracker);
    }
    return tracker;
  }
}

/** Notebook 7 leaves new tabs below its notebook behind others, in a mere strip: bring it in front, on half of the window. */
function reveal(widget: Widget): void {
  let outer = widget.parent;
  while (outer && !(outer instanceof SplitPanel)) {
    if (outer instanceof TabPanel) {
      outer.currentWidget = widget;
    }
    outer = outer.parent;
  }
  if (outer?.orientation === 'vertical' && (outer.relativeSizes()[1] ?? 1) < 0.2) {
    outer.setRelativeSizes([1, 1]);
  }
}
