"""What a project declares in its folder `sources/`: sources in YAML, and steps that make data of data in plain SQL.

    sources/flights.yaml       where the flights come from
    sources/delays.sql         SELECT over flights and other sources, by their names
    contracts/flights.yaml     what flights have to be: the contract of the source of that name

A step's first comment may hold what YAML holds for a source: `every`, `key`, `contract` and so on, a line each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nbops import duck
from nbops.data import contract as contracts
from nbops.data.contract import Contract
from nbops.data.rules import ForeignKey
from nbops.data.sources import declaration
from nbops.data.sources.declaration import Source
from nbops.errors import ConfigError, NotFound, QueryError
from nbops.records import Record
from nbops.store import guard

FOLDER = "sources"
CONTRACTS = "contracts"
_HEAD = re.compile(r"(?:\s*--[^\n]*(?:\n|$))+")
_KEY = re.compile(r"[a-z_]+:(\s|$)")
_TEXT = r"""\b[eE]'(?:\\.|[^'\\])*'|'[^']*'|"[^"]*"|\$(\w*)\$.*?\$\2\$"""
_COMMENT = re.compile(rf"({_TEXT})|--[^\n]*|/\*.*?\*/", re.DOTALL)
_STEP_KEYS = frozenset(
    {"every", "owner", "licence", "purpose", "description", "contract", "key", "order", "append", "dedup"}
)


class Step(Record):
    """A SELECT over other sources; `source` holds what else is said of it."""

    source: Source
    sql: str
    inputs: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What decides on its rows, beside its inputs."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def select(self) -> str:
        """The SELECT alone, without comments and a semicolon at its end: it can stand in brackets."""
        return _COMMENT.sub(lambda found: found[1] or " ", self.sql).strip().rstrip("; \n\t\r")


def everything(project: Path) -> dict[str, Source | Step]:
    """All that a project declares, by name. Raises ConfigError."""
    found: dict[str, Source | Step] = {}
    for name, made in told(project).items():
        if isinstance(made, ConfigError):
            raise made
        found[name] = made
    return found


def told(project: Path) -> dict[str, Source | Step | ConfigError]:
    """As `everything`, with the error in place of what cannot be read, under the name of its file."""
    found: dict[str, Source | Step | ConfigError] = {}
    for path in files(project):
        try:
            made = _step(path) if path.suffix == ".sql" else declaration.read(path)
        except ConfigError as error:
            found[path.stem] = error
            continue
        called = source_of(made).name
        if called in found:
            found[called] = ConfigError(
                f"{path.name} declares {called!r}, which another file in {FOLDER}/ declares too.",
                hint="Rename one of them.",
            )
        else:
            found[called] = made
    return {called: _reading(made, found) for called, made in found.items()}


def files(project: Path) -> list[Path]:
    """The files that declare something."""
    folder = project / FOLDER
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml"), *folder.glob("*.sql")])


def find(project: Path, name: str) -> Source | Step:
    """What is declared under a name, whatever is wrong with other files. Raises NotFound and ConfigError."""
    known = told(project)
    if name not in known:
        broken = [one.message for one in known.values() if isinstance(one, ConfigError)]
        raise NotFound.of(
            "source",
            name,
            known,
            otherwise=f"A file that cannot be read may declare it: {broken[0]}"
            if broken
            else f"Declare it in {FOLDER}/{name}.yaml; docs/data.md shows an example of each kind.",
        )
    if isinstance(found := known[name], ConfigError):
        raise found
    return found


def source_of(declared: Source | Step) -> Source:
    """What is said of it beside a step's SQL."""
    return declared.source if isinstance(declared, Step) else declared


def in_order(known: Mapping[str, Source | Step], wanted: Iterable[str], project: Path | None = None) -> list[str]:
    """The names, each after what it is made of. Raises ConfigError for steps that wait for each other.

    With the `project`, whose contracts are read then, also after what their foreign keys name, unless that waits in turn.
    """
    done: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ConfigError(
                f"These steps wait for each other: {' ← '.join((*above[above.index(name) :], name))}.",
                hint="Take one of them apart.",
            )
        if name in done:
            return
        declared = known.get(name)
        for needed in _inputs_of(declared):
            if needed in wanted:
                visit(needed, (*above, name))
        for needed in _foreign(declared, project):
            if needed in wanted and needed not in (*above, name):
                visit(needed, (*above, name))
        done.append(name)

    wanted = list(wanted)
    for name in wanted:
        visit(name, ())
    return done


def needs(declared: Source | Step, project: Path) -> list[str]:
    """What it is made of, and what the foreign keys of its contract name."""
    return [*_inputs_of(declared), *_foreign(declared, project)]


def _inputs_of(declared: Source | Step | None) -> Sequence[str]:
    return declared.inputs if isinstance(declared, Step) else ()


def contract_of(source: Source, project: Path) -> Contract | None:
    """The contract that a source names, or the file in `contracts/` that has its name. Raises ConfigError."""
    if isinstance(source.contract, Mapping):
        return contracts.read({"contract": source.name, **source.contract})
    if source.contract:
        return contracts.read(project / source.contract)
    path = project / CONTRACTS / f"{source.name}.yaml"
    return contracts.read(path) if path.exists() else None


def _foreign(declared: Source | Step | None, project: Path | None) -> list[str]:
    """The sources that the foreign keys of its contract name."""
    if declared is None or project is None:
        return []
    try:
        contract = contract_of(source_of(declared), project)
    except ConfigError:  # told when it is collected
        return []
    return sorted({rule.references for rule in contract.rules if isinstance(rule, ForeignKey)}) if contract else []


def _reading(made: Source | Step | ConfigError, known: Iterable[str]) -> Source | Step | ConfigError:
    """A step with its inputs as they are declared: to SQL `Flights` and `flights` are the same."""
    if not isinstance(made, Step):
        return made
    declared = {name.lower(): name for name in known}
    inputs = {one if one in declared.values() else declared.get(one.lower(), one) for one in made.inputs}
    return msgspec.structs.replace(made, inputs=tuple(sorted(inputs)))


def _step(path: Path) -> Step:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"The step {path.name} cannot be read: {error}", hint="It is a SELECT in UTF-8.") from error
    head = _HEAD.match(text)
    lines = [line.strip().removeprefix("--").strip() for line in head[0].splitlines()] if head else []
    said = [line for line in lines if _KEY.match(line)]
    try:
        told: dict[str, Any] = yaml.safe_load("\n".join(said)) or {}
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"The comment of {path.name} cannot be read: {declaration.unreadable(error)}",
            hint="A line each: `every: 1d`.",
        ) from None
    for key in told:
        if key not in _STEP_KEYS:
            raise ConfigError(
                f"The comment of {path.name} says {key!r}, which means nothing for a step.",
                hint=f"Known: {', '.join(sorted(_STEP_KEYS))}.",
            )
    source = declaration.read({**told, "from": f"{FOLDER}/{path.name}"}, path.stem)
    return Step(source=source, sql=text, inputs=_inputs(text, path.name))


def _inputs(sql: str, where: str) -> tuple[str, ...]:
    """The tables that a SELECT reads."""
    con = duck.scratch()
    try:
        return tuple(sorted(guard.tables(con, sql)))
    except QueryError as error:
        raise ConfigError(
            f"{where} is no step: {error.message}",
            hint="A step is one SELECT of DuckDB over sources; anything else is a notebook.",
        ) from error
    finally:
        con.close()
