"""What the routes about schedules do: what would be due, adding one, pausing, resuming and removing it, and running it once by hand.

As in `verbs`, a verb runs on a thread. What is due is begun by whoever looks at schedules, never by this server.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nbops.errors import NbopsError, NotFound, UsageError
from nbops.jupyter_ext import forms
from nbops.jupyter_ext.verbs import Asked, InProject
from nbops.pipelines.schedules.requests import Deed
from nbops.pipelines.schedules.spec import Missed, Spec

if TYPE_CHECKING:
    from nbops.execution import parameters as typed
    from nbops.pipelines.schedules.telling import Told
    from nbops.render.model import Html
    from nbops.store.client import Store

_COMING = 3
_DEEDS: dict[str, Deed] = {"pause": "paused", "resume": "resumed", "remove": "removed"}


class Wish(InProject, kw_only=True):
    """A notebook or folder to run from now on, and when: in simple words, or as a cron expression.

    `values` are texts as `nbops schedule add -p NAME TEXT` takes them.
    """

    target: str
    name: str = ""
    often: Literal["hourly", "daily", "weekdays", "weekly", "cron"]
    at: str = ""
    day: str = ""
    cron: str = ""
    tz: str
    missed: Missed = "latest"
    working_tree: bool = False
    values: dict[str, str] = {}

    @property
    def expression(self) -> str:
        """Its cron expression. Raises UsageError."""
        from nbops.pipelines.schedules.rhythms import Rhythm

        return self.cron.strip() if self.often == "cron" else Rhythm(self.often, self.at, self.day).cron()

    def spec(self, target: str) -> Spec:
        """The schedule of a target by itself, without what a pipeline.yaml says. Raises UsageError."""
        return Spec(
            target=target, cron=self.expression, tz=self.tz.strip(), missed=self.missed, working_tree=self.working_tree,
            parameters=self.values,
        )  # fmt: skip


class Act(InProject, kw_only=True):
    """What is done about a schedule, and why; `until` is when a pause ends."""

    act: Literal["pause", "resume", "remove"]
    until: datetime | None = None
    reason: str = ""


def of_folder(store: Store, folder: Path) -> dict[str, object]:
    """The schedules of a folder and of its notebooks, and what keeps schedules from being run at all."""
    from nbops.pipelines.schedules import doctor, listing, telling

    now = datetime.now(UTC)
    found = telling.told(store, listing.of_folder(store, folder), now, coming=_COMING)
    wrong = [one for one in doctor.looking(store, now, wanted=True) if one.state == "wrong"] if found else []
    return {
        "schedules": [
            {
                "name": one.schedule.name, "words": one.words or one.expression, "paused": bool(one.paused),
                "run": one.schedule.last_run_id, "html": str(_facts(one)),
            }
            for one in found
        ],
        "unseen": [{"what": one.told, "remedy": one.remedy} for one in wrong],
    }  # fmt: skip


def check(asked: Asked) -> dict[str, object]:
    """What of a wish is refused, field by field; when it would be due next, in words; and the command that does the same."""
    from nbops.monitoring import windows
    from nbops.pipelines.schedules import calendar, listing, rhythms, targets, telling
    from nbops.pipelines.schedules import spec as specs

    wish: Wish = asked.body
    path, now = asked.root.file(wish.target), datetime.now(UTC)
    wrong: list[dict[str, object]] = []
    with _field(wrong, "cron" if wish.often == "cron" else "at"):
        calendar.check(wish.expression)
    with _field(wrong, "tz"):
        windows.zone(wish.tz.strip())
    if wrong:
        return {"problems": [], "timing": wrong, "next": [], "words": "", "command": ""}
    with _field(wrong, "name"):
        called = wish.name or targets.called(asked.settings.project, listing.target(asked.settings.project, path))
        _free(asked, specs.name(called))
    made = wish.spec(path.name)
    problems: list[dict[str, object]] = []
    with _field(problems, None):
        problems += forms.told(_refused(asked, path, made))
    if not problems and asked.settings.folder.is_dir():
        with _field(problems, None):
            _wanted(asked, path)
    return {
        "problems": problems, "timing": wrong, "words": rhythms.words(made.cron, ""),
        "next": [telling.local(made, one) for one in listing.coming(made, now, _COMING)], "command": _command(path, wish, made),
    }  # fmt: skip


def add(asked: Asked) -> dict[str, object]:
    """Let a wish be a schedule from now on."""
    from nbops.pipelines.schedules import adding, telling

    wish: Wish = asked.body
    spec = _wanted(asked, asked.root.file(wish.target))
    now = datetime.now(UTC)
    made = adding.add(asked.begun, spec, wish.name, now)
    return {"message": telling.put(made.name, made.what, made.spec, now)}


def act(asked: Asked, name: str) -> dict[str, object]:
    """Pause, resume or remove."""
    from nbops import times
    from nbops.pipelines.schedules import listing, telling

    told: Act = asked.body
    deed, until = _DEEDS[told.act], None if told.until is None else times.moment(told.until)
    done = listing.act(asked.store, name, deed, until=until, why=told.reason.strip())
    return {"message": telling.acted(asked.store, name, deed, until, datetime.now(UTC), done=done)}


def run(asked: Asked, name: str) -> dict[str, object]:
    """Begin what a schedule runs, as if it were due now; it is a person's run, and none of the schedule's times."""
    from nbops.execution import launching as notebooks
    from nbops.pipelines.schedules import listing
    from nbops.workspace import launching as pipelines

    store = asked.store
    spec, project = listing.get(store, name).spec, store.settings.project
    path, texts = project / spec.target, spec.texts(datetime.now(UTC))
    if not path.exists():
        raise NotFound(f"There is no {spec.target} any more.", hint="Remove the schedule, or bring it back.")
    if path.is_dir():
        release = "" if spec.working_tree else "current"
        order = pipelines.Order(project=str(project), folder=str(path), values=texts, release=release)
        return {"id": pipelines.launch(order).run_id}
    return {"id": notebooks.launch(notebooks.Order(project=str(project), notebook=str(path), values=texts)).run_id}


def _facts(one: Told) -> Html:
    from nbops.render import html
    from nbops.render.model import Column

    return html.facts([Column(name, "prose") for name, _ in one.facts], [text for _, text in one.facts])


@contextmanager
def _field(found: list[dict[str, object]], name: str | None) -> Iterator[None]:
    """What is refused meanwhile is kept for a field, None for the whole form."""
    try:
        yield
    except NbopsError as error:
        found.append({"name": name, "message": error.message, "hint": error.hint})


def _free(asked: Asked, name: str) -> None:
    """Raise UsageError for a name that is taken."""
    from nbops.pipelines.schedules import listing

    taken = {one.name: one.spec.target for one in listing.every(asked.store)} if asked.settings.folder.is_dir() else {}
    if name in taken:
        raise UsageError(
            f"There is a schedule {name!r} already, for {taken[name]}.", hint="Give this one another name."
        )


def _refused(asked: Asked, path: Path, made: Spec) -> list[typed.Problem]:
    """What the target does not take of the texts for the time that comes next."""
    now = datetime.now(UTC)
    texts = made.texts(made.calendar().next(now) or now)
    return forms.refused(asked, path, texts, release=not made.working_tree)


def _wanted(asked: Asked, path: Path) -> Spec:
    from nbops.pipelines.schedules import adding

    made = asked.body.spec(path.name)
    timing = {name: getattr(made, name) for name in ("cron", "tz", "missed", "working_tree")}
    return adding.wanted(asked.begun, path, timing, made.parameters)


def _command(path: Path, wish: Wish, made: Spec) -> str:
    """What one types beside the notebook or folder to do the same."""
    words = ["nbops", "schedule", "add", path.name, "--cron", made.cron, "--tz", made.tz]
    words += ["--name", wish.name] if wish.name else []
    words += ["--missed", made.missed] if made.missed != "latest" else []
    words += ["--working-tree"] if made.working_tree else []
    return shlex.join([*words, *(word for name, text in made.parameters.items() for word in ("-p", name, text))])
