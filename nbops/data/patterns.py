"""Simple regular expressions as functions of texts, which DuckDB computes in half the time.

Simple is what names and numbers of things look like: some plain text, then characters of one set, such as `N[0-9A-Z]+` or `[A-Z]{3}`.
"""

from __future__ import annotations

import re
import string

from nbops import duck

_SIMPLE = re.compile(
    r"\^?(?P<text>[A-Za-z0-9_ :/#@-]*)(?:\[(?P<set>(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_])+)\]|(?P<digits>\\d))"
    r"(?P<times>[+*]|\{[1-9]\d{0,3}(?:,(?:[1-9]\d{0,3})?)?\})?\$?"
)
_ORDERED = (string.digits, string.ascii_lowercase, string.ascii_uppercase)


def differs(value: str, pattern: str) -> str:
    """The SQL condition that a text does not match a pattern as a whole; null where the text is."""
    simple = _simple(value, pattern)
    return simple or f"not regexp_full_match({value}, {duck.literal(pattern)})"


def _simple(value: str, pattern: str) -> str:
    """The same without a regular expression; empty where it takes one."""
    found = _SIMPLE.fullmatch(pattern)
    characters = "".join(_members(found["set"]) if found and found["set"] else string.digits)
    if not found or not characters:
        return ""
    text, (least, most) = found["text"], _times(found["times"] or "{1}")
    if most is not None and most < least:
        return ""
    told = [f"not starts_with({value}, {duck.literal(text)})"] if text else []
    # In bytes: a text with other characters than these is none of them anyway.
    told += [f"strlen({value}) < {len(text) + least}"]
    told += [f"strlen({value}) > {len(text) + most}"] if most is not None else []
    rest = f"substr({value}, {len(text) + 1})" if text else value
    return " or ".join([*told, f"ltrim({rest}, {duck.literal(characters)}) <> ''"])


def _members(told: str) -> list[str]:
    """The characters of a set; none where a range is none."""
    found: list[str] = []
    for low, high, one in re.findall(r"(.)-(.)|(.)", told):
        if one:
            found.append(one)
            continue
        order = next((some for some in _ORDERED if low in some and high in some), "")
        if not order or order.index(low) > order.index(high):
            return []
        found.extend(order[order.index(low) : order.index(high) + 1])
    return found


def _times(told: str) -> tuple[int, int | None]:
    if told in {"+", "*"}:
        return int(told == "+"), None
    least, comma, most = told.strip("{}").partition(",")
    return int(least), int(most) if most else None if comma else int(least)
