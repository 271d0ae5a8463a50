"""The language of `search_runs`: text becomes a `Search`, or a FilterError that points at the place. No SQL, no store.

    metrics.mae < 9 and (params.model = 'rf' or tags.team in ('crew', 'ops')) order by metrics.mae desc, start_time limit 20

docs/search.md describes it. Parameters and tags are text (None is 'None'): beside a number they are read as a 64-bit float, and what
cannot be read so equals no number and is above and below none. A comparison with what a run does not have is neither true nor false.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal, NamedTuple, NoReturn, get_args

from nbops.errors import FilterError, nearest
from nbops.records import Record, RunStatus

Place = Literal["params", "metrics", "tags", "run"]
Value = str | float | bool

FIELDS: dict[str, Literal["text", "time", "number"]] = {
    "run_id": "text",
    "experiment": "text",
    "name": "text",
    "status": "text",
    "start_time": "time",
    "end_time": "time",
    "duration": "number",
    "actor": "text",
    "source": "text",
    "commit": "text",
    "parent_run_id": "text",
    "cause": "text",
    "host": "text",
}
"""The fields of a run and what they are compared with; `duration` is in seconds."""


class Name(Record):
    """What is compared or sorted by."""

    place: Place
    key: str


class Comparison(Record):
    """`left` compared with one value, with some (`in`, which `=` is too) or with none (`null`); times are ISO text in UTC."""

    left: Name
    operator: Literal["in", "<", "<=", ">", ">=", "like", "null"]
    values: tuple[Value, ...] = ()


class Not(Record):
    """The opposite; neither true nor false stays so."""

    part: Condition


class Both(Record):
    """All `parts` hold."""

    parts: tuple[Condition, ...]


class Either(Record):
    """At least one of `parts` holds."""

    parts: tuple[Condition, ...]


Condition = Comparison | Not | Both | Either


class Sort(Record):
    """One key of the order."""

    name: Name
    descending: bool


class Search(Record):
    """What a filter says."""

    where: Condition | None
    order: tuple[Sort, ...]
    limit: int | None


def parse(text: str | None, *, order_by: str | None = None, limit: int | None = None) -> Search:
    """Read a filter, which may end with `order by …` and `limit N`, and the two arguments that say the same apart. Raises FilterError."""
    reader = _Reader(text or "")
    where = None if reader.sees("order", "limit") or reader.token.kind == "end" else reader.either()
    order_at = reader.token.start
    order = reader.order() if reader.accept("order") else ()
    limit_at = reader.token.start
    count = reader.count() if reader.accept("limit") else None
    reader.finish()
    if order_by is not None and order_by.strip():
        apart = _order(order_by)
        if order not in ((), apart):
            raise reader.error("The filter and order_by ask for different orders.", "Say it once.", order_at)
        order = apart
    if limit is not None:
        if isinstance(limit, bool) or not 0 <= limit < 10**_DIGITS:
            raise FilterError(
                f"{limit!r} cannot be a limit.", hint="Give a whole number of runs, from 0 up.", position=0
            )
        if count not in (None, limit):
            raise reader.error("The filter and the argument ask for different limits.", "Say it once.", limit_at)
        count = limit
    return Search(where=where, order=order, limit=count)


def _order(text: str) -> tuple[Sort, ...]:
    reader = _Reader(text)
    reader.accept("order")
    order = reader.order()
    reader.finish()
    return order


_PLACES: dict[str, Place] = {
    "params": "params", "param": "params", "parameters": "params", "parameter": "params", "metrics": "metrics", "metric": "metrics",
    "tags": "tags", "tag": "tags", "run": "run", "runs": "run", "attributes": "run", "attribute": "run", "attr": "run",
}  # fmt: skip
_KINDS = {"params": "any", "tags": "any", "metrics": "number"}
_ALIASES = {"run_name": "name"}
# Far beyond what people ask, and below what makes DuckDB's planner slow.
_LONGEST = 20_000
_DEEPEST = 50
_MOST_COMPARISONS = 200
_MOST_KEYS = 32
_DIGITS = 18  # of a limit: DuckDB's is a 64-bit integer
_EQUALITIES = {"=", "==", "!=", "<>", "in"}
_LESS = "Ask for a wider choice of runs, and narrow it in the DataFrame."

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?(?:nan|inf(?:inity)?)(?![\w./:@%-]))
    | (?P<word>[^\W\d][\w./:@%-]*)
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
    | (?P<symbol><=|>=|==|!=|<>|[=<>(),])
    """,
    re.VERBOSE | re.IGNORECASE,
)


class _Token(NamedTuple):
    kind: str
    text: str
    start: int

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind == "word" else ""

    @property
    def content(self) -> str:
        return self.text[1:-1].replace(self.text[0] * 2, self.text[0])


