"""Where the project is and how it wants to be run: files, then `NBOPS_*`, then arguments become one frozen `Settings`.

docs/settings.md says what each setting means. Nothing is created here.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from nbops.errors import ConfigError, NotFound, nearest
from nbops.records import Record

FOLDER = ".nbops"
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e9)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Reference = Annotated[str, msgspec.Meta(pattern=r"^(secret://[A-Za-z0-9._/-]+)?$")]


class StoreSettings(Record):
    """How processes share the store. Times in seconds unless the name says otherwise."""

    timeout: Positive = 30.0
    idle_minutes: Positive = 5.0
    transport: Literal["unix", "tcp"] = "unix"
    group: str = ""
    allow_network_fs: bool = False
    memory_limit: str = "25%"
    threads: Count = 2


class TrackingSettings(Record):
    """How runs are recorded."""

    flush_seconds: Positive = 0.5


class ExecutionSettings(Record):
    """How notebooks are executed."""

    fork_server: bool = False
    fork_server_minutes: Positive = 10.0
    strict_parameters: bool = True
    undeclared_reads: list[str] = []


class SqlSettings(Record):
    """Bounds of the user's own SQL."""

    timeout: Positive = 60.0
    max_rows: Count = 5_000_000


SECRETS_PREFIX = "NBOPS_SECRET_"
SECRETS_VARIABLE = "NBOPS_SECRETS"
"""In a kernel's environment: the file in the runner's memory from which it reads its secrets."""


class SecretsSettings(Record):
    """Where the secrets of notebooks come from, and which notebook may ask for which. Names only: a value stands in no setting."""

    source: str = "env"
    prefix: str = SECRETS_PREFIX
    file: str = ""
    allow: dict[str, tuple[str, ...]] = {}


class MailSettings(Record):
    """How reports are sent."""

    host: str = ""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    sender: str = ""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: Reference = ""


class NotifySettings(Record):
    """Where messages go: a channel is `log`, an address of a web server, or mail addresses with commas between them.

    `secrets` sign what a web server of that name is sent. Times in seconds.
    """

    channels: dict[str, str] = {}
    secrets: dict[str, Reference] = {}
    attempts: Count = 8
    again: Positive = 30.0
    timeout: Positive = 5.0


class LineageSettings(Record):
    """Where runs of pipelines are told as OpenLineage: a file of the project, and the address of a server; `key` opens that."""

    file: str = ""
    url: str = ""
    key: Reference = ""
    namespace: str = ""


class Settings(Record):
    """Everything a project may set; `origins` says where each value came from."""

    project: Path
    store: StoreSettings = StoreSettings()
    tracking: TrackingSettings = TrackingSettings()
    execution: ExecutionSettings = ExecutionSettings()
    sql: SqlSettings = SqlSettings()
    secrets: SecretsSettings = SecretsSettings()
    mail: MailSettings = MailSettings()
    notify: NotifySettings = NotifySettings()
    lineage: LineageSettings = LineageSettings()
    origins: dict[str, str] = {}

    @property
    def folder(self) -> Path:
        """The project's `.nbops` folder, which may not exist yet."""
        return self.project / FOLDER


_SECTIONS: dict[str, type[Record]] = {
    field.name: field.type for field in msgspec.structs.fields(Settings) if isinstance(field.default, Record)
}
KEYS: dict[str, Any] = {
    f"{section}.{name}": value
    for section, kind in _SECTIONS.items()
    for name, value in msgspec.structs.asdict(kind()).items()
}
"""Every setting as `section.key`, with its default."""

_SPECIAL = {"NBOPS_TRANSPORT": "store.transport"}
FIRE_VARIABLE = "NBOPS_FIRE"
"""In the environment of what a schedule runs: the attempt, which its run is tagged with."""
# Names that steer one process and are no settings of a project.
_NOT_SETTINGS = frozenset(
    {"NBOPS_PROJECT", "NBOPS_RUN", "NBOPS_HEADLESS", "NBOPS_NOTEBOOK", "NBOPS_BROWSER", FIRE_VARIABLE, SECRETS_VARIABLE}
)


