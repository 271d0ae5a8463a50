"""One screen for whoever operates pipelines: what is due, runs, failed, waits for a person, is old, and is not as it was released."""

from __future__ import annotations

from datetime import UTC, datetime

from nbops.pipelines import approving, products, releases
from nbops.pipelines.schedules import listing
from nbops.records import Record, at, short
from nbops.render import text
from nbops.render.values import duration
from nbops.store.client import Store

_RUNS = """
with last as (
    select run_id, pipeline, outcome, sentence, start_time from pipeline_runs where trigger <> 'drill'
    qualify outcome = 'running' or row_number() over (partition by pipeline order by start_time desc) = 1
)
select p.run_id::varchar, p.pipeline, p.outcome, p.sentence, epoch_us(p.start_time), count(s.task),
    count(s.task) filter (where s.status in ('finished', 'unchanged', 'degraded', 'excluded')),
    string_agg(s.task, ', ') filter (where s.status = 'started')
from last p left join step_runs s on s.run_id = p.run_id
group by p.run_id, p.pipeline, p.outcome, p.sentence, p.start_time
order by p.start_time desc limit 100
"""


class Line(Record):
    """Something to know: what it is about, how it stands, and what to do."""

    about: str
    stands: str
    what: str
    do: str = ""


class Overview(Record):
    """The screen, by its parts; times are in the reader's zone."""

    due: list[Line]
    running: list[Line]
    failed: list[Line]
    waiting: list[Line]
    stale: list[Line]
    differs: list[Line]
    incidents: list[Line]

    def to_text(self) -> str:
        """Each part that has something, worst first."""
        titles = {
            "waiting": "waits for you", "failed": "failed", "incidents": "not well", "stale": "old", "running": "runs now",
            "due": "comes next", "differs": "not as it was released",
        }  # fmt: skip
        parts = []
        for name, title in titles.items():
            lines: list[Line] = getattr(self, name)
            if lines:
                rows = [[one.about, one.stands, one.what, one.do] for one in lines]
                parts.append(text.table(["what", "stands", "why", "do"], rows, caption=title))
        return "\n\n".join(parts) or "All is well, and nothing is planned."


def overview(store: Store, now: datetime | None = None) -> Overview:
    """How all pipelines of a project stand."""
    moment = now or datetime.now(UTC)
    running, failed, stale = [], [], []
    for run_id, name, outcome, sentence, began, tasks, done, current in store.read(_RUNS).rows:
        age = duration((moment - at(began)).total_seconds())
        if outcome == "running":
            stands = f"{done} of {tasks} steps, for {age}"
            running.append(Line(name, stands, current or "", f"nbops runs show {short(run_id)} --follow"))
        elif outcome in {"failed", "lost", "stopped"}:
            failed.append(Line(name, f"{outcome} {age} ago", sentence or "", f"nbops pipeline resume {short(run_id)}"))
        elif outcome == "degraded":
            stale.append(Line(name, f"degraded {age} ago", sentence or "", f"nbops pipeline health {name}"))
    waiting = [
        Line(
            one.pipeline,
            f"{one.task}, until {_shown(one.expires)}",
            one.asks,
            f"nbops pipeline approve {short(one.run_id)} --reason …",
        )
        for one in approving.waiting(store)
    ]
    stale += [
        Line(
            one.pipeline,
            f"reads {one.reads.product}",
            one.reads.sentence,
            f"nbops pipeline health {one.reads.pipeline}",
        )
        for one in products.readers(store)
    ]
    return Overview(_due(store, moment), running, failed, waiting, stale, _differs(store), _incidents(store))


def _due(store: Store, now: datetime) -> list[Line]:
    found = []
    for one in listing.every(store):
        if one.paused(now):
            found.append(
                Line(one.name, "paused", f"until {_shown(one.paused_until or 0)}", f"nbops schedule resume {one.name}")
            )
        elif one.next is not None:
            late = at(one.next) < now
            stands = f"{'was due' if late else 'due'} {_shown(one.next)}"
            found.append(Line(one.name, stands, one.last_outcome or "", "nbops schedule tick" if late else ""))
    return found


def _differs(store: Store) -> list[Line]:
    found = []
    for one in releases.every(store):
        if one.current and (told := releases.changed(store, one)):
            more = f" and {len(told) - 3} more" if len(told) > 3 else ""
            what = f"{', '.join(told[:3])}{more}"
            found.append(Line(one.pipeline, f"release {one.number}", what, f"nbops pipeline release {one.folder}"))
    return found


def _incidents(store: Store) -> list[Line]:
    sql = """
        select incident_id::varchar, subject, severity, text from incidents
        where status = 'open' and starts_with(subject, 'pipeline:') order by opened
    """
    return [
        Line(subject.partition(":")[2], severity, words, f"nbops incidents show {short(key)}")
        for key, subject, severity, words in store.read(sql).rows
    ]


def _shown(moment: int) -> str:
    return f"{at(moment).astimezone():%-d %b %H:%M}"
