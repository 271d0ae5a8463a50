"""What a parameter may be: a `Type` from an annotation, a type comment or a default, and the fitting of values to it.

Text is read as the type says, other values are converted where nothing is lost; what does not fit is a `Misfit`. An unknown type,
such as a class of the notebook's, asks for nothing.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nbops.execution.parameters import python
from nbops.execution.parameters.kinds import CONTAINERS, REFUSALS, Misfit, kind_of
from nbops.execution.parameters.values import kind, normal, plain, shown
from nbops.records import Record


class Word(str):
    """Text as typed on a command line: where the type leaves it open, numbers, `true`, `false` and `null` are taken as such."""

    __slots__ = ()


class Type(Record):
    """A type: the name of a kind or container, `union`, `literal` or `any`.

    `of` are the types of the items, of key and value, or of the members; a tuple of any length ends with `...`.
    """

    name: str
    of: tuple[Type, ...] = ()
    choices: tuple[Any, ...] = ()

    def __str__(self) -> str:
        if self.name == "union":
            return " | ".join(map(str, self.of))
        if self.name == "literal":
            return f"Literal[{', '.join(map(repr, self.choices))}]"
        return self.name + (f"[{', '.join(map(str, self.of))}]" if self.of else "")

    def leaves(self) -> Iterator[str]:
        """The kinds that values of the type are made of."""
        for inner in self.of:
            yield from inner.leaves()
        if not self.of:
            yield self.name


ANY = Type("any")
ELLIPSIS = Type("...")

# The last part of a name from `typing`, `collections.abc` or the builtins -> the container in a cell.
_CONTAINERS = {
    "list": "list", "List": "list", "Sequence": "list", "MutableSequence": "list", "Iterable": "list", "Collection": "list",
    "tuple": "tuple", "Tuple": "tuple", "set": "set", "Set": "set", "MutableSet": "set", "frozenset": "frozenset",
    "FrozenSet": "frozenset", "AbstractSet": "frozenset", "dict": "dict", "Dict": "dict", "Mapping": "dict", "MutableMapping": "dict",
}  # fmt: skip
_PARTS = {"list": 1, "set": 1, "frozenset": 1, "dict": 2}


def of_value(value: object) -> Type:
    """The type of a default: the outer one, for it says little about what else may be in a container."""
    name = kind_of(value)
    return {None: ANY, "None": ANY, "pd.NA": ANY, "pd.NaT": Type("pd.Timestamp")}.get(name) or Type(str(name))


def of_annotation(node: ast.expr, scope: python.Scope) -> Type | None:
    """The type that an annotation means; None when nothing is known of it."""
    match node:
        case ast.Constant(value=None):
            return Type("None")
        case ast.Constant(value=str(text)):
            return of_text(text, scope)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union([left, right], scope)
        case ast.Subscript(value=owner, slice=inner):
            return _subscripted(_last(python.dotted(owner, scope)), inner, scope)
        case ast.Name() | ast.Attribute():
            return _named(python.dotted(node, scope))
        case _:
            return None


def of_text(text: str, scope: python.Scope) -> Type | None:
    """The type that the text of an annotation or type comment means."""
    try:
        tree = python.parse(text.strip())
    except SyntaxError:
        return None
    single = tree.body[0] if len(tree.body) == 1 else None
    return of_annotation(single.value, scope) if isinstance(single, ast.Expr) else None


def fit(value: object, to: Type) -> Any:
    """The value as one of the type. Raises Misfit."""
    if to.name == "any":
        return _word(value) if isinstance(value, Word) else normal(value)
    if to.name == "union":
        return _fit_union(value, to.of)
    if to.name == "literal":
        return _fit_literal(value, to.choices)
    if to.name in {*CONTAINERS, "dict"}:
        return _fit_container(value, to)
    try:
        if isinstance(value, str) and kind_of(value) != to.name:
            return kind(to.name).parse(str.__str__(value))
        if kind_of(value) is None:
            value = normal(value)
        return kind(to.name).accept(value)
    except REFUSALS as error:
        raise Misfit(f"is no {to.name}") from error


_WORDS = {"true": True, "false": False, "null": None, "none": None}


def _word(text: str) -> int | float | bool | str | None:
    """YAML would take `no` for false, 0123 for octal and 12:30 for minutes."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return str(text)


def _fit_union(value: object, members: tuple[Type, ...]) -> Any:
    # Text is the last thing to take a typed word for; of a text that a program gave, the first.
    ordered = sorted(members, key=lambda member: (member.name == "str", member.name != "None"))
    fitted = []
    for member in ordered:
        try:
            fitted.append(fit(value, member))
        except Misfit:
            continue
    if not fitted:
        raise Misfit(f"is none of {', '.join(map(str, members))}")
    return next((found for found in fitted if type(found) is type(value)), fitted[0])


def _fit_literal(value: object, choices: tuple[Any, ...]) -> Any:
    single = normal(value)
    single = single.item() if str(kind_of(single)).startswith("np.") else single
    for choice in choices:
        if type(choice) is type(single) and choice == single:
            return choice
    for choice in choices:
        if isinstance(value, str) and not isinstance(choice, str) and _says(value, choice):
            return choice
    raise Misfit(f"is none of {', '.join(map(repr, choices))}")


