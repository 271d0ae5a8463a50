"""A notebook's interface as the cell tagged `parameters` writes it, read without running anything.

Types come from annotations, type comments or defaults; ranges such as `10..1000` and help from comments.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

from msgspec.structs import replace

from nbops.execution.parameters import foreign, python, typed
from nbops.execution.parameters.interface import HIDDEN, Bound, Direction, Expression, Interface, Parameter
from nbops.execution.parameters.typed import ANY, Type

TAG = "parameters"


def is_tagged(cell: Any) -> bool:
    """Whether the cell's assignments are parameters."""
    return bool(cell.cell_type == "code" and TAG in cell.metadata.get("tags", []))


def is_python(language: str) -> bool:
    """Whether the language is read here."""
    return language.lower() in {"python", "ipython"}


def is_reference(value: object) -> bool:
    """Whether it names a secret, as in `secret://crew-db`."""
    return isinstance(value, str) and re.fullmatch(r"secret://[\w./-]+", value) is not None


def read(node: Any, language: str, notebook: str = "the notebook") -> Interface:
    """The interface of a notebook (nbformat 4), from its first cell tagged `parameters`; `notebook` names it in messages."""
    index = next((index for index, cell in enumerate(node.cells) if is_tagged(cell)), None)
    if index is None:
        return Interface(notebook, language)
    if not is_python(language):
        return _foreign(node.cells[index], Interface(notebook, language, index))
    source = node.cells[index].source
    try:
        body = python.parse(source).body
    except SyntaxError as error:
        return Interface(notebook, language, index, problem=f"line {error.lineno}: {error.msg}")
    reading = _Reading(source, scope_of(node.cells[:index]))
    for statement in body:
        reading.take(statement)
    return Interface(notebook, language, index, reading.parameters(body))


def scope_of(cells: Iterable[Any]) -> python.Scope:
    """What the names mean that these cells import or define; those that are not Python are passed over."""
    scope: python.Scope = {}
    for cell in cells:
        try:
            body = python.parse(cell.source).body if cell.cell_type == "code" else []
        except SyntaxError:
            continue
        for statement in body:
            python.bind(statement, scope)
    return scope


def _foreign(cell: Any, interface: Interface) -> Interface:
    from papermill.exceptions import PapermillException
    from papermill.translators import papermill_translators

    try:
        told = papermill_translators.find_translator("", interface.language).inspect(cell)
    except (NotImplementedError, PapermillException):
        # Papermill writes parameters of this language at most.
        return replace(interface, open=True, parameters=tuple(foreign.read(cell.source, interface.language)))
    found = (Parameter(item.name, ANY, 0, default=Expression(str(item.default)), help=item.help) for item in told)
    return replace(interface, parameters=tuple(found))


