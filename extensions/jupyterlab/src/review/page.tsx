/** A review: what is asked, what the gate says, what was done, as the server draws it, and what can be done now. */
import * as React from 'react';

import type { Folder, ReviewSheet } from '../api';
import { Page } from '../parts/page';
import { Button, Link, ReviewMark, Tables } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { actWord } from '../words';

interface Subject {
  id: string;
  folder: Folder;
}

export class ReviewPage extends Page<ReviewSheet> {
  constructor(
    surface: Surface,
    readonly subject: { id: string; folder: Folder }
  ) {
    super(surface, subject, surface.trans.__('Review'));
  }

  protected ask(): Promise<ReviewSheet> {
    return this.surface.api.review(this.subject.folder, this.subject.id);
  }

  protected draw(review: ReviewSheet): JSX.Element {
    return <ReviewView review={review} subject={this.subject} />;
  }
}

function ReviewView(props: { review: ReviewSheet; subject: Subject }): JSX.Element {
  const { trans, act, api } = useSurface();
  const { review, subject } = props;
  const { folder, id } = subject;
  return (
    <>
      <header className="nbops-Head">
        <h1>
          <span className="nbops-Quiet">{trans.__('Review')}</span>{' '}
          {trans.__('%1 version %2 for %3', review.model, review.version, review.alias)}{' '}
          <code className="nbops-Quiet">{review.short}</code>
        </h1>
        <p className="nbops-Facts">
          <ReviewMark status={review.status} word />
          <span>{trans.__('asked for by %1', review.requested_by)}</span>
          <Link onClick={() => void act('nbops:open-model', { name: review.model, folder })}>
            {trans.__('Show the model')}
          </Link>
          <a
            className="nbops-Link"
            href={api.reviewPage(folder, id)}
            target="_blank"
            rel="noopener"
          >
            {trans.__('As a page of its own')}
          </a>
        </p>
        <div className="nbops-Buttons">
          {review.choices.map((choice, place) => (
            <Button
              key={choice}
              accent={place === 0}
              label={`${actWord(choice, trans)}…`}
              onClick={() => void act('nbops:decide', { id, act: choice, folder })}
            />
          ))}
        </div>
      </header>
      <Tables label={trans.__('What the gate says')} html={review.html} />
    </>
  );
}
