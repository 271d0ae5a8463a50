"""What a failure is: rules, tried in order.

A distribution adds rules of its own through the entry point group `nbops.failure_rules`: each entry is an iterable of `Rule`, tried
before the built-in ones.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterable, Sequence

from nbops.errors import UsageError
from nbops.failures.evidence import Evidence, Fault, Frame
from nbops.failures.known import OTHERWISE, RULES
from nbops.failures.rule import EXIT_STATUSES, Rule
from nbops.records import FailureClass, Record

GROUP = "nbops.failure_rules"

# A message may hold a whole table, and what is searched for grows with the square of its length.
_READ = 2000


class Verdict(Record):
    """What a failure is, by which rule, and the exit status of a run that ends with it."""

    failure_class: FailureClass
    rule: str
    sentence: str
    exit_status: int


def classify(evidence: Evidence, rules: Sequence[Rule] | None = None) -> Verdict:
    """The class of a failure; `rules` instead of all that are known. What no rule fits is a code bug."""
    order = _judged(evidence.faults)
    for group in (rules,) if rules is not None else (extension_rules(), RULES):
        for fault in order:
            for rule in group:
                if rule is not OTHERWISE and _fits(rule, evidence, fault):
                    return _verdict(rule)
    return _verdict(OTHERWISE)


def all_rules() -> tuple[Rule, ...]:
    """Every rule in the order in which they are tried."""
    return extension_rules() + RULES


@functools.cache
def extension_rules() -> tuple[Rule, ...]:
    """The rules of installed distributions; one that cannot be loaded is told as a warning and left out."""
    from importlib.metadata import entry_points

    found: list[Rule] = []
    for entry in entry_points(group=GROUP):
        try:
            found += _checked(entry.load())
        # What a module of somebody else's raises while it is imported has no common name below Exception.
        except (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError,
                SyntaxError, TypeError, ValueError) as error:  # fmt: skip
            warnings.warn(
                f"The failure rules of {entry.name!r} ({entry.value}) are left out: {type(error).__name__}: {error}",
                stacklevel=2,
            )
    return tuple(found)


def _checked(rules: Iterable[object]) -> list[Rule]:
    checked = []
    for rule in rules:
        if not isinstance(rule, Rule):
            raise UsageError(f"{rule!r} is no rule.", hint="Give instances of nbops.failures.Rule.")
        if not rule.conditions:
            raise UsageError(
                f"Rule {rule.id!r} has no condition, so every failure would be {rule.failure_class}.",
                hint="Give it an ename, evalue or any other condition.",
            )
        for pattern in (rule.evalue, rule.words, rule.last, rule.code, rule.origin):
            try:
                re.compile(pattern)
            except re.error as error:
                raise UsageError(
                    f"Rule {rule.id!r} has no regular expression in {pattern!r}: {error}.",
                    hint="Escape what is meant as text: re.escape(…).",
                ) from error
        checked.append(rule)
    return checked


def _judged(faults: Sequence[Fault]) -> list[Fault]:
    """The exceptions of a chain, the one that most likely is the cause first.

    A library raises an error of its own while it handles one because that tells more: the one before it comes second. What a
    handler of the user's raises, `from` the error or by a plain `raise`, hides it: the one before it comes first. What slipped out
    of a handler of the user's has nothing to do with what was handled there.
    """
    order: list[Fault] = []
    for before, fault in zip((None, *faults), faults, strict=False):
        # The traceback of what was handled begins where it was caught; that of another process repeats the same error.
        if before and before.frames and not before.frames[0].own and before.ename != fault.ename:
            order = [fault, *order]
        elif fault.follows == "cause" or (fault.own and fault.on_purpose):
            order = [*order, fault]
        else:
            order = [fault]
    return order or [Fault()]


def _fits(rule: Rule, evidence: Evidence, fault: Fault) -> bool:
    raised = fault.frames[-1] if fault.frames else Frame("", "")
    return (
        (not rule.ename or not {fault.ename, *fault.bases}.isdisjoint(rule.ename))
        and all(
            not wanted or found in wanted
            for wanted, found in (
                (rule.errno, fault.errno), (rule.http, fault.http), (rule.signal, evidence.signal), (rule.exit_code, evidence.exit_code),
            )
        )
        and all(
            wanted is None or found is wanted
            for wanted, found in (
                (rule.own, fault.own), (rule.on_purpose, fault.on_purpose), (rule.out_of_memory, evidence.out_of_memory),
                (rule.timed_out, evidence.timed_out), (rule.ended, evidence.ended),
            )
        )
        and bool(re.search(rule.evalue, fault.evalue[:_READ]))
        and bool(not rule.words or re.search(rule.words, fault.words[:_READ]))
        and bool(re.search(rule.last, f"{raised.file}:{raised.function}"))
        and bool(re.search(rule.code, f"{raised.code}\n{fault.evalue[:_READ]}"))
        and bool(not rule.origin or re.search(rule.origin, f"{(fault.origin or fault.asked)[:_READ]}\n{fault.evalue[:_READ]}"))
    )  # fmt: skip


def _verdict(rule: Rule) -> Verdict:
    status = EXIT_STATUSES[rule.failure_class] if rule.exit_status is None else rule.exit_status
    return Verdict(failure_class=rule.failure_class, rule=rule.id, sentence=rule.why, exit_status=status)
