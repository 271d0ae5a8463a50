"""Where autolog listens: the methods of scikit-learn's estimators, and of every class that derives from BaseEstimator.

Calls that user code makes flow to one `Report`. Calls from inside scikit-learn or joblib (steps, members, points of a search,
worker threads and processes), from inside a reported call, or in a forked process go straight to the method.

`BaseEstimator` finds the classes that exist, and `__init_subclass__` those to come. A class still gives its own methods
(`LogisticRegression.fit` is what it was); only instances give the reporting ones. So signatures, `clone`, metadata routing and
pickles, even by value, see nothing of this.
"""

from __future__ import annotations

import contextvars
import functools
import operator
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType, MethodType
from typing import Any

METHODS = ("fit", "fit_transform", "fit_predict", "score")


@dataclass(frozen=True)
class Call:
    """A call of one of `METHODS`; `frame` is the caller's. `proceed()` does it, once."""

    method: str
    estimator: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    frame: FrameType
    proceed: Callable[[], Any]

    @property
    def data(self) -> Any:
        """scikit-learn's X; None when the rows go by another name."""
        return self.args[0] if self.args else self.kwargs.get("X")

    @property
    def target(self) -> Any:
        """scikit-learn's y, or None."""
        return self.args[1] if len(self.args) > 1 else self.kwargs.get("y")


Report = Callable[[Call], Any]
"""Gets each call and answers in its place: what `proceed()` gave."""


def install(report: Report) -> None:
    """Report calls from now on, of later classes too; an earlier `report` is replaced."""
    from sklearn.base import BaseEstimator, TransformerMixin

    _listening[:] = [(report, os.getpid())]
    # TransformerMixin wraps what a new class defines after BaseEstimator has seen it: both tell, the last one counts.
    for base in (BaseEstimator, TransformerMixin):
        if base not in _bases:
            _bases[base] = base.__dict__.get("__init_subclass__")
            base.__init_subclass__ = _announcement(base)
    for kind in {BaseEstimator, *_subclasses(BaseEstimator)}:
        _watch(kind)


def remove() -> None:
    """Put everything back as it was."""
    _listening.clear()
    for base, before in _bases.items():
        if before is None:
            del base.__init_subclass__
        else:
            base.__init_subclass__ = before
    _bases.clear()
    for kind in list(_watched):
        for name in METHODS:
            found = kind.__dict__.get(name)
            if isinstance(found, _Reporting):
                setattr(kind, name, found.original)
    _watched.clear()


_listening: list[tuple[Report, int]] = []
_bases: dict[Any, Any] = {}
_watched: weakref.WeakSet[type] = weakref.WeakSet()
_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("nbops_autolog_inside", default=False)
_NOT_USER_CODE = frozenset({"sklearn", "joblib"})


class _Reporting:
    """Stands where a method stood. The class, and a pickle of the class by value, get the original."""

    def __init__(self, original: Any, name: str) -> None:
        self.original = original

        @functools.wraps(original)
        def reporting(estimator: Any, /, *args: Any, **kwargs: Any) -> Any:
            return _called(original, name, estimator, args, kwargs)

        self._reporting = reporting

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        # First the original: one that is there only sometimes (`available_if`) refuses here, as before.
        bound = self.original.__get__(instance, owner)
        return bound if instance is None else MethodType(self._reporting, instance)

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.itemgetter(0), ((self.original,),)


def _called(original: Any, name: str, estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    bound = original.__get__(estimator, type(estimator))
    # A copy, as another thread may switch it off meanwhile.
    listening = _listening[:]
    if not listening or _inside.get():
        return bound(*args, **kwargs)
    from sklearn.base import BaseEstimator

    report, pid = listening[0]
    frame = sys._getframe(2)  # noqa: SLF001 - the caller of the method: there is no other way to know it
    if pid != os.getpid() or not isinstance(estimator, BaseEstimator) or not _is_user_code(frame):
        return bound(*args, **kwargs)
    inside = _inside.set(True)
    try:
        return report(Call(name, estimator, args, kwargs, frame, functools.partial(bound, *args, **kwargs)))
    finally:
        _inside.reset(inside)


def _is_user_code(frame: FrameType | None) -> bool:
    """Whether no scikit-learn or joblib has a part in the call; their worker threads do not share our context."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_USER_CODE:
            return False
        frame = frame.f_back
    return True


def _announcement(base: type) -> Any:
    before = _bases[base]

    def __init_subclass__(kind: type, /, **options: Any) -> None:  # noqa: N807 - it is one
        if before is None:
            super(base, kind).__init_subclass__(**options)  # type: ignore[arg-type]  # mypy knows super only inside a class
        else:
            before.__get__(None, kind)(**options)
        _watch(kind)

    return classmethod(__init_subclass__)


def _watch(kind: type) -> None:
    """Put a reporting method wherever `kind` or what it derives from defines one; mixins hold `score` and `fit_predict`."""
    for owner in kind.__mro__:
        for name in METHODS:
            method = owner.__dict__.get(name)
            if method is None or isinstance(method, _Reporting) or getattr(method, "__isabstractmethod__", False):
                continue
            try:
                setattr(owner, name, _Reporting(method, name))
            except TypeError:
                # A class written in C cannot be changed; its calls are not reported.
                continue
            _watched.add(owner)


def _subclasses(kind: type) -> Iterator[type]:
    derived: type
    for derived in kind.__subclasses__():
        yield derived
        yield from _subclasses(derived)
