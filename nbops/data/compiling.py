"""A contract and the columns that there are, as one SELECT that marks each row with the rules it breaks.

What comes out is SQL and what its columns mean; nothing is executed here. A row's marks are bits of 64-bit words, so that one scan
can count them, set rows aside by them and write both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from nbops.data.contract import Column, Contract
from nbops.data.meaning import SQL_TYPES, broken, is_of, literal, sentence
from nbops.data.rules import (
    Distribution,
    Fresh,
    NotNull,
    NullShare,
    Regex,
    RowCount,
    RowRule,
    Type,
    Unique,
    columns,
)
from nbops.duck import name
from nbops.errors import UsageError

REASONS, HASH, LINE = "nbops_reasons", "nbops_hash", "nbops_line"
"""What rows that are set aside have beside their own columns: why, the hash by which they are known, the line if it was no row."""
_RESERVED = "nbops_"
_FLOATING = ("FLOAT", "DOUBLE")
_BITS = 62


def free_of_ours(columns: Iterable[str]) -> None:
    """Raise UsageError for columns with names that the quarantine gives to its own."""
    if taken := [column for column in columns if column.lower().startswith(_RESERVED)]:
        raise UsageError(
            f"The columns {', '.join(taken)} have names that are taken.",
            hint=f"What begins with {_RESERVED} tells why rows are set aside.",
        )


class Dedup(NamedTuple):
    """Of the rows with the same `key` the one that comes last by `order` is kept; the others are dropped."""

    key: Sequence[str]
    order: str


class Compiled:
    """A contract for the columns of `source`, which stands behind FROM; `there` are their DuckDB types by name.

    `known` is SQL of the rows that were taken before, by which `unique` looks for keys that came already, but for those in the columns
    `replaces`: such rows take the place of what was there. `sql` is `counted` as it is before anything is known of the rows.
    """

    def __init__(
        self,
        contract: Contract,
        source: str,
        there: Mapping[str, str],
        *,
        dedup: Dedup | None = None,
        known: str = "",
        replaces: Sequence[str] = (),
        where: str = "",
    ) -> None:
        self.contract = contract
        self.there = dict(there)
        self._source = _counted_in(source, there, where)
        self._dedup, self._known, self._replaces = dedup, known, replaces
        self._held: set[int] = set()
        self._listed: set[int] = set()
        self.prefix = "_"
        while any(column.startswith(self.prefix) for column in there):
            self.prefix += "_"
        self.missing = [column for column, asked in contract.columns.items() if column not in there and asked.required]
        self.extra = [column for column in there if contract.columns and column not in contract.columns]
        fitting = [rule for rule in contract.rules if {*columns(rule)} <= there.keys()]
        self.row_rules: list[RowRule] = [
            rule for rule in fitting if not isinstance(rule, (RowCount, NullShare, Fresh, Distribution))
        ]
        # What becomes of a column that the contract names and that is missing is told already.
        self.skipped = [rule for rule in contract.rules if {*columns(rule)} - there.keys() - contract.columns.keys()]
        self.table_rules = [rule for rule in fitting if isinstance(rule, (RowCount, NullShare, Fresh, Distribution))]
        self.sql = self.counted

    @property
    def words(self) -> list[str]:
        """The columns that hold the marks; rule `n` is bit `n % 62` of word `n // 62`."""
        return [f"{self.prefix}w{number}" for number in range((len(self.row_rules) + _BITS - 1) // _BITS)]

    @property
    def masks(self) -> list[int]:
        """For each word the bits of the rules that set a row aside."""
        masks = [0] * len(self.words)
        for number, rule in enumerate(self.row_rules):
            if rule.severity != "warn":
                masks[number // _BITS] |= 1 << number % _BITS
        return masks

    @property
    def aside(self) -> str:
        """The condition of marked rows that are set aside; never null."""
        return (
            " or ".join(f"{word} & {mask} <> 0" for word, mask in zip(self.words, self.masks, strict=True) if mask)
            or "false"
        )

    @property
    def dropped(self) -> str:
        """The condition of marked rows that are dropped by policy; never null."""
        return f"{self.prefix}n > 1" if self._dedup else "false"

    @property
    def marked(self) -> str:
        """SELECT of all rows: their values as the contract's kinds, those that are read as another type as they came, their marks."""
        return f"select *{''.join(self._marks())} from ({self._whole_rows()})"

    @property
    def counted(self) -> str:
        """The one scan: how many rows have which marks, with what rules of the table ask for."""
        return self.counted_of(f"({self.marked})")

    @property
    def came(self) -> str:
        """The columns as they came."""
        return ", ".join(
            f"{self.raw(column)} as {name(column)}" if self.is_cast(column) else name(column) for column in self.there
        )

    @property
    def all_marked(self) -> str:
        """SELECT of the rows that have any mark: the one scan where the broken rows are wanted."""
        # To ask first whether any rule is broken is quicker than to mark each row.
        conditions = (self._condition(number, rule) for number, rule in enumerate(self.row_rules))
        broken = " or ".join(asked for asked in conditions if asked != "false") or "false"
        return f"select *{''.join(self._marks())} from (select * from ({self._whole_rows()}) where {broken})"

    def counted_of(self, rows: str) -> str:
        """As `counted`, of rows that are marked already."""
        measures = "".join(f", {self._measure(rule)}" for rule in self.table_rules)
        words = "".join(f", {word}" for word in self.words)
        return f"select {self.dropped} as dropped, count(*){measures}{words} from {rows} group by all"

    def broken_of(self, rows: str) -> str:
        """SELECT of the rows that are set aside, as they came, with the sentences of all rules that want it."""
        told = ", ".join(f"case when {bit} then {literal(why)} end" for bit, why in self._reasons())
        reasons = f"list_filter([{told or 'null::varchar'}], lambda reason: reason is not null)"
        return f"select {self.came}, {reasons} as {REASONS} from {rows} where {self.aside} and not ({self.dropped})"

    @property
    def broken(self) -> str:
        """As `broken_of`, of all rows."""
        return self.broken_of(f"({self.marked})")

    @property
    def taken(self) -> str:
        """SELECT of the rows that are taken, their values as the contract's kinds."""
        return f"select {', '.join(map(name, self.there))} from ({self.marked}) where not ({self.aside}) and not ({self.dropped})"

    def broken_by(self, words: Sequence[int]) -> Iterator[int]:
        """The numbers of the rules that a row with these marks breaks."""
        for number in range(len(self.row_rules)):
            if words[number // _BITS] >> number % _BITS & 1:
                yield number

    def unique_rules(self) -> Iterator[tuple[int, Unique]]:
        """The rules of uniqueness that rows may break, with their numbers: see `uniqueness.find`."""
        for number, rule in enumerate(self.row_rules):
            if isinstance(rule, Unique) and not self._is_key(rule):
                yield number, rule

    def regex_rules(self) -> Iterator[tuple[int, Regex]]:
        """The rules of patterns for columns that are texts as they came, with their numbers: see `looking_up.find`."""
        for number, rule in enumerate(self.row_rules):
            if isinstance(rule, Regex) and self.there[rule.column] == "VARCHAR" and not self.is_cast(rule.column):
                yield number, rule

    def keys_of(self, rule: Unique) -> str:
        """SELECT of the values of a rule's columns in all rows that are not dropped."""
        # Which rows are dropped is told by all of their values.
        needed = self.there if self._dedup else rule.columns
        return (
            f"select {', '.join(map(name, rule.columns))} from ({self._typed_rows(needed)}) where not ({self.dropped})"
        )

    def known_for(self, rule: Unique) -> str:
        """SQL of the rows whose keys must not come again; empty where there are none."""
        return self._others() if self._known and {*rule.columns} != {*self._replaces} else ""

    def repeated(self, number: int) -> str:
        """The name of the table of a rule's repeated keys."""
        return f"{self.prefix}twice{number}"

    def broken_texts(self, number: int) -> str:
        """The name of the table of the texts that break a rule."""
        return f"{self.prefix}texts{number}"

    def is_listed(self, number: int) -> None:
        """All texts that break this rule are in its table."""
        self._listed.add(number)

    def holds(self, number: int) -> None:
        """No row breaks this rule."""
        self._held.add(number)

    def raw(self, column: str) -> str:
        """Where a column that is read as another type stands as it came."""
        return f"{self.prefix}r{list(self.there).index(column)}"

    def is_cast(self, column: str) -> bool:
        """Whether a column is read as another type than it has."""
        return self.type_of(column) != self.there[column]

    def type_of(self, column: str) -> str:
        """The DuckDB type that a column is read as."""
        told, kind = self.there[column], self.contract.columns.get(column, Column()).kind
        return SQL_TYPES[kind] if kind and not is_of(told, kind) else told

    def _typed(self, column: str) -> str:
        if self.is_cast(column):
            return f"try_cast({name(column)} as {self.type_of(column)}) as {name(column)}"
        return name(column)

    def _misread(self) -> Iterator[str]:
        for number, rule in enumerate(self.row_rules):
            if isinstance(rule, Type) and not is_of(self.there[rule.column], rule.kind):
                raw = name(rule.column)
                cast = f"try_cast({raw} as {SQL_TYPES[rule.kind]})"
                # DuckDB rounds what is no whole number.
                whole = f" or try_cast({raw} as double) % 1 <> 0" if rule.kind == "integer" else ""
                yield f"({raw} is not null and ({cast} is null{whole})) as {self.prefix}t{number}"

    def _whole_rows(self) -> str:
        """SELECT of all columns as the contract's kinds, and as they came where they are read as another type."""
        raw = [f"{name(column)} as {self.raw(column)}" for column in self.there if self.is_cast(column)]
        return self._typed_rows(self.there, [*raw, *self._misread()])

    def _typed_rows(self, wanted: Iterable[str], more: Iterable[str] = ()) -> str:
        """SELECT of columns as the contract's kinds, numbered within their key where all but the first are dropped."""
        rows = f"select {', '.join([*map(self._typed, wanted), *more])} from {self._source}"
        if not self._dedup:
            return rows
        keys = ", ".join(map(name, self._dedup.key))
        # Equal ones are told apart by their values: the same rows in another order give the same result.
        order = ", ".join([f"{name(self._dedup.order)} desc nulls last", *map(name, self.there)])
        missing = " or ".join(f"{name(key)} is null" for key in self._dedup.key)
        number = f"row_number() over (partition by {keys} order by {order})"
        return f"select *, case when {missing} then 1 else {number} end as {self.prefix}n from ({rows})"

    def _others(self) -> str:
        """The rows that were taken before and stay."""
        if not self._replaces:
            return self._known
        keys = ", ".join(map(name, self._replaces))
        coming = f"select {keys} from ({self._typed_rows(self._replaces)})"
        return f"(select * from {self._known} anti join ({coming}) using ({keys}))"

    def _reasons(self) -> Iterator[tuple[str, str]]:
        """The marks that set a row aside, as conditions, with their sentences."""
        for number, rule in enumerate(self.row_rules):
            if rule.severity != "warn":
                yield f"{self.words[number // _BITS]} & {1 << number % _BITS} <> 0", sentence(rule)

    def _marks(self) -> Iterator[str]:
        bits: list[list[str]] = [[] for _ in self.words]
        for number, rule in enumerate(self.row_rules):
            bits[number // _BITS].append(
                f"case when {self._condition(number, rule)} then {1 << number % _BITS}::bigint else 0 end"
            )
        for word, some in zip(self.words, bits, strict=True):
            yield f", {' | '.join(some)} as {word}"

    def _condition(self, number: int, rule: RowRule) -> str:
        if number in self._held:
            return "false"
        if isinstance(rule, Unique):
            keys = ", ".join(map(name, rule.columns))
            return "false" if self._is_key(rule) else f"({keys}) in (select ({keys}) from {self.repeated(number)})"
        if isinstance(rule, Regex) and number in self._listed:
            return f"{name(rule.column)} in (select * from {self.broken_texts(number)})"
        if isinstance(rule, Type):
            return "false" if is_of(self.there[rule.column], rule.kind) else f"{self.prefix}t{number}"
        if isinstance(rule, NotNull) and self.is_cast(rule.column):
            # A value that cannot be read breaks its type, it is not missing.
            return f"{self.raw(rule.column)} is null"
        return f"({broken(rule)})"

    def _is_key(self, rule: Unique) -> bool:
        """Whether no two rows can have the same values any more."""
        return self._dedup is not None and {*self._dedup.key} == {*rule.columns}

    def _measure(self, rule: RowCount | NullShare | Fresh | Distribution) -> str:
        match rule:
            case NullShare():
                return f"count(*) - count({name(rule.column)})"
            case Fresh():
                # As a timestamp without a zone it would be that of this machine.
                zoned = "with time zone" in self.there[rule.column].lower()
                return f"epoch_us(max({name(rule.column)}){'' if zoned else '::timestamp'})"
            case _:
                return "null"


def _counted_in(source: str, there: Mapping[str, str], where: str) -> str:
    """The rows that count, with no value where a number is none: pandas knows no other sign of it."""
    numbers = (name(column) for column, kind in there.items() if kind in _FLOATING)
    replaced = ", ".join(f"case when not isnan({number}) then {number} end as {number}" for number in numbers)
    if not replaced and not where:
        return source
    return f"(select *{f' replace ({replaced})' if replaced else ''} from {source}{f' where {where}' if where else ''})"
