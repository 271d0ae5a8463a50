"""The hash of a table's content, whatever wrote it: no order of rows or columns, no type's width, no file's layout enters into it.

A row becomes one canonical text, its MD5 two numbers of 64 bits, and the table the sums of these: parts are hashed apart and added.
It finds changes, not attackers: who may choose rows can find others with the same sums.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping

from nbops import duck
from nbops.data.relation import Relation, opened
from nbops.duck import name
from nbops.records import Record

_MODULUS = 2**64
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip
_FAMILIES = {
    **dict.fromkeys((*_WHOLE, "BIGNUM", "FLOAT", "DOUBLE", "DECIMAL"), "number"),
    # A column without any value: DuckDB 1.5 describes it as INTEGER.
    '"NULL"': "number",
    "BOOLEAN": "boolean", "VARCHAR": "text", "ENUM": "text", "JSON": "text", "BLOB": "binary", "DATE": "date",
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "timestamp"),
    **dict.fromkeys(("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"), "timestamp with time zone"),
    "TIME": "time", "TIME_NS": "time", "INTERVAL": "interval",
}  # fmt: skip


# What Parquet or Arrow has no type for.
_KEPT_AS = {
    **dict.fromkeys(("INTERVAL", "UUID", "BIT", "TIME WITH TIME ZONE", "BIGNUM", "UNION", "ENUM", "GEOMETRY", "VARIANT"), "VARCHAR"),
    # The sum of integers is a HUGEINT.
    **dict.fromkeys(("HUGEINT", "UHUGEINT"), "DECIMAL(38,0)"),
}  # fmt: skip


class Sum(Record):
    """How many rows there are and the two halves of their hashes, each added up modulo 2^64; parts add up to the whole."""

    rows: int = 0
    low: int = 0
    high: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.rows + other.rows, (self.low + other.low) % _MODULUS, (self.high + other.high) % _MODULUS)


def families(columns: Mapping[str, str]) -> dict[str, str]:
    """What the values of each column are as far as the hash can tell, from their DuckDB types as `describe` tells them.

    Integers, floating numbers and decimals are one family, as are texts and categories, and timestamps of any unit. Timestamps with
    a time zone, dates and times are others: a date is not the timestamp of its midnight. Lists, structs and maps tell their parts'.
    """
    return {column: _family(kind) for column, kind in columns.items()}


def stored_as(kind: str) -> str:
    """The DuckDB type in which values of a type are kept in Parquet: where that has no such type, text or a decimal."""
    base, parts = _taken_apart(kind)
    inner = [stored_as(of) for _, of in parts] if base in {"LIST", "MAP", "STRUCT"} else []
    if inner == [of for _, of in parts] and inner:
        return kind
    match base:
        case "LIST":
            return f"{inner[0]}[]"
        case "MAP":
            return f"MAP({', '.join(inner)})"
        case "STRUCT":
            return f"STRUCT({', '.join(f'{name(field)} {of}' for (field, _), of in zip(parts, inner, strict=True))})"
    return _KEPT_AS.get(base, kind)


def row_halves(columns: Mapping[str, str], prefix: str = "") -> tuple[str, str]:
    """Two SQL expressions of type UBIGINT, the lower and the upper half of a row's hash; `prefix` comes before each column's name.

    Both belong into one SELECT: there DuckDB computes the MD5, which they share, once.
    """
    # The functions for the halves, md5_number_lower and md5_number_upper, take three times as long as md5_number, each.
    digest = f"md5_number({row_text(columns, prefix)})"
    return f"({digest} & {_MODULUS - 1})::ubigint", f"({digest} >> 64)::ubigint"


def row_text(columns: Mapping[str, str], prefix: str = "") -> str:
    """The SQL expression of a row's canonical text, which is another one for every other row with columns of the same families."""
    return _concat(itertools.chain(*(_pieces(prefix + name(column), columns[column]) for column in sorted(columns))))


def content_sum(relation: Relation) -> Sum:
    """The sum of all rows, in one scan."""
    low, high = row_halves(relation.columns)
    # UBIGINT adds up as HUGEINT, which no number of rows that there can be overflows.
    ((count, lows, highs),) = duck.rows(
        relation.connection,
        f"select count(*), sum(low), sum(high) from (select {low} as low, {high} as high from {relation.sql})",
    )
    return Sum(count, int(lows or 0) % _MODULUS, int(highs or 0) % _MODULUS)


def content_hash(families: Mapping[str, str], total: Sum) -> str:
    """SHA-256 in hex of a table's columns, each with its family, and the sum of its rows."""
    content = [sorted(families.items()), total.rows, total.low, total.high]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def content_hash_of(data: object) -> str:
    """The content hash of files or of a frame, as `opened` takes them. Raises NotFound and UsageError.

    It is of what DuckDB reads: of timestamps with a time zone, DuckDB 1.5 leaves out what nanoseconds there are beyond microseconds.
    """
    with opened(data) as relation:
        return content_hash(families(relation.columns), content_sum(relation))


def _family(kind: str) -> str:
    """A type that is no other's is a family of its own."""
    base, parts = _taken_apart(kind)
    match base:
        case "LIST":
            return f"list({_family(parts[0][1])})"
        case "MAP":
            return f"map({_family(parts[0][1])}, {_family(parts[1][1])})"
        case "STRUCT":
            return f"struct({', '.join(f'{name(field)} {_family(of)}' for field, of in sorted(parts))})"
    return _FAMILIES.get(base, kind.lower())


