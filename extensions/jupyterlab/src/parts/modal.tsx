/** A dialog of the browser's own: it keeps the focus, closes on Escape, and gives the focus back. */
import { ReactWidget } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import { type Surface, SurfaceContext } from '../surface';

/** Ask, and get what the drawn content closes with; null when it is dismissed. */
export function modal<T>(
  surface: Surface,
  label: string,
  draw: (close: (answer: T | null) => void) => JSX.Element
): Promise<T | null> {
  const host = document.createElement('dialog');
  host.className = 'nbops-Modal jp-ThemedContainer';
  host.setAttribute('aria-label', label);
  document.body.append(host);
  return new Promise(resolve => {
    let answer: T | null = null;
    const close = (given: T | null): void => {
      answer = given;
      host.close();
    };
    const content = ReactWidget.create(
      <SurfaceContext.Provider value={surface}>
        <div className="nbops-Modal-frame">
          <h1>{label}</h1>
          {draw(close)}
        </div>
      </SurfaceContext.Provider>
    );
    host.addEventListener('close', () => {
      content.dispose();
      host.remove();
      resolve(answer);
    });
    Widget.attach(content, host);
    host.showModal();
  });
}