def _says(text: str, choice: object) -> bool:
    name = str(kind_of(choice))
    try:
        return bool(kind(name).parse(str(text)) == choice)
    except (*REFUSALS, Misfit):
        return False


def _fit_container(value: Any, to: Type) -> Any:
    if isinstance(value, str):
        value = _read(str(value), to)
    elif kind_of(value) not in {*CONTAINERS, "dict"} and hasattr(value, "tolist") and getattr(value, "ndim", None):
        value = value.tolist()  # of an array, a Series or an Index
    if to.name == "dict":
        if not isinstance(value, Mapping):
            raise Misfit("is no mapping")
        keys, values = to.of or (ANY, ANY)
        return _whole({_inside(key, keys): _inside(item, values) for key, item in value.items()})
    if not isinstance(value, list | tuple | set | frozenset):
        raise Misfit(f"is no {to.name}")
    if isinstance(value, set | frozenset) and to.name in {"list", "tuple"}:
        raise Misfit("has no order")
    items = list(value)
    try:
        return _whole(
            CONTAINERS[to.name](_inside(item, inner) for item, inner in zip(items, _inner(to, len(items)), strict=True))
        )
    except TypeError as error:
        raise Misfit(f"holds what no {to.name} can hold") from error


def _inner(to: Type, count: int) -> Iterable[Type]:
    if to.name != "tuple" or not to.of:
        return [to.of[0] if to.of else ANY] * count
    if to.of[-1] == ELLIPSIS:
        return [to.of[0]] * count
    if len(to.of) != count:
        raise Misfit(f"holds {count} and not {len(to.of)}")
    return to.of


def _inside(item: object, to: Type) -> Any:
    try:
        return fit(item, to)
    except Misfit as error:
        raise Misfit(f"holds {shown(item)}, which {error}") from error


def _whole(value: Any) -> Any:
    """The container, if a cell can hold it."""
    normal(value)
    return value


def _read(text: str, to: Type) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return python.literal(ast.parse(text.strip(), mode="eval").body, {})
    except (python.Unread, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        example = '{"a": 1}' if to.name == "dict" else '["a", "b"]'
        raise Misfit(f"is no {to.name} such as {example}") from error


def _named(name: str | None) -> Type | None:
    found = python.kind_name(name)
    if found:
        return Type(found)
    last = _last(name)
    if last in {"Any", "object"}:
        return ANY
    return Type(_CONTAINERS[last]) if last in _CONTAINERS else None


def _last(name: str | None) -> str:
    """`List` of `typing.List`, and of `List` where no import is seen."""
    owner, _, last = (name or "").rpartition(".")
    return last if owner in {"", "typing", "typing_extensions", "collections.abc"} else ""


def _subscripted(owner: str, inner: ast.expr, scope: python.Scope) -> Type | None:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    match owner:
        case "Literal":
            return _literal(parts, scope)
        case "Union":
            return _union(parts, scope)
        case "Optional":
            return _union([*parts, ast.Constant(value=None)], scope)
        case "Annotated" | "Final":
            return of_annotation(parts[0], scope)
        case _:
            return _container(_CONTAINERS.get(owner, ""), parts, scope)


def _container(name: str, parts: list[ast.expr], scope: python.Scope) -> Type | None:
    if not name or len(parts) != _PARTS.get(name, len(parts)):
        return None
    is_rest = [isinstance(part, ast.Constant) and part.value is ... for part in parts]
    of = (ELLIPSIS if rest else of_annotation(part, scope) or ANY for part, rest in zip(parts, is_rest, strict=True))
    return Type(name, tuple(of))


def _literal(parts: list[ast.expr], scope: python.Scope) -> Type | None:
    try:
        return Type("literal", choices=tuple(python.literal(part, scope) for part in parts))
    except python.Unread:
        return None


def _union(parts: list[ast.expr], scope: python.Scope) -> Type | None:
    members: list[Type] = []
    for part in parts:
        member = of_annotation(part, scope) or ANY
        members += [one for one in (member.of if member.name == "union" else (member,)) if one not in members]
    if ANY in members:
        return ANY
    return members[0] if len(members) == 1 else Type("union", tuple(members))


def schema(to: Type) -> dict[str, object]:
    """The type in JSON Schema, for values as `plain` tells them."""
    match to.name:
        case "any":
            return {}
        case "union":
            return {"anyOf": [schema(member) for member in to.of]}
        case "literal":
            return {"enum": [plain(choice) for choice in to.choices]}
        case "dict":
            return {"type": "object", **({"additionalProperties": schema(to.of[1])} if to.of else {})}
        case "list" | "tuple" | "set" | "frozenset":
            return {"type": "array", **_items(to)}
        case _:
            return dict(kind(to.name).schema)


def _items(to: Type) -> dict[str, object]:
    if to.name == "tuple" and to.of and to.of[-1] != ELLIPSIS:
        return {"prefixItems": [schema(inner) for inner in to.of], "items": False}
    unique: dict[str, object] = {"uniqueItems": True} if to.name in {"set", "frozenset"} else {}
    return {**({"items": schema(to.of[0])} if to.of else {}), **unique}
