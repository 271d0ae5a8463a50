"""One screen for whoever operates pipelines: what is due, runs, failed, waits for a person, is old, is not as released, and is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from nbops import times
from nbops.pipelines import approving, products, releases
from nbops.pipelines.approving import Waiting
from nbops.pipelines.releases import Release
from nbops.pipelines.schedules import listing
from nbops.pipelines.schedules.listing import Schedule
from nbops.records import Record, at, short
from nbops.render import text
from nbops.render.values import duration
from nbops.store.client import Store

_RUNS = """
with last as (
    select run_id, pipeline, folder, outcome, sentence, start_time from pipeline_runs where trigger <> 'drill'
    qualify outcome = 'running' or row_number() over (partition by pipeline, folder order by start_time desc) = 1
)
select p.run_id::varchar, p.pipeline, p.folder, p.outcome, p.sentence, epoch_us(p.start_time), count(s.task),
    count(s.task) filter (where s.status in ('finished', 'unchanged', 'degraded', 'excluded')),
    string_agg(s.task, ', ') filter (where s.status = 'started')
from last p left join step_runs s on s.run_id = p.run_id
group by p.run_id, p.pipeline, p.folder, p.outcome, p.sentence, p.start_time
order by p.start_time desc limit 1000
"""
_INCIDENTS = """
select incident_id::varchar, subject, severity, text from incidents
where status = 'open' and starts_with(subject, 'pipeline:') order by opened
"""
# The parts that have times.
_TIMED = ("waiting", "due")


class Line(Record):
    """Something to know: what it is about, how it stands, and what to do."""

    about: str
    stands: str
    what: str
    do: str = ""


class Overview(Record):
    """The screen, by its parts; times are in the reader's `zone`. `gone`: pipelines and schedules whose folder or notebook is."""

    due: list[Line]
    running: list[Line]
    failed: list[Line]
    waiting: list[Line]
    stale: list[Line]
    differs: list[Line]
    incidents: list[Line]
    gone: list[Line]
    zone: str

    def to_text(self) -> str:
        """Each part that has something, worst first."""
        titles = {
            "waiting": "waits for you", "failed": "failed", "incidents": "not well", "stale": "old", "running": "runs now",
            "due": "comes next", "differs": "not as it was released", "gone": "gone",
        }  # fmt: skip
        parts = []
        for name, title in titles.items():
            lines: list[Line] = getattr(self, name)
            if lines:
                rows = [[one.about, one.stands, one.what, one.do] for one in lines]
                caption = f"{title} ({self.zone})" if name in _TIMED else title
                parts.append(text.table(["what", "stands", "why", "do"], rows, caption=caption))
        return "\n\n".join(parts) or "All is well, and nothing is planned."


class _Run(Record):
    """The last run of a folder under a name, or one that goes on."""

    run_id: str
    pipeline: str
    folder: str
    outcome: str
    sentence: str | None
    began: int
    tasks: int
    done: int
    current: str | None

    def told(self, now: datetime) -> Line:
        """What is to be known of it."""
        age, run = duration((now - at(self.began)).total_seconds()), short(self.run_id)
        if self.outcome == "running":
            stands = f"{self.done} of {self.tasks} steps, for {age}"
            return Line(self.pipeline, stands, self.current or "", f"nbops runs show {run} --follow")
        do = f"nbops pipeline health {self.pipeline}" if self.outcome == "degraded" else f"nbops pipeline resume {run}"
        return Line(self.pipeline, f"{self.outcome} {age} ago", self.sentence or "", do)


