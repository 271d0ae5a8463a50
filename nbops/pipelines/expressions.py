"""Conditions such as `train.mae < 9 and collect.rows > 0`, over the metrics of steps: read once, nothing else can be called."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbops.errors import UsageError
from nbops.records import Record

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_CALLS: dict[str, Callable[[Sequence[Any]], Any]] = {"min": min, "max": max, "any": any, "all": all, "count": len}
_LONGEST = 1000
_SIGNS: dict[type[ast.AST], str] = {
    ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.Mod: "%", ast.FloorDiv: "//", ast.Pow: "**",
    ast.MatMult: "@", ast.Is: "is", ast.IsNot: "is not", ast.Invert: "~", ast.UAdd: "+",
}  # fmt: skip
"""What is not allowed and cannot be written without what it stands between."""
_REMEDY = (
    "Compare metrics of steps with < <= > >= == !=, and, or, not: "
    "`train.mae < 9`, `min(train.mae) < 9 and evaluate.bias < 1`."
)


class Expression(Record):
    """A condition: its text, and the metrics that it names as (step, metric)."""

    text: str
    names: tuple[tuple[str, str], ...]


def parse(text: str) -> Expression:
    """Raises UsageError for what is no condition."""
    return Expression(text, tuple(dict.fromkeys(_named(_tree(text)))))


def holds(text: str, known: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether it is true; `known` are the metrics by step, a list where the step was swept.

    Raises UsageError for a metric that is not there.
    """
    return bool(_Value(text, known).of(_tree(text)))


def _tree(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise UsageError(
            f"A condition of {len(text):,} characters is too long.", hint="Let a notebook decide, and log a metric."
        )
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        rest = (error.text or "")[error.offset - 1 :] if error.offset else ""
        where = f"at {rest!r}" if rest else "at its end"
        raise UsageError(f"{text!r} is no condition: {error.msg} {where}.", hint=_REMEDY) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{text!r} is no condition: {error}.", hint=_REMEDY) from error
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            sign = _SIGNS.get(type(node)) or ast.unparse(node)
            raise UsageError(f"{text!r} is no condition: {sign!r} is not allowed in it.", hint=_REMEDY)
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id in _CALLS and len(node.args) == 1
        ):
            raise UsageError(
                f"{text!r} calls {ast.unparse(node.func)!r}.", hint=f"Known: {', '.join(_CALLS)}, of one step's metric."
            )
    if not list(_named(tree)):
        raise UsageError(f"{text!r} names no metric of a step.", hint=_REMEDY)
    if (stray := _stray(tree)) is not None:
        raise UsageError(f"{text!r}: {ast.unparse(stray)!r} is no metric of a step.", hint=_REMEDY)
    return tree


_ALLOWED = (
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, *_COMPARE, ast.BinOp, *_ARITHMETIC, ast.Constant,
    ast.Attribute, ast.Name, ast.Load, ast.Call, ast.List, ast.Tuple,
)  # fmt: skip


def _named(tree: ast.expr) -> list[tuple[str, str]]:
    return [
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]


def _stray(tree: ast.expr) -> ast.expr | None:
    """A name that is neither a step's nor of what can be called, or what is asked of something else than a step."""
    nodes = list(ast.walk(tree))
    meant = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    meant |= {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) not in meant:
            return node
        if isinstance(node, ast.Attribute) and not isinstance(node.value, ast.Name):
            return node
    return None


class _Value:
    """The value of each part of a condition."""

    def __init__(self, text: str, known: Mapping[str, Mapping[str, Any]]) -> None:
        self._text = text
        self._known = known

    def of(self, node: ast.expr) -> Any:  # noqa: PLR0911 - one for each kind of node
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return all(self.of(one) for one in values)
            case ast.BoolOp(values=values):
                return any(self.of(one) for one in values)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.of(operand)
            case ast.UnaryOp(operand=operand):
                return -self.of(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return self._carefully(_ARITHMETIC[type(op)], self.of(left), self.of(right))
            case ast.Compare(left=left, ops=ops, comparators=rights):
                values = [self.of(one) for one in (left, *rights)]
                pairs = zip(values, ops, values[1:], strict=False)
                return all(self._carefully(_COMPARE[type(op)], one, two) for one, op, two in pairs)
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                value = self.of(argument)
                return self._carefully(
                    lambda of, _: _CALLS[name](of), value if isinstance(value, list) else [value], None
                )
            case ast.Constant(value=value):
                return value
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.of(one) for one in items]
            case ast.Attribute(value=ast.Name(id=step), attr=metric):
                return self._metric(step, metric)
        raise UsageError(f"{self._text!r}: {ast.unparse(node)!r} has no value.", hint=_REMEDY)

    def _metric(self, step: str, metric: str) -> Any:
        there = self._known.get(step, {})
        if metric not in there:
            known = ", ".join(sorted(there)) or "none"
            raise UsageError(
                f"{self._text!r}: {step} has logged no {metric!r}; it has {known}.", hint="Log it: run.log_metrics({…})"
            )
        return there[metric]

    def _carefully(self, do: Callable[[Any, Any], Any], one: Any, two: Any) -> Any:
        try:
            return do(one, two)
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise UsageError(
                f"{self._text!r} cannot be decided: {error}.",
                hint="A swept step has many values: min(…), max(…), any(…), all(…).",
            ) from error
