"""One plain value in, short text for a person out: numbers, durations, sizes, ages and status words.

Missing is "–", not a number is "NaN"; the minus is the typographic one, which is as wide as a digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Literal

Tone = Literal["good", "bad", "attention", "busy", "waiting", "neutral"]

MISSING = "–"
_LARGEST = 10**15  # beyond it a float no longer holds every integer
_SMALLEST = 1e-4
_DIGITS = 4
_WIDEST = 8

ICONS: dict[Tone, str] = {"good": "✓", "bad": "✗", "attention": "▲", "busy": "●", "waiting": "○", "neutral": "·"}
_WORDS: dict[Tone, tuple[str, ...]] = {
    "good": ("finished", "passed", "ok", "approved", "healed", "closed", "fresh", "taken", "same"),
    "bad": ("failed", "lost", "rejected", "refused", "failing", "unreadable"),
    "attention": (
        "warning",
        "alert",
        "degraded",
        "stopped",
        "sent back",
        "expired",
        "quarantined",
        "late",
        "unchecked",
        "never",
        "differs",
    ),
    "busy": ("running",),
    "waiting": ("waiting", "open", "queued", "paused", "learning"),
}
_TONES: dict[str, Tone] = {word: tone for tone, words in _WORDS.items() for word in words}

# A value must not break XML, drive a terminal or reorder the words around it (bidirectional overrides).
_REPLACED = (
    *range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF
)  # fmt: skip
_UNSAFE = dict.fromkeys(_REPLACED, "\ufffd") | dict.fromkeys(map(ord, "\t\n\v\f\r\x85\u2028\u2029"), " ")


def clean(words: str) -> str:
    """`words` on one line, with line breaks as spaces and unsafe characters as U+FFFD."""
    return words.translate(_UNSAFE)


def shorten(words: str, length: int) -> str:
    """At most `length` characters of `words`, the last one "…" when something was cut."""
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"


def text(value: object) -> str:
    """Any plain value as one line."""
    if value is None:
        return MISSING
    return number(value) if is_number(value) else clean(str(value))


def number(value: object) -> str:
    """A number: integers whole, the rest with 4 significant digits, very large and small ones with an exponent."""
    return numbers([value])[0]


def numbers(values: Sequence[object]) -> list[str]:
    """Numbers that stand in one column or row, with the same decimals: enough to tell them apart, never more than they have.

    When that would take more than 8 digits (a learning rate beside a row count) each has its own. The rest comes back as from `text`.
    """
    known = [value for value in map(finite, values) if value is not None]
    decimals = _decimals(known)
    return [_number(value, decimals) if is_number(value) else text(value) for value in values]


def counted(count: int, noun: str) -> str:
    """Such as "1 row" and "2,000 rows"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def listed(names: Sequence[str], *, most: int = 6, join: str = "and") -> str:
    """Such as "a, b and c"."""
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {join} {shown[-1]}" if shown else ""


def finite(value: object) -> float | None:
    """`value` as a finite float, else None."""
    known = _float(value)
    return known if math.isfinite(known) else None


def is_number(value: object) -> bool:
    """Whether `value` is a real number; True and False are not."""
    return not isinstance(value, bool) and isinstance(value, Real | Decimal)


def duration(seconds: float | None) -> str:
    """How long: "320 ms", "1.4 s", "3 min 12 s", "2 h 5 min", "3 d 4 h"."""
    known = finite(seconds)
    if known is None:
        return text(seconds)
    sign, length = "−" if known < 0 else "", abs(known)
    if length < 59.95:
        return sign + _seconds(length)
    if length < 3599.5:
        large, small, (whole, rest) = "min", "s", divmod(round(length), 60)
    elif length < 48 * 3600 - 30:
        large, small, (whole, rest) = "h", "min", divmod(round(length / 60), 60)
    else:
        large, small, (whole, rest) = "d", "h", divmod(round(length / 3600), 24)
    return f"{sign}{whole:,} {large}" + (f" {rest} {small}" if rest else "")


def size(count: int | None) -> str:
    """How many bytes, in powers of 1000: "999 B", "1.2 kB", "3.4 GB"."""
    if count is None:
        return MISSING
    if abs(count) < 1000:
        return f"{count} B".replace("-", "−")
    scaled = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        scaled /= 1000
        if abs(scaled) < 999.95:
            return f"{scaled:.1f} {unit}".replace("-", "−")
    return f"{scaled / 1000:,.1f} PB".replace("-", "−")


def tone(word: str) -> Tone:
    """What a status word says; an unknown one is neutral."""
    return _TONES.get(word, "neutral")


def status(word: str) -> str:
    """A status with its icon: "✓ finished"."""
    return f"{ICONS[tone(word)]} {clean(word)}"


def blocks(values: Sequence[object]) -> str:
    """A course of values as block characters ("▁▃▇"); what cannot be drawn is a space."""
    known = [finite(value) for value in values]
    present = [value for value in known if value is not None]
    if not present:
        return MISSING
    low, high = min(present), max(present)
    half = high / 2 - low / 2  # halves, because the distance itself may be beyond a float
    return "".join(
        " " if value is None else "▁▂▃▄▅▆▇█"[round((value / 2 - low / 2) / half * 7)] if half else "▄"
        for value in known
    )


def _seconds(length: float) -> str:
    if length >= 0.9995:
        return f"{length:.1f} s"
    if length >= 0.001:
        return f"{length * 1000:.0f} ms"
    return "<1 ms" if length else "0 s"


def _decimals(known: Sequence[float]) -> int | None:
    """The decimals that all share, or None when each needs its own."""
    sizes = [abs(value) for value in known if value]
    if not sizes:
        return 0
    if max(sizes) >= _LARGEST or max(sizes) < _SMALLEST:
        return None
    largest, smallest = _exponent(max(sizes)), _exponent(min(sizes))
    exact = max(_written_decimals(value) for value in known)
    decimals = min(exact, max(_DIGITS - 1 - largest, 1 - smallest, 0))
    distinct = len(set(known))
    while decimals < min(exact, _DIGITS + 2 - largest) and len({round(value, decimals) for value in known}) < distinct:
        decimals += 1
    return decimals if max(largest, 0) + 1 + decimals <= _WIDEST or decimals == 0 else None


def _number(value: object, decimals: int | None) -> str:
    known = _float(value)
    if isinstance(value, Integral):
        exact = Decimal(int(value))
        if abs(exact) < _LARGEST and not decimals:
            return f"{exact:,}".replace("-", "−")
    elif not math.isfinite(known):
        return "NaN" if math.isnan(known) else "∞" if known > 0 else "−∞"
    else:
        exact = Decimal(known)
        if decimals is None and (known == 0 or _SMALLEST <= abs(known) < _LARGEST):
            decimals = _decimals([known])
    if decimals is not None and math.isfinite(known):
        return f"{known:z,.{decimals}f}".replace("-", "−")
    mantissa, exponent = f"{exact:.{_DIGITS - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}".replace("-", "−")


def _float(value: object) -> float:
    """NaN when it is no number, infinite when it is too large for a float."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # Real's stub lacks the order that it has
    except ValueError:  # a signalling NaN of Decimal
        return math.nan


def _exponent(value: float) -> int:
    return math.floor(math.log10(value))


def _written_decimals(value: float) -> int:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -int(exponent))
