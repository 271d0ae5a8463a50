"""Every error nbops raises on purpose: what was asked, what exists, what to do next. `code` is stable and documented.

NbopsError
├── UsageError            (ValueError)
│   ├── ConfigError
│   ├── FilterError
│   ├── ParameterError
│   └── PathRefused
├── NotFound              (LookupError)
│   └── Ambiguous
├── Conflict
├── StoreError
│   ├── StoreUnavailable  (ConnectionError)
│   │   ├── StoreHeld
│   │   └── StoreReadOnly
│   ├── StoreFull         (OSError)
│   ├── StoreCorrupt
│   └── StoreVersion
├── QueryError            (ValueError)
│   └── QueryTimeout      (TimeoutError)
├── SourceError
├── ContractViolation     (ValueError)
├── ModelError            (TypeError)
│   └── TrustRefused      (PermissionError)
├── ReviewRefused         (PermissionError)
└── ExecutionError        (RuntimeError)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import partial
from typing import ClassVar, NamedTuple


class Exit(NamedTuple):
    """What a code means outside Python: a command's exit status and an HTTP reply's."""

    status: int
    http: int


EXITS: dict[str, Exit] = {
    "usage": Exit(64, 400),
    "usage.config": Exit(64, 400),
    "usage.filter": Exit(64, 400),
    "usage.parameter": Exit(64, 422),
    "usage.path": Exit(64, 400),
    "not-found": Exit(64, 404),
    "not-found.ambiguous": Exit(64, 409),
    "conflict": Exit(64, 409),
    "store": Exit(40, 500),
    "store.unavailable": Exit(40, 503),
    "store.unavailable.held": Exit(40, 503),
    "store.unavailable.read-only": Exit(40, 503),
    "store.full": Exit(40, 507),
    "store.corrupt": Exit(40, 500),
    "store.version": Exit(40, 426),
    "query": Exit(64, 400),
    "query.timeout": Exit(23, 408),
    "source": Exit(20, 502),
    "contract": Exit(21, 422),
    "model": Exit(26, 422),
    "model.trust": Exit(30, 403),
    "review": Exit(30, 403),
    "execution": Exit(25, 500),
    "execution.kernel": Exit(24, 500),
    "execution.timeout": Exit(23, 500),
    "execution.environment": Exit(26, 500),
    "internal": Exit(70, 500),
}


class NbopsError(Exception):
    """The root. `str(error)` is the sentence and, on a line of its own, the hint."""

    default_code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.message}\nHint: {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), self.message, hint=self.hint), (), self.__dict__

    @property
    def exit(self) -> Exit:
        """What its code means outside Python."""
        return EXITS[self.code]


class UsageError(NbopsError, ValueError):
    """The call itself is off: nothing was done."""

    default_code = "usage"


class ConfigError(UsageError):
    """A setting is unknown or mistyped."""

    default_code = "usage.config"


class FilterError(UsageError):
    """A search filter cannot be read; `position` counts characters from 0."""

    default_code = "usage.filter"

    def __init__(self, message: str, *, hint: str, position: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.position = position


class ParameterError(UsageError):
    """A notebook parameter or a logged value is refused."""

    default_code = "usage.parameter"


class PathRefused(UsageError):
    """A path leaves the folder it belongs to."""

    default_code = "usage.path"


class NotFound(NbopsError, LookupError):
    """There is no such thing; the hint names what exists."""

    default_code = "not-found"

    @classmethod
    def of(cls, kind: str, asked: str, known: Iterable[str], *, otherwise: str) -> NotFound:
        """For a `kind` called `asked`, with the nearest of `known`; `otherwise` is the hint when none is near."""
        near = nearest(asked, known)
        return cls(f"There is no {kind} {asked!r}.", hint=f"Did you mean {near!r}?" if near else otherwise)


class Ambiguous(NotFound):
    """More than one thing matches; the hint lists the candidates."""

    default_code = "not-found.ambiguous"


class Conflict(NbopsError):
    """It exists already, or changed since the caller looked."""

    default_code = "conflict"


class StoreError(NbopsError):
    """The store could not do what was asked."""

    default_code = "store"


class StoreUnavailable(StoreError, ConnectionError):
    """Nobody can write to the store at the moment; what may be spooled is spooled."""

    default_code = "store.unavailable"


class StoreHeld(StoreUnavailable):
    """Another program has the store's file open."""

    default_code = "store.unavailable.held"


class StoreReadOnly(StoreUnavailable):
    """The store's folder cannot be written."""

    default_code = "store.unavailable.read-only"


class StoreFull(StoreError, OSError):
    """The disk has no room."""

    default_code = "store.full"


class StoreCorrupt(StoreError):
    """The file is not DuckDB, or a part of it cannot be read as what it was."""

    default_code = "store.corrupt"


class StoreVersion(StoreError):
    """The store was made by a newer nbops, or needs a migration first."""

    default_code = "store.version"


class QueryError(NbopsError, ValueError):
    """SQL of the user's is refused or failed."""

    default_code = "query"


class QueryTimeout(QueryError, TimeoutError):
    """SQL of the user's was stopped at its time limit."""

    default_code = "query.timeout"


class SourceError(NbopsError):
    """Data cannot be had from its source, or what came is not what was asked for."""

    default_code = "source"


class ContractViolation(NbopsError, ValueError):
    """Data is not what its contract asks for."""

    default_code = "contract"


class ModelError(NbopsError, TypeError):
    """A model cannot be saved or loaded as asked."""

    default_code = "model"


class TrustRefused(ModelError, PermissionError):
    """Loading a model would run something that nobody vouched for."""

    default_code = "model.trust"


class ReviewRefused(NbopsError, PermissionError):
    """The gate or the policy does not let a promotion happen, or not by this person; the attempt is recorded."""

    default_code = "review"


class ExecutionError(NbopsError, RuntimeError):
    """A notebook failed, its kernel died or it took too long."""

    default_code = "execution"


# A FilterError takes no code: a UsageError stands for it.
_BY_CODE: dict[str, type[NbopsError]] = {
    kind.default_code: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, NbopsError) and kind is not FilterError
}


def from_wire(code: str, message: str, hint: str) -> NbopsError:
    """The error that a reply of the owner stands for."""
    kind = _BY_CODE.get(code) or _BY_CODE.get(code.split(".", maxsplit=1)[0], NbopsError)
    return kind(message, hint=hint, code=code if code in EXITS else "internal")


def nearest(asked: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `asked` most likely meant, or None."""
    found = difflib.get_close_matches(asked, list(known), n=1, cutoff=0.6)
    return found[0] if found else None