class _Places:
    """Which folders and notebooks of a project are there; each is looked at once."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._known: dict[str, bool] = {}

    def gone(self, place: str) -> bool:
        """Whether nothing is there any more."""
        if place not in self._known:
            self._known[place] = _missing(self._project / place)
        return self._known[place]


def _missing(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:
        # What may not be looked at is there.
        return False


def overview(store: Store, now: datetime | None = None) -> Overview:
    """How all pipelines of a project stand."""
    moment, places = now or datetime.now(UTC), _Places(store.settings.project)
    runs = _newest([_Run(*row) for row in store.read(_RUNS).rows], places)
    schedules, made = listing.every(store), [one for one in releases.every(store) if one.current]
    gone = {one.pipeline for one in runs if places.gone(one.folder)}
    gone |= {one.name for one in schedules if places.gone(one.spec.target)}
    here = [one for one in runs if not places.gone(one.folder)]
    gone -= {one.pipeline for one in here}
    incidents, waits = _incidents(store), approving.waiting(store)
    return Overview(
        due=[told for one in schedules if not places.gone(one.spec.target) and (told := _due(one, moment))],
        running=[one.told(moment) for one in runs if one.outcome == "running"],
        failed=[one.told(moment) for one in here if one.outcome in {"failed", "lost", "stopped"}],
        waiting=[one for one in _waiting(waits, moment) if one.about not in gone],
        stale=[
            *(one.told(moment) for one in here if one.outcome == "degraded"),
            *(one for one in _readers(store) if one.about not in gone),
        ],
        differs=[told for one in made if not places.gone(one.folder) and (told := _differs(store, one))],
        incidents=[one for one in incidents if one.about not in gone],
        gone=_gone(runs, schedules, [one for one in incidents if one.about in gone], moment, places),
        zone=times.zone([moment, *_shown_times(schedules, waits)]),
    )


def _newest(runs: list[_Run], places: _Places) -> list[_Run]:
    """Of each name the last run, of a folder that is there if there is one; and all that go on."""
    last: dict[str, _Run] = {}
    for one in runs:
        before = last.get(one.pipeline)
        if before is None or (places.gone(before.folder) and not places.gone(one.folder)):
            last[one.pipeline] = one
    return [one for one in runs if one.outcome == "running" or last[one.pipeline] is one]


def _waiting(waits: list[Waiting], now: datetime) -> list[Line]:
    return [
        Line(
            one.pipeline,
            f"{one.task}, until {_shown(one.expires, now)}",
            one.asks,
            f"nbops pipeline approve {short(one.run_id)} --reason …",
        )
        for one in waits
    ]


def _readers(store: Store) -> list[Line]:
    return [
        Line(
            one.pipeline,
            f"reads {one.reads.product}",
            one.reads.sentence,
            f"nbops pipeline health {one.reads.pipeline}",
        )
        for one in products.readers(store)
    ]


def _due(one: Schedule, now: datetime) -> Line | None:
    if one.paused(now):
        end = "" if one.pause_ends is None else f" until {_shown(times.microseconds(one.pause_ends), now)}"
        since = "" if one.paused_since is None else f"by {one.paused_by} since {_shown(one.paused_since, now)}"
        why = ": ".join(filter(None, [since, one.paused_why]))
        return Line(one.name, f"paused{end}", why, one.goes_on)
    if one.next is None:
        return None
    late = at(one.next) < now
    stands = f"{'was due' if late else 'due'} {_shown(one.next, now)}"
    return Line(one.name, stands, one.last_outcome or "", "nbops schedule tick" if late else "")


def _differs(store: Store, one: Release) -> Line | None:
    told = releases.changed(store, one)
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    what = f"{', '.join(told[:3])}{more}"
    return Line(one.pipeline, f"release {one.number}", what, f"nbops pipeline release {one.folder}") if told else None


def _incidents(store: Store) -> list[Line]:
    return [
        Line(subject.partition(":")[2], severity, words, f"nbops incidents show {short(key)}")
        for key, subject, severity, words in store.read(_INCIDENTS).rows
    ]


def _gone(
    runs: list[_Run], schedules: list[Schedule], incidents: list[Line], now: datetime, places: _Places
) -> list[Line]:
    """A line for each pipeline that cannot run any more, and for each schedule of something else, with what a person may end of it."""
    look = {one.about: one.do for one in incidents}
    found, told = list[Line](), set[str]()
    for run in runs:
        if run.outcome == "running" or not places.gone(run.folder):
            continue
        mine = [one.name for one in schedules if one.spec.target == run.folder]
        do = [f"nbops schedule remove {name}" for name in mine]
        do += [look[name] for name in dict.fromkeys([run.pipeline, *mine]) if name in look]
        age = duration((now - at(run.began)).total_seconds())
        found.append(
            Line(
                run.pipeline, "folder is gone", f"{run.folder}; its last run was {run.outcome} {age} ago", "; ".join(do)
            )
        )
        told.update(mine)
    for one in schedules:
        if places.gone(one.spec.target) and one.name not in told:
            what = "notebook" if Path(one.spec.target).suffix else "folder"
            do = [f"nbops schedule remove {one.name}", *([look[one.name]] if one.name in look else [])]
            found.append(Line(one.name, f"{what} is gone", one.spec.target, "; ".join(do)))
    return found


def _shown_times(schedules: list[Schedule], waits: list[Waiting]) -> Iterator[datetime]:
    for one in schedules:
        yield from (at(moment) for moment in (one.next, one.paused_since) if moment is not None)
        yield from [one.pause_ends] if one.pause_ends is not None else ()
    yield from (at(one.expires) for one in waits)


def _shown(moment: int, now: datetime) -> str:
    local, year = at(moment).astimezone(), now.astimezone().year
    return f"{local:%-d %b %H:%M}" if local.year == year else f"{local:%-d %b %Y %H:%M}"