def _pieces(value: str, kind: str, depth: int = 0) -> list[str]:
    """The arguments of `concat` for a value: together they show where they end, and null is like nothing else.

    `concat` takes null for an empty text, so that a number that is null leaves just its end, and a text that of its length.
    """
    base, parts = _taken_apart(kind)
    each = f"each{depth}"
    match base:
        case "LIST":
            element = _pieces(each, parts[0][1], depth + 1)
            return [f"len({value})", "'['", _joined(f"list_transform({value}, lambda {each}: {_concat(element)})")]
        case "MAP":
            (_, keys), (_, values) = parts
            entry = [*_pieces(f"{each}.key", keys, depth + 1), *_pieces(f"{each}.value", values, depth + 1)]
            entries = f"list_transform(map_entries({value}), lambda {each}: {_concat(entry)})"
            return [f"cardinality({value})", "'{'", _joined(f"list_sort({entries})")]
        case "STRUCT":
            inner = [
                _pieces(f"struct_extract({value}, {duck.literal(field)})", of, depth) for field, of in sorted(parts)
            ]
            return [f"case when {value} is null then '-' else '(' end", *itertools.chain(*inner)]
    return _plain(value, base, parts)


def _plain(value: str, base: str, parts: list[tuple[str, str]]) -> list[str]:
    """As `_pieces`, for what has no parts."""
    match _FAMILIES.get(base):
        case "number":
            return [_number(value, base, parts), "';'"]
        case "timestamp" | "timestamp with time zone" | "time":
            return [_moment(value, base), "';'"]
        case "interval":
            # A month is 30 days, which is how DuckDB compares intervals, and how it reads a pandas Timedelta.
            return [f"epoch_us({value})", "';'"]
        case "boolean" | "date":
            return [value, "';'"]
    # What is of no known family has a text, too.
    text = {"VARCHAR": value, "BLOB": f"hex({value})"}.get(base, f"{value}::varchar")
    return [f"strlen({text})", "':'", text]


def _number(value: str, base: str, parts: list[tuple[str, str]]) -> str:
    """5, 5.0 and 5.00 are one number, as are 0.0 and -0.0; what is not a number is null."""
    if base in {"FLOAT", "DOUBLE"}:
        value = value if base == "DOUBLE" else f"{value}::double"
        return (
            f"case when {value} = trunc({value}) and abs({value}) < 9.2e18 then {value}::bigint::varchar "
            f"when {value} = trunc({value}) and abs({value}) < 1.7e38 then {value}::hugeint::varchar "
            f"when not isnan({value}) then {value}::varchar end"
        )
    if base != "DECIMAL":
        return value
    width, scale = (int(part) for _, part in parts)
    if not scale:
        return value
    text = f"{value}::varchar"
    if scale == width:
        # DuckDB leaves out the zero before the point where the type has no room for it.
        text = f"regexp_replace({text}, '^(-?)[.]', '\\10.')"
    plain = f"rtrim(rtrim({text}, '0'), '.')"
    if scale <= 4:
        return plain
    # A double below 0.0001 is written with an exponent.
    double = f"{value}::varchar::double::varchar"
    return (
        f"case when {value} <> 0 and abs({value}) < 0.0001 and try_cast({double} as decimal({width}, {scale})) = {value} "
        f"then {double} else {plain} end"
    )


def _moment(value: str, base: str) -> str:
    """A timestamp or time to the microsecond, and what nanoseconds it has beyond: those with a time zone and times as numbers.

    As text a timestamp with a time zone would depend on the session's. What is infinite has no number in some versions of DuckDB.
    """
    # Versions of DuckDB differ in whether a cast to microseconds rounds.
    coarse, beyond = f"epoch_ns({value}) // 1000", f"' ' || nullif(epoch_ns({value}) % 1000, 0)"
    match base:
        case "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS":
            return f"{value}::timestamp"
        case "TIMESTAMP_NS":
            fine = f"make_timestamp({coarse}), {beyond}"
            return f"case when isinf({value}) then {value}::varchar else concat({fine}) end"
        case "TIMESTAMP WITH TIME ZONE":
            return f"case when isinf({value}) then {value}::varchar else epoch_us({value})::varchar end"
        case "TIMESTAMPTZ_NS":
            return f"case when isinf({value}::timestamptz) then {value}::varchar else concat({coarse}, {beyond}) end"
        case "TIME_NS":
            return f"concat({coarse}, {beyond})"
    return f"epoch_us({value})"


def _joined(texts: str) -> str:
    return f"array_to_string({texts}, '')"


def _concat(pieces: Iterable[str]) -> str:
    return f"concat({', '.join(pieces) or duck.literal('')})"


def _taken_apart(kind: str) -> tuple[str, list[tuple[str, str]]]:
    """A type's name and its parts, each with the field's name where it has one; an array is a list."""
    if kind.endswith("]"):
        return "LIST", [("", kind[: kind.rindex("[")])]
    base, bracket, inner = kind.partition("(")
    if not bracket or base not in {"STRUCT", "MAP", "DECIMAL"}:
        return base, []
    parts = list(_split(inner.removesuffix(")")))
    if base != "STRUCT":
        return base, [("", part) for part in parts]
    return base, [_field(part) for part in parts]


def _split(inner: str) -> Iterator[str]:
    """The parts between the commas that stand in no bracket and no quote."""
    depth, quote, ends = 0, "", [-1]
    for place, char in enumerate(inner):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "," and not depth:
            ends.append(place)
        else:
            depth += (char == "(") - (char == ")")
    return (inner[start + 1 : end].strip() for start, end in itertools.pairwise([*ends, len(inner)]))


def _field(part: str) -> tuple[str, str]:
    """A struct's field: its name, which may be quoted, and its type."""
    if not part.startswith('"'):
        called, _, kind = part.partition(" ")
        return called, kind
    end = 1
    while part[end : end + 2] == '""' or part[end] != '"':
        end += 2 if part[end] == '"' else 1
    return part[1:end].replace('""', '"'), part[end + 1 :].strip()
