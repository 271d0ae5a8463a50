"""Addresses of sources: of which kind one is, what its name says of the format, how it is shown, and the secrets it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from nbops.errors import SourceError, UsageError

Kind = Literal["file", "http", "object", "sqlite", "postgres", "python", "frame"]

_FORMATS = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".xlsx": "excel", ".xls": "excel", ".xlsb": "excel", ".ods": "excel",
}  # fmt: skip
_COMPRESSED = (".gz", ".zip", ".zst")
_DATABASES = (".sqlite", ".sqlite3", ".db")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
# Parameters of an address whose value lets one in: signed addresses of object stores, keys of services.
_TELLING = re.compile(
    r"(?i)(?:^|[^a-z])(?:sig|signature|auth|key)$|^code$|token|secret|passw|pwd|credential|api_?key|access_?key|authorization|cookie"
)
MASKED = "•••"
_SHORTEST = 4


def kind(address: str) -> Kind:
    """Raises UsageError."""
    if address.startswith("python:"):
        if not re.fullmatch(r"python:(?:[\w.]+\.\w+|.+\.py:\w+)", address):
            raise _unclear(address, "names no function")
        return "python"
    if re.search(r"::[A-Za-z][A-Za-z0-9+.-]*://", address):
        raise _unclear(address, "is a chain of file systems")
    found = _SCHEME.match(address)
    if not found:
        return "sqlite" if address.lower().endswith(_DATABASES) else "file"
    scheme = found[1].lower()
    if scheme in {"http", "https"}:
        try:
            parts = urlsplit(_VARIABLE.sub("1", address))
            is_one = bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if not is_one:
            raise _unclear(address, "names no host")
        return "http"
    if scheme in {"postgresql", "postgres"}:
        return "postgres"
    return "sqlite" if scheme == "sqlite" else "file" if scheme == "file" else "object"


def _unclear(address: str, what: str) -> UsageError:
    return UsageError(f"The address {shown(address)!r} {what}.", hint="docs/data.md shows an address of each kind.")


def path_of(address: str) -> str:
    """What of an address names a file: without scheme, parameters and fragment."""
    if not _SCHEME.match(address):
        return address
    parts = urlsplit(address)
    return unquote(parts.path) if parts.path else parts.netloc


def format_of(address: str, declared: str = "") -> str:
    """`parquet`, `csv`, `json`, `excel`, or nothing where the name does not tell; the declared format goes first."""
    if declared:
        return declared
    path = PurePosixPath(path_of(address))
    suffix = path.suffix.lower()
    if suffix in _COMPRESSED:
        suffix = PurePosixPath(path.stem).suffix.lower()
    return _FORMATS.get(suffix, "")


def shown(address: str) -> str:
    """The address for people and records: no user or password, no value of a parameter that lets one in.

    Names of environment variables stay; they are no secret.
    """
    if not _SCHEME.match(address):
        return address
    scheme, rest = address.split("://", 1)
    rest = rest.removeprefix(_user(rest))
    plain, question, query = rest.partition("?")
    if not question:
        plain, _, _ = plain.partition("#")
        return f"{scheme}://{plain}"
    parameters = [
        f"{quote(key)}={value if _VARIABLE.fullmatch(value) or not is_telling(key) else MASKED}"
        for key, value in parse_qsl(query.partition("#")[0], keep_blank_values=True)
    ]
    return f"{scheme}://{plain}?{'&'.join(parameters)}"


def unsaid(text: str, address: str, more: Iterable[str], environ: Mapping[str, str]) -> str:
    """The text without what lets one in: of the address, as it stands there, quoted or not, and of the variables that it and `more` name.

    What is shorter than four characters would be found in every other word: it goes with its user and the at sign only.
    """
    named = [found[1] or found[2] for told in (address, *more) for found in _VARIABLE.finditer(told)]
    user = _user(address.partition("://")[2])
    said = [user.removesuffix("@").partition(":")[2]]
    said += [value for key, value in parse_qsl(address.partition("?")[2]) if is_telling(key)]
    values = [environ[name] for name in named if name in environ]
    values += [value for value in said if not _VARIABLE.fullmatch(value)]
    forms = {form for value in values for form in (value, quote(value, safe=""), unquote(value))}
    for form in sorted([*(form for form in forms if len(form) >= _SHORTEST), user], key=len, reverse=True):
        text = text.replace(form, MASKED) if form else text
    return text


def is_telling(name: str) -> bool:
    """Whether the value of a header or parameter of this name lets one in."""
    return bool(_TELLING.search(name))


def _user(rest: str) -> str:
    """What stands before the host, with the at sign, of an address without its scheme."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if re.fullmatch(r"(?:[^@:]*|\[[^@]*\])(?::\d*)?", authority):
        return ""
    # Whoever forgets to quote a password may have any sign in it: nothing before the last at sign is shown.
    return rest[: rest.rfind("@") + 1]


def host_of(url: str) -> str:
    """`host:port` as it stands in an address."""
    return urlunsplit(("", urlsplit(url).netloc.rpartition("@")[2], "", "", "")).removeprefix("//")


def filled(text: str, environ: Mapping[str, str], *, url: bool = False) -> str:
    """The text with the values of the variables that it names; in a `url` they are quoted. Raises SourceError without the value."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in environ:
            raise SourceError(
                f"The source names the environment variable {name}, which is not set.",
                hint=f"Set {name} where this runs; the declaration keeps its name only.",
            )
        return quote(environ[name], safe="") if url else environ[name]

    return _VARIABLE.sub(value, text)
