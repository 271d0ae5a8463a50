"""A source of data, read from YAML, a dict or Python: its address, how it is read, and what is known of it.

Values of secrets never stand here: an address or header names them as `$NAME`, and they are looked up when data is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import msgspec

from nbops.data import spans
from nbops.data.relation import is_read_once
from nbops.data.sources import address as addresses
from nbops.data.sources.address import Kind
from nbops.errors import ConfigError, UsageError, nearest
from nbops.records import Record

Format = Literal["parquet", "csv", "json", "excel"]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=30 * 86_400)]


class Options(Record, forbid_unknown_fields=True):
    """How CSV is read; what is left out is found out from the file."""

    delimiter: Annotated[str, msgspec.Meta(max_length=4)] = ""
    header: bool | None = None
    encoding: Literal["utf-8", "utf-8-sig", "latin-1", "utf-16"] = "utf-8"
    null: tuple[str, ...] = ()


class Append(Record, forbid_unknown_fields=True):
    """Only rows whose column `by` is beyond what is there already, less `look_back`: seconds if `is_span`, else a number."""

    by: Annotated[str, msgspec.Meta(min_length=1)]
    look_back: float = 0.0
    is_span: bool = False


class Source(Record, rename={"name": "source", "address": "from", "format_": "format"}):
    """Where data comes from. `given` is a frame or a function of this process, in place of an address."""

    name: str
    address: str
    kind: Kind
    given: Any = None
    format_: Format | Literal[""] = ""
    options: Options = Options()
    sheet: str | int = ""
    range: Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{1,3}[1-9]\d{0,6}:[A-Z]{1,3}[1-9]\d{0,6})?$")] = ""
    table: str = ""
    query: str = ""
    licence: str = ""
    purpose: tuple[str, ...] = ()
    owner: str = ""
    description: str = ""
    every: Seconds | None = None
    contract: str | dict[str, Any] = ""
    key: tuple[str, ...] = ()
    order: str = ""
    append: Append | None = None
    dedup: bool = False
    timeout: Seconds = 60.0
    within: Seconds = 21_600.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 4
    sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    max_bytes: Annotated[int, msgspec.Meta(gt=0)] = 100 * 10**9
    headers: dict[str, str] = {}
    allow_private: bool = False

    def __repr__(self) -> str:
        return f"Source({self.name!r}, from {addresses.shown(self.address)!r})"


FIELDS = tuple(
    sorted(field.encode_name for field in msgspec.structs.fields(Source) if field.name not in {"kind", "given"})
)
"""What a declaration may say."""


def read(given: str | Path | Mapping[str, Any] | Source, name: str | None = None) -> Source:
    """A source from a YAML file, its text as a dict, or itself; `name` is its name if the declaration gives none.

    In a dict `from` may also be a DataFrame, a table of Arrow or a function. Raises ConfigError with the place that does not fit.
    """
    if isinstance(given, Source):
        return given
    if isinstance(given, Mapping):
        return _Reader(name or str(given.get("source", "the source"))).source(given, name or "")
    import yaml

    path = Path(given)
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no declaration of a source {str(path)!r}.", hint="It is a YAML file that begins with `from:`."
        ) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"The declaration {str(path)!r} cannot be read: {unreadable(error)}", hint="It is YAML: see docs/data.md."
        ) from None
    if not isinstance(told, dict):
        raise ConfigError(f"{str(path)!r} declares no source.", hint="It begins with `from:`: see docs/data.md.")
    return _Reader(path.name).source(told, name or path.stem)


def unreadable(error: Exception) -> str:
    """Why a file cannot be read, and where, without the line itself: it may hold a password."""
    mark = getattr(error, "problem_mark", None)
    return f"{getattr(error, 'problem', None)}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(error)


def is_name(text: str) -> bool:
    """Whether it can be the name of a source: of a folder and of a table."""
    return _NAME.fullmatch(text) is not None and ".." not in text


_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_OF_KIND: dict[str, tuple[frozenset[str], str]] = {
    "table": (frozenset({"sqlite", "postgres"}), "databases"),
    "query": (frozenset({"sqlite", "postgres"}), "databases"),
    "sha256": (frozenset({"file", "http", "object"}), "files"),
    "headers": (frozenset({"http"}), "addresses that begin with https:// or http://"),
    "allow_private": (frozenset({"http"}), "addresses that begin with https:// or http://"),
    "format": (frozenset({"file", "http", "object"}), "files"),
}
_SPANS = ("every", "timeout", "within")


class _Reader:
    """Reads one declaration; every refusal names the place."""

    def __init__(self, where: str) -> None:
        self._where = where

    def source(self, told: Mapping[str, Any], name: str) -> Source:
        for key in told:
            if key not in FIELDS:
                near = nearest(str(key), FIELDS)
                self._refuse(
                    "the source", f"has {key!r}", f"Did you mean {near!r}?" if near else f"Known: {', '.join(FIELDS)}."
                )
        fields = {key: value for key, value in told.items() if value is not None}
        fields["source"] = self._name(str(fields.get("source", name)))
        fields |= self._address(fields.pop("from", None))
        for key in _SPANS:
            if key in fields:
                fields[key] = self._seconds(key, fields[key])
        if "max_bytes" in fields:
            fields["max_bytes"] = self._size(fields["max_bytes"])
        for key in ("purpose", "key"):
            if isinstance(fields.get(key), str):
                fields[key] = [fields[key]]
        if "append" in fields:
            fields["append"] = self._append(fields["append"])
        if "options" in fields:
            fields["options"] = self._options(fields["options"])
        given = fields.pop("given", None)
        made: Source = self._fitting("the source", fields, Source)
        self._consistent(made, frozenset(fields))
        return msgspec.structs.replace(made, given=given)

    def _name(self, name: str) -> str:
        if not is_name(name):
            self._refuse(
                "source",
                f"is {name!r}, which cannot be the name of a folder and a table",
                "Letters, digits, `_`, `-` and `.`, at most 100 of them; it does not begin with a dot.",
            )
        return name

    def _address(self, given: Any) -> dict[str, Any]:
        if given is None or (isinstance(given, str) and not given):
            self._refuse(
                "the source", "has no `from`", "Such as `from: data/flights-*.parquet`, or an https:// address."
            )
        if isinstance(given, Path):
            given = str(given)
        if not isinstance(given, str):
            if callable(given):
                called = f"{getattr(given, '__module__', '')}.{getattr(given, '__qualname__', type(given).__name__)}"
                return {"from": f"python:{called}", "kind": "python", "given": given}
            if isinstance(given, int | float | bool | Mapping | list | tuple | set):
                # What has parts may hold addresses, with what lets one in.
                told = repr(given) if isinstance(given, int | float) else f"a {type(given).__name__}"
                self._refuse("from", f"is {told}", "A path, an address, a function, or a DataFrame.")
            if is_read_once(given):
                self._refuse(
                    "from",
                    "is a reader of Arrow, which can be read only once",
                    "Give `reader.read_all()`, or a function that makes a new reader each time.",
                )
            return {"from": f"frame:{type(given).__module__.partition('.')[0]}", "kind": "frame", "given": given}
        try:
            return {"from": given, "kind": addresses.kind(given)}
        except UsageError as error:
            raise ConfigError(f"In {self._where}: {error.message}", hint=error.hint) from error

    def _seconds(self, place: str, value: Any) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        try:
            return spans.seconds(str(value))
        except UsageError:
            self._refuse(place, f"is {value!r}, which is no span of time", "Such as `2d`, `90 min`, `30s`.")

    def _size(self, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        try:
            return spans.size(str(value))
        except UsageError:
            self._refuse("max_bytes", f"is {value!r}", "Bytes, or such as `500 MB`, `10 GB`.")

    def _append(self, told: Any) -> Append:
        if isinstance(told, str):
            told = {"by": told}
        if not isinstance(told, Mapping) or not set(told) <= {"by", "look_back"} or "by" not in told:
            self._refuse("append", "does not fit", "Such as `append: {by: time_hour, look_back: 2d}`.")
        back = told.get("look_back") or 0
        is_span = isinstance(back, str)
        if is_span:
            back = self._seconds("append, look_back", back)
        made: Append = self._fitting("append", {"by": told["by"], "look_back": back, "is_span": is_span}, Append)
        return made

    def _options(self, told: Any) -> Options:
        if not isinstance(told, Mapping):
            self._refuse("options", "is no mapping", 'Such as `options: {delimiter: ";", encoding: latin-1}`.')
        known = [field.name for field in msgspec.structs.fields(Options)]
        # YAML takes the word `null` for nothing, as a key too.
        told = {"null" if key is None else key: value for key, value in told.items()}
        for key in told:
            if key not in known:
                near = nearest(str(key), known)
                self._refuse(
                    "options", f"has {key!r}", f"Did you mean {near!r}?" if near else f"Known: {', '.join(known)}."
                )
        null = told.get("null", ())
        made: Options = self._fitting("options", {**told, "null": [null] if isinstance(null, str) else null}, Options)
        return made

    def _consistent(self, source: Source, said: frozenset[str]) -> None:
        for field, (kinds, those) in _OF_KIND.items():
            if field in said and source.kind not in kinds:
                self._refuse(field, f"is of use for {those} only", f"`from` is {addresses.shown(source.address)!r}.")
        if source.kind in {"sqlite", "postgres"} and bool(source.table) == bool(source.query):
            self._refuse("the source", "needs a `table` or a `query`, one of both", "Such as `table: flights`.")
        if source.query:
            self._one_select(source.query)
        if source.append and source.query:
            self._refuse("append", "needs a `table`, not a `query`", "A view of the database may stand in between.")
        if source.dedup and not (source.key and source.order):
            self._refuse(
                "dedup", "needs a `key` and an `order`", "The newest of each key is kept, by the column `order`."
            )
        if source.append and source.append.look_back and not source.key:
            self._refuse(
                "append",
                "has a `look_back` but no `key`",
                "Without a key the rows that come again would be there twice.",
            )
        if (source.sheet != "" or source.range) and addresses.format_of(source.address, source.format_) != "excel":
            self._refuse("sheet" if source.sheet != "" else "range", "is of use for Excel only", "Say `format: excel`.")
        for name, value in source.headers.items():
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or "\n" in value or "\r" in value:
                self._refuse("headers", f"has {name!r}, which is no header", "Such as `Authorization: Bearer $TOKEN`.")
            if "$" not in value and addresses.is_telling(name):
                self._refuse(
                    f"headers, {name}",
                    "holds a secret itself",
                    f"Put it into the environment and name it: `{name}: $NAME`.",
                )

    def _one_select(self, query: str) -> None:
        """What the database itself enforces as well; here it is said before anything is asked."""
        plain = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", " ", query, flags=re.DOTALL).strip()
        if not re.match(r"(?i)(select|with|values)\b", plain) or ";" in plain.rstrip("; \n\t"):
            self._refuse("query", "is not exactly one SELECT", "It begins with `select` or `with` and changes nothing.")

    def _fitting(self, place: str, fields: Mapping[str, Any], kind: Any) -> Any:
        try:
            return msgspec.convert(dict(fields), kind)
        except msgspec.ValidationError as error:
            self._refuse(place, f"does not fit: {error}", "docs/data.md lists the fields and what they may be.")

    def _refuse(self, place: str, what: str, hint: str) -> NoReturn:
        raise ConfigError(f"In {self._where}: {place} {what}.", hint=hint)