def settings(
    project: str | os.PathLike[str] | None = None,
    *,
    start: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings that hold for `project`, or for the project that `start` (default: the current folder) lies in.

    Raises ConfigError for an unknown or mistyped setting, naming the nearest one and where it stands.
    """
    environ = os.environ if environ is None else environ
    root, found = find_project(project, start=start, environ=environ)
    values: dict[str, dict[str, Any]] = {}
    origins = {"project": found}
    for source, table in _tables(root):
        for section, entries in table.items():
            if not isinstance(entries, dict):
                raise _unknown(section, source)
            for key, value in entries.items():
                _put(values, origins, f"{section}.{key}", value, source)
    for name, text in environ.items():
        if name.startswith("NBOPS_") and name not in _NOT_SETTINGS and not name.startswith(SECRETS_PREFIX):
            section, _, key = name.removeprefix("NBOPS_").lower().partition("_")
            _put(values, origins, _SPECIAL.get(name, f"{section}.{key}"), text, name)
    made = {section: _section(section, values.get(section, {}), origins) for section in _SECTIONS}
    return Settings(project=root, origins=origins, **made)  # type: ignore[arg-type]  # each section has its own kind


def existing(settings: Settings) -> Settings:
    """The same, when somebody has begun that project: a question must not begin one. Raises NotFound."""
    if not settings.folder.exists() and settings.origins["project"] in {"git root", "current folder"}:
        raise NotFound(
            f"There is no project in {settings.project}.",
            hint="Go to its folder or name it (nbops -C DIR, NBOPS_PROJECT); the first run begins one.",
        )
    return settings


def find_project(
    project: str | os.PathLike[str] | None = None,
    *,
    start: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[Path, str]:
    """The project's root folder, resolved, and what decided on it."""
    environ = os.environ if environ is None else environ
    named = project or environ.get("NBOPS_PROJECT")
    if named:
        root = Path(named).expanduser().resolve()
        if not root.is_dir():
            raise ConfigError(f"The project folder {root} does not exist.", hint="Create it, or name another with -C.")
        return root, "argument" if project else "NBOPS_PROJECT"
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir():
            return folder, f"{FOLDER} folder"
        if (folder / "nbops.toml").is_file():
            return folder, "nbops.toml"
        if _pyproject(folder) is not None:
            return folder, "pyproject.toml"
        # Runs that were once logged in the home folder must not claim every repository below it.
        if (folder / ".git").exists():
            return folder, "git root"
    return here, "current folder"


def _tables(root: Path) -> list[tuple[str, dict[str, Any]]]:
    found = [("pyproject.toml", _pyproject(root) or {})]
    if (root / "nbops.toml").is_file():
        found.append(("nbops.toml", _toml(root / "nbops.toml")))
    return found


def _pyproject(folder: Path) -> dict[str, Any] | None:
    path = folder / "pyproject.toml"
    # Most folders have none, and most that exist say nothing of nbops: look before parsing.
    if not path.is_file() or "tool.nbops" not in path.read_text(encoding="utf-8", errors="replace"):
        return None
    table = _toml(path).get("tool", {}).get("nbops")
    return table if isinstance(table, dict) else None


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}.", hint="Mend the line that the message names."
        ) from error


def _put(values: dict[str, dict[str, Any]], origins: dict[str, str], key: str, value: object, source: str) -> None:
    if key not in KEYS:
        raise _unknown(key, source)
    section, _, name = key.partition(".")
    values.setdefault(section, {})[name] = value
    origins[key] = source


def _unknown(key: str, source: str) -> ConfigError:
    near = nearest(key, KEYS)
    known = f"Did you mean {near!r}?" if near else f"Known: {', '.join(KEYS)}."
    return ConfigError(f"Unknown setting {key!r} in {source}.", hint=known)


def _section(section: str, values: dict[str, Any], origins: dict[str, str]) -> Record:
    made: dict[str, Any] = {}
    for field in msgspec.structs.fields(_SECTIONS[section]):
        if field.name not in values:
            continue
        value = values[field.name]
        try:
            # Environment variables are text, so numbers and truth values may be spelled as such.
            made[field.name] = msgspec.convert(value, field.type, strict=not isinstance(value, str))
        except msgspec.ValidationError as error:
            key = f"{section}.{field.name}"
            # Somebody may have put a secret where its name belongs.
            told = key if section in {"secrets", "mail", "notify"} else f"{key} = {value!r}"
            raise ConfigError(
                f"The setting {told} in {origins[key]} does not fit: {error}.",
                hint=f"Its default is {KEYS[key]!r}.",
            ) from error
    return _SECTIONS[section](**made)