class _Reading:
    def __init__(self, source: str, scope: python.Scope) -> None:
        self._scope = scope
        self._comments = _Comments(source)
        self._found: dict[str, Parameter] = {}

    def take(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                for name, value in self._pairs(target, statement.value):
                    self._add(name, value, statement)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            value = self._value(statement.value) if statement.value else None
            self._add(statement.target.id, value, statement, statement.annotation, required=statement.value is None)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            self._add(statement.target.id, _expression(statement), statement)
        python.bind(statement, self._scope)

    def parameters(self, body: list[ast.stmt]) -> tuple[Parameter, ...]:
        """One that has only an annotation is required, unless something else in the cell sets it."""
        nodes = (node for statement in body for node in ast.walk(statement))
        stores = Counter(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        return tuple(replace(one, required=one.required and stores[name] == 1) for name, one in self._found.items())

    def _pairs(self, target: ast.expr, value: ast.expr) -> Iterator[tuple[str, object]]:
        """The names that a target binds, with each one's own value or the text of all."""
        if isinstance(target, ast.Name):
            yield target.id, self._value(value)
        elif isinstance(target, ast.Tuple | ast.List):
            single = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            if single and not any(isinstance(item, ast.Starred) for item in target.elts):
                for item, part in zip(target.elts, value.elts, strict=True):  # type: ignore[attr-defined]  # `single` saw to it
                    yield from self._pairs(item, part)
            else:
                names = (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
                yield from ((name, _expression(value)) for name in names)

    def _value(self, node: ast.expr) -> object:
        try:
            return python.literal(node, self._scope)
        except python.Unread:
            return _expression(node)

    def _add(
        self, name: str, default: object, statement: ast.stmt, annotation: ast.expr | None = None, *, required: bool = False
    ) -> None:  # fmt: skip
        comment = self._comments.of(statement)
        direction = _direction(annotation, self._scope)
        declared = None
        if direction is None:
            declared = (
                typed.of_annotation(annotation, self._scope) if annotation else typed.of_text(comment.type, self._scope)
            )
        earlier = self._found.get(name)
        if earlier is not None and annotation is None:
            direction, declared = earlier.direction, declared or (earlier.type if earlier.declared else None)
        is_told = isinstance(default, Expression) or is_reference(default)
        if direction == "secret" and not is_told and default not in (None, ""):
            default = HIDDEN
        told = Parameter(
            name=name, type=_type(direction, declared, default, required=required), line=statement.lineno,
            declared=bool(declared or direction), required=required, default=default, direction=direction,
            help=comment.words or (earlier.help if earlier else ""),
        )  # fmt: skip
        self._found[name] = _ranged(told)


def _expression(node: ast.AST) -> Expression:
    try:
        return Expression(ast.unparse(node))
    except (ValueError, RecursionError):  # integers of more digits than Python writes, or nested too deeply
        return Expression("…")


_DIRECTIONS: dict[str, Direction] = {
    "in": "in", "out": "out", "secret": "secret", "nbops.Input": "in", "nbops.Output": "out", "nbops.Secret": "secret",
}  # fmt: skip


def _direction(annotation: ast.expr | None, scope: python.Scope) -> Direction | None:
    if isinstance(annotation, ast.Constant):
        return _DIRECTIONS.get(annotation.value) if isinstance(annotation.value, str) else None
    return _DIRECTIONS.get(python.dotted(annotation, scope) or "") if annotation else None


def _type(direction: Direction | None, declared: Type | None, default: object, *, required: bool) -> Type:
    """Where the default is None, the parameter takes that too."""
    if direction == "secret":
        return Type("str")
    inferred = ANY if isinstance(default, Expression) else typed.of_value(default)
    found = declared or (Type("str") if direction and inferred == ANY else inferred)
    takes_none = found == ANY or default is not None or required or Type("None") in (found, *found.of)
    return found if takes_none else Type("union", (*(found.of if found.name == "union" else (found,)), Type("None")))


_NUMBER = r"[-+−]?\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?"
_END = rf"(?:\d{{4}}-\d\d-\d\d|{_NUMBER})"
_RANGE = re.compile(
    rf"(?<![^\s(\[,;:])[(\[]?(?:range:?\s+)?(?:({_END})\s*\.\.\s*({_END})(?=[\s)\],;:]|\.?$|\.\s)|"
    rf"({_END})\.\.(?=[\s)\],;:]|$)|\.\.({_END})(?=[\s)\],;:]|\.?$|\.\s))[)\]]?"
)
_NUMBERS = re.compile(r"any|int|float|Decimal|np\.(u?int|float|longdouble|(u?long)+).*")
_TIMES = {"any", "date", "datetime", "pd.Timestamp", "np.datetime64"}


def _ranged(parameter: Parameter) -> Parameter:
    """The parameter with the range that its help holds; one that its type has no use for stays words."""
    found = _RANGE.search(parameter.help)
    if found is None:
        return parameter
    try:
        low, high = _bound(found[1] or found[3]), _bound(found[2] or found[4])
    except ValueError:
        return parameter
    ends = [end for end in (low, high) if end is not None]
    leaves = set(parameter.type.leaves())
    if all(isinstance(end, date) for end in ends):
        fits = bool(leaves & _TIMES)
    else:
        fits = not any(isinstance(end, date) for end in ends) and any(map(_NUMBERS.fullmatch, leaves))
    if not fits or (len(ends) == 2 and low > high):  # type: ignore[operator]  # both are numbers, or both are dates
        return parameter
    words = f"{parameter.help[: found.start()].rstrip(' ,;:')} {parameter.help[found.end() :].lstrip(' ,;:.')}".strip()
    return replace(parameter, low=low, high=high, help=words)


def _bound(text: str | None) -> Bound | None:
    if text is None:
        return None
    text = text.replace("−", "-")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text)
    return int(text) if re.fullmatch(r"[-+]?[\d_]+", text) else float(text)


class _Comment(NamedTuple):
    words: str
    type: str


# Words to a tool.
_PRAGMA = re.compile(r"(type:\s*ignore|noqa|pragma|fmt:|ruff:|pylint:|mypy:|pyright:|nosec|%%)", re.IGNORECASE)
_TYPE = re.compile(r"type:\s*([\w.]+(?:\[.*\])?(?:\s*\|\s*[\w.]+(?:\[.*\])?)*)\s*(.*)")


class _Comments:
    """The comments of a cell: those behind a statement, else the lines directly above it."""

    def __init__(self, source: str) -> None:
        self._behind: dict[int, str] = {}
        self._alone: dict[int, str] = {}
        for token in _tokens(python.readable(source)):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                (self._alone if alone else self._behind)[token.start[0]] = token.string.lstrip("#").strip()

    def of(self, statement: ast.stmt) -> _Comment:
        ends = dict.fromkeys((statement.lineno, statement.end_lineno or statement.lineno))
        behind = _told([self._behind[line] for line in ends if line in self._behind])
        if _RANGE.sub("", behind.words).strip():
            return behind
        # A range or a type behind, and the words above.
        above = _told(self._above(statement.lineno))
        return _Comment(f"{behind.words} {above.words}".strip(), behind.type or above.type)

    def _above(self, line: int) -> list[str]:
        found: list[str] = []
        while (line := line - 1) in self._alone:
            if not _is_code(self._alone[line]):
                found.insert(0, self._alone[line])
        return found


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    try:
        yield from tokenize.generate_tokens(io.StringIO(source).readline)
    except (tokenize.TokenError, SyntaxError):
        return


def _told(comments: list[str]) -> _Comment:
    words, kind = [], ""
    for part in (part.strip() for comment in comments for part in re.split(r"\s#+\s*", comment)):
        found = _TYPE.match(part)
        if _PRAGMA.match(part):
            continue
        if found and not kind:
            kind, part = found[1], found[2]  # noqa: PLW2901 - what is behind the type is words
        # A rule such as "----" says nothing.
        words += [part] if re.search(r"\w", part) else []
    return _Comment(" ".join(words), kind)


def _is_code(comment: str) -> bool:
    """A setting that somebody has put aside."""
    try:
        body = ast.parse(comment).body
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None for statement in body)