class _Reader:
    """Reads a text one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._comparisons = 0
        self._keys: set[Name] = set()
        if len(text) > _LONGEST:
            raise self.error(f"The text has {len(text):,} characters; at most {_LONGEST:,} are read.", _LESS, _LONGEST)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self.error("This is half a character.", "Retype it.", error.start) from error
        self._at = 0
        self.token = self._scan()

    def error(self, message: str, hint: str, position: int | None = None) -> FilterError:
        """A FilterError that shows the place: by default the next token."""
        at = self.token.start if position is None else position
        begin = max(0, at - 60)
        shown = "".join(c if c.isprintable() else " " for c in self._text[begin : at + 40])
        return FilterError(f"{message}\n  {shown}\n  {' ' * (at - begin)}^", hint=hint, position=at)

    def sees(self, *words: str) -> bool:
        return (self.token.word or self.token.text) in words and self.token.kind in {"word", "symbol"}

    def accept(self, word: str) -> bool:
        """`order` takes its `by` along."""
        if not self.sees(word):
            return False
        self._take()
        if word == "order" and not self.accept("by"):
            raise self.error("`by` is expected after `order`.", "Write: order by metrics.mae desc")
        return True

    def finish(self) -> None:
        if self.token.kind == "end":
            return
        if self.sees(")"):
            raise self.error("This parenthesis closes nothing.", "Remove it, or open one before.")
        hint = "Join conditions with `and` or `or`; `order by` and `limit` come last, in this order."
        raise self.error(f"{_shown(self.token)} was not expected here.", hint)

    def either(self) -> Condition:
        parts = [self._both()]
        while self.accept("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(parts=tuple(parts))

    def order(self) -> tuple[Sort, ...]:
        sorts = []
        while True:
            name = self._name()
            descending = self.accept("desc")
            if not descending:
                self.accept("asc")
            sorts.append(Sort(name=name, descending=descending))
            if not self.accept(","):
                return tuple(sorts)

    def count(self) -> int:
        if not (self.token.kind == "number" and self.token.text.isdecimal() and len(self.token.text) <= _DIGITS):
            raise self.error("A whole number is expected after `limit`.", "Write: limit 20")
        return int(self._take().text)

    def _both(self) -> Condition:
        parts = [self._single()]
        while self.accept("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else Both(parts=tuple(parts))

    def _single(self) -> Condition:
        start = self.token.start
        if not self.sees("not", "("):
            return self._comparison()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.error(f"More than {_DEEPEST} parentheses and `not` stand inside each other.", "Remove some.")
        inner: Condition
        if self._take().word == "not":
            inner = Not(part=self._single())
        else:
            inner = self.either()
            if not self.accept(")"):
                if self.token.kind == "end":
                    raise self.error("This parenthesis is never closed.", "Close it with `)`.", start)
                self.finish()
        self._depth -= 1
        return inner

    def _comparison(self) -> Condition:
        self._comparisons += 1
        if self._comparisons > _MOST_COMPARISONS:
            raise self.error(
                f"More than {_MOST_COMPARISONS} comparisons are asked for.", f"Lists are one: in (…). {_LESS}"
            )
        left = self._name()
        if self.accept("is"):
            negative = self.accept("not")
            if not self.accept("null"):
                raise self.error("`null` is expected after `is`.", "Write: is null, or: is not null")
            found = Comparison(left=left, operator="null")
        else:
            negative = self.accept("not")
            if negative and not self.sees("in", "like"):
                hint = "Write: not in (…), not like '…', or put `not` before the whole comparison."
                raise self.error("`in` or `like` is expected after `not`.", hint)
            if self.accept("in"):
                found = Comparison(left=left, operator="in", values=self._list(left))
            else:
                found, differs = self._compared(left)
                negative = negative or differs
        return Not(part=found) if negative else found

    def _compared(self, left: Name) -> tuple[Comparison, bool]:
        """A comparison with one value, and whether it is the opposite that was asked for."""
        for sign in ("<=", ">=", "<", ">", "like"):
            if self.accept(sign):
                return Comparison(left=left, operator=sign, values=(self._value(left, sign),)), False
        for sign in ("=", "==", "!=", "<>"):
            if self.accept(sign):
                return Comparison(left=left, operator="in", values=(self._value(left, sign),)), sign in {"!=", "<>"}
        raise self.error(
            f"A comparison is expected, not {_shown(self.token)}.", "Use one of = != < <= > >= in like is."
        )

    def _list(self, left: Name) -> tuple[Value, ...]:
        start = self.token.start
        if not self.accept("("):
            raise self.error("A list is expected after `in`.", "Write: in ('a', 'b')")
        values = [self._value(left, "in")]
        while self.accept(","):
            values.append(self._value(left, "in"))
        if not self.accept(")"):
            raise self.error("This list is never closed.", "Put commas between the values and `)` behind them.", start)
        return tuple(values)

    def _name(self) -> Name:
        token = self.token
        if token.kind in {"string", "quoted"}:
            raise self.error(
                "A bare name in quotes could be anything.", f"Say whose it is: metrics.`{token.content[:40]}`"
            )
        if token.kind != "word":
            raise self.error(
                f"A name is expected, not {_shown(token)}.",
                "Names look like metrics.mae, params.model, tags.team or status.",
            )
        self._take()
        before, dot, key = token.text.partition(".")
        place = _PLACES.get(before.lower()) if dot else "run"
        if place is None:
            self._unknown(token, before, key)
        if dot and not key and self.token.kind == "quoted" and self.token.start == token.start + len(token.text):
            key = self._take().content
        if place == "run":
            return self._field(token, key if dot else before)
        if not key:
            hint = f"Write {place}.NAME, with odd names in backticks: {place}.`f1 score`"
            raise self.error(f"The name after `{token.text}` is missing.", hint, token.start)
        name = Name(place=place, key=key)
        self._keys.add(name)
        if len(self._keys) > _MOST_KEYS:
            raise self.error(f"More than {_MOST_KEYS} different keys are asked for.", _LESS, token.start)
        return name

    def _unknown(self, token: _Token, before: str, key: str) -> NoReturn:
        near = nearest(before.lower(), _PLACES)
        hint = (
            f"Did you mean {near}.{key[:40]}?"
            if near
            else "Names begin with params., metrics. or tags., or are fields of the run."
        )
        raise self.error(f"There is nothing called {before[:40]!r}.", hint, token.start)

    def _field(self, token: _Token, asked: str) -> Name:
        field = _ALIASES.get(asked.lower(), asked.lower())
        if field not in FIELDS:
            near = nearest(field, FIELDS)
            shown = asked[:40]
            hint = f"Write metrics.{shown} or params.{shown}; the fields are {', '.join(FIELDS)}."
            raise self.error(f"A run has no field {shown!r}.", f"Did you mean {near}?" if near else hint, token.start)
        return Name(place="run", key=field)

    def _value(self, left: Name, sign: str) -> Value:
        token = self.token
        value: Value
        if token.kind == "number":
            value = float(token.text)
        elif token.kind == "string" or token.text[:1] == '"':
            value = token.content
        elif token.word in {"true", "false"}:
            value = token.word == "true"
        elif token.word == "null":
            raise self.error("Nothing equals null.", "Write: is null, or: is not null")
        elif token.kind == "word":
            raise self.error(
                f"A value is expected, not the name {_shown(token)}.", f"Text takes single quotes: '{token.text[:40]}'"
            )
        else:
            raise self.error(
                f"A value is expected after `{sign}`, not {_shown(token)}.", "Write a number, 'text', true or false."
            )
        value = self._fitting(left, sign, value)
        self._take()
        return value

    def _fitting(self, left: Name, sign: str, value: Value) -> Value:
        kind = FIELDS[left.key] if left.place == "run" else _KINDS[left.place]
        if sign == "like" and (kind in {"number", "time"} or not isinstance(value, str)):
            hint = "Write: like 'rand%' (% is any text, _ any character); numbers and times take < <= > >=."
            raise self.error("`like` compares text with a pattern.", hint)
        if kind == "number" and not isinstance(value, float):
            hint = "Write the number without quotes: 0.95; truth is 1 or 0."
            raise self.error(f"{left.key[:40]!r} is a number and is compared with numbers.", hint)
        if kind in {"text", "time"} and not isinstance(value, str):
            raise self.error(
                f"{left.key!r} is compared with text.", f"Put it in single quotes: '{self.token.text[:40]}'"
            )
        if isinstance(value, bool) and sign not in _EQUALITIES:
            raise self.error("true and false have no order.", "Use = or !=.")
        if isinstance(value, str) and kind == "time":
            return self._time(value)
        if isinstance(value, str) and left.key == "status" and left.place == "run":
            return self._status(value, sign)
        return value

    def _time(self, value: str) -> str:
        try:
            moment = datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            hint = "Write '2026-11-01' or '2026-11-01 14:30', which is UTC, or '2026-11-01T14:30+01:00'."
            raise self.error("This is no date or time.", hint) from error
        return moment.replace(tzinfo=None).isoformat(sep=" ")

    def _status(self, value: str, sign: str) -> str:
        known: tuple[str, ...] = get_args(RunStatus)
        if sign in _EQUALITIES and value.lower() not in known:
            near = nearest(value.lower(), known)
            hint = f"Did you mean '{near}'?" if near else f"It is one of {', '.join(known)}."
            raise self.error(f"No run has the status {value[:40]!r}.", hint)
        return value.lower()

    def _take(self) -> _Token:
        taken = self.token
        self.token = self._scan()
        return taken

    def _scan(self) -> _Token:
        while (match := _TOKEN.match(self._text, self._at)) is not None:
            start, self._at = self._at, match.end()
            if match.lastgroup != "space":
                return _Token(str(match.lastgroup), match.group(), start)
        if self._at == len(self._text):
            return _Token("end", "", self._at)
        symbol = self._text[self._at]
        if symbol in "'\"`":
            raise self.error("This quote is never closed.", "Close it; a quote inside quotes is doubled.", self._at)
        hint = "Use and, or, not; names with odd characters take backticks: metrics.`f1 score`"
        raise self.error(f"{symbol!r} means nothing here.", hint, self._at)


def _shown(token: _Token) -> str:
    return repr(token.text[:40]) if token.text else "the end"
