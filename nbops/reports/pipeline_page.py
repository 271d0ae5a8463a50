"""A pipeline's run as one page: how it ended and why, its steps as a graph and a table, what was healed, waited for and made.

In flows what the store knows of the run; out flows a document. Nothing is computed anew, and no notebook is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from nbops.pipelines import account, sheet
from nbops.pipelines.account import Account
from nbops.render.values import counted, listed
from nbops.reports import sources
from nbops.reports.document import Banner, Commands, Document, Facts, Link, Part, Picture, Table, Tone
from nbops.reports.moments import moment
from nbops.store.client import Store

_TONES: Mapping[str, Tone] = {
    "done": "good", "unchanged": "good", "healed": "good", "degraded": "attention", "waiting": "attention", "rejected": "attention",
    "stopped": "attention", "failed": "bad", "lost": "bad",
}  # fmt: skip
_NOTHING = "Nothing."


def page(
    store: Store, run_id: str, *, beside: Mapping[str, str] | None = None, as_of: datetime | None = None
) -> Document | None:
    """The page of a run; None when it is none of a pipeline. `beside`: by task, the file name of its page in the same folder."""
    known = account.of_run(store, run_id)
    if known is None:
        return None
    line = known.line
    return Document(
        kind=f"Run {line.short} of a pipeline",
        title=line.pipeline,
        made=as_of or sources.now(),
        status=line.outcome,
        lead=tuple(_lead(known)),
        parts=tuple(_parts(known, beside or {})),
        banner=Banner(line.outcome, line.sentence, _TONES.get(line.outcome, "plain")),
    )


def executed(store: Store, run_id: str) -> dict[str, str]:
    """The run of each step of a pipeline's run that has one, by task; empty when it is none of a pipeline."""
    line = sheet.of_runs(store, [run_id]).get(run_id)
    return {one.task: one.run_id for one in line.tasks if one.run_id} if line else {}


def _lead(known: Account) -> list[tuple[str, str, Tone]]:
    line, healed = known.line, [one for one in known.healed if one.outcome == "healed"]
    took = "has gone on for" if line.status == "running" else "took"
    told: list[tuple[str, str, Tone]] = [
        ("When was it?", f"Begun {moment(line.start)} by {known.actor}; it {took} {line.lasted}.", "plain"),
        ("What ran?", f"{known.counts}.", "plain"),
        ("What was healed?", f"{listed([f'{one.step} ({one.failure_class})' for one in healed])}." if healed else _NOTHING, "plain"),
        ("Whom did it wait for?", _waited(known), "plain"),
        ("What was made?", f"{counted(len(known.made), 'file')}: {listed([one.path for one in known.made])}." if known.made else _NOTHING,
         "attention" if any(one.status == "old" for one in known.made) else "plain"),
    ]  # fmt: skip
    return [*told, *([("What now?", known.remedy, _TONES.get(line.outcome, "plain"))] if known.remedy else [])]


def _waited(known: Account) -> str:
    told = [
        f"{one.task}: {one.decided_by} {one.status} it" if one.decided_by else f"{one.task}: nobody has answered yet"
        for one in known.waited
    ]
    return f"{listed(told)}." if told else "Nobody."


def _parts(known: Account, beside: Mapping[str, str]) -> list[Part]:
    line = known.line
    says = tuple(f"{one.task}: {one.status}{f', {one.sentence}' if one.sentence else ''}" for one in line.tasks)
    links = tuple(Link(one.task, beside[one.task]) for one in line.tasks if one.task in beside)
    parts = [Part(one.title, (Table(tuple(one.columns), tuple(map(tuple, one.rows))),)) for one in known.sections]
    if line.tasks:
        parts[0] = Part(parts[0].title, (Picture(line.picture(), says), *parts[0].blocks))
    if links:
        parts.insert(1, Part("Pages of the steps", links))
    facts = Facts(tuple((one.label, f"{told} {one.unit or ''}".rstrip()) for one, told in known.facts))
    return [
        *parts,
        Part("The run", (facts, Commands((f"nbops runs show {line.short}", f"nbops runs why {line.short}")))),
    ]
