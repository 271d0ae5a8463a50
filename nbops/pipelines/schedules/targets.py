"""What a schedule runs, looked at before it is due: whether it takes the parameters, and whether its secrets are there for whoever runs it.

systemd and cron start processes as a user, with none of the variables of anybody's terminal: what is looked up here is what those find.
"""

from __future__ import annotations

import pwd
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.config import Settings
from nbops.errors import ConfigError, NbopsError, NotFound, UsageError
from nbops.execution import parameters as typed
from nbops.execution import reading, secrets
from nbops.execution.parameters import Word
from nbops.pipelines import declaration, definition, marked, releases
from nbops.pipelines.schedules.spec import Spec, Timing
from nbops.store.client import Store

if TYPE_CHECKING:
    from nbops.execution.parameters import Interface


def check(store: Store, spec: Spec) -> None:
    """Raise what `nbops run` would raise for the target's next time: NotFound, ParameterError, ConfigError, UsageError.

    Of a release only that there is one is looked at: it was looked through when it was made.
    """
    path = store.settings.project / spec.target
    now = spec.calendar().next(datetime.now(UTC)) or datetime.now(UTC)
    given = {name: Word(text) for name, text in spec.texts(now).items()}
    if not path.is_dir():
        typed.resolve(_interface(path), given, strict=store.settings.execution.strict_parameters)
    elif spec.working_tree:
        definition.load(path, given)
    else:
        name = releases.of_folder(store, path) or called(store.settings.project, spec.target)
        try:
            releases.get(store, name)
        except NotFound as error:
            raise NotFound(
                error.message, hint=f"{error.hint} With --working-tree it runs the folder as it is."
            ) from error


def called(project: Path, target: str) -> str:
    """The name of a schedule that was given none: that of its notebook or pipeline."""
    path = project / target
    name = declaration.read(path)[0].name if path.is_dir() else path.stem
    return name or path.name


def declared(folder: Path) -> Timing | None:
    """What stands under `schedule:` in a folder's pipeline.yaml; None when nothing does. Raises ConfigError with all mistakes."""
    operations, _, mistakes = declaration.read(folder)
    marked.refuse(mistakes)
    return operations.schedule


def check_secrets(settings: Settings, spec: Spec, user: str, environ: Mapping[str, str]) -> None:
    """Raise what keeps a target from its secrets when `user` runs it with `environ`: NotFound, ConfigError, ParameterError."""
    for notebook, asked in _asking(settings, spec):
        secrets.resolve(settings, notebook, asked, environ=environ)
        if settings.secrets.source == "file":
            path = (settings.project / Path(settings.secrets.file).expanduser()).resolve()
            if path.stat().st_uid != uid_of(user):
                raise ConfigError(
                    f"The file of secrets {path} belongs to another user than {user}, who could not read it.",
                    hint=f"Name a file of {user}'s by an absolute path in secrets.file.",
                )


def uid_of(user: str) -> int:
    """The number of a user. Raises NotFound."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise NotFound(f"There is no user {user!r} on this machine.", hint="`getent passwd` lists them.") from error


def environment(file: Path | None) -> dict[str, str]:
    """The variables of an environment file as systemd reads it: a NAME=VALUE per line, perhaps quoted. Raises UsageError."""
    if file is None:
        return {}
    if not file.is_absolute():
        raise UsageError(f"{file} is no absolute path.", hint="systemd takes no other.")
    try:
        mode, text = file.stat().st_mode, file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The environment file {file} cannot be read: {error}.", hint="Make it, with mode 600."
        ) from error
    if mode & 0o077:
        raise ConfigError(
            f"The environment file {file} can be read by others ({mode & 0o777:o}).", hint=f"chmod 600 {file}"
        )
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";")):
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[name.strip()] = value[1:-1] if quoted else value
    return found


def _asking(settings: Settings, spec: Spec) -> Iterator[tuple[Path, dict[str, str]]]:
    """The notebooks of a target that ask for secrets, with their references by parameter."""
    path = settings.project / spec.target
    for notebook in sorted(path.glob("*.ipynb")) if path.is_dir() else [path]:
        interface = _interface(notebook)
        if not any(one.direction == "secret" for one in interface.parameters):
            continue
        texts = {} if path.is_dir() else spec.texts(datetime.now(UTC))
        values = typed.resolve(interface, {name: Word(text) for name, text in texts.items()}, strict=False)
        if asked := secrets.asked(interface, values):
            yield notebook, asked


def _interface(notebook: Path) -> Interface:
    if not notebook.is_file():
        raise NotFound(
            f"There is no notebook {notebook}.", hint="It was moved or removed: change the schedule, or remove it."
        )
    node = reading.read(notebook)
    return typed.read(node, reading.language_of(node), notebook.name)


def trouble(store: Store, spec: Spec, user: str, environ: Mapping[str, str]) -> NbopsError | None:
    """What would keep a target from being run by a user; None when nothing is known."""
    try:
        if not (store.settings.project / spec.target).exists():
            raise NotFound(
                f"There is no {spec.target} in {store.settings.project}.",
                hint="It was moved or removed: change the schedule, or remove it.",
            )
        check(store, spec)
        check_secrets(store.settings, spec, user, environ)
    except NbopsError as error:
        return error
    return None
