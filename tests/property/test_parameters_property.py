"""Whatever a parameter is given arrives equal and of the same type: through the injected cell, and again from what its notebook keeps."""

from __future__ import annotations

import json
import math
import re
import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import v4

from nbops.errors import ParameterError
from nbops.execution import parameters
from nbops.execution.parameters import Interface, Word
from tests.examples import some

Values = st.SearchStrategy[Any]
IMPORTS = (
    "import numpy as np, pandas as pd\nfrom datetime import *\nfrom decimal import Decimal\nfrom pathlib import Path\n"
)

TEXTS: Values = st.text(st.characters(codec=None), max_size=30) | st.sampled_from(
    [
        "",
        "it's",
        '"',
        "'''\\\"\"\"",
        "a\nb\r\n\x0b\x85\u2028",
        "\ud800",
        "日本 🛫",
        "nan",
        "True",
        "007",
        "{x}",
        "\\N{x}\\",
        "!ls",
        "x?",
    ]
)
INTS: Values = st.integers() | st.sampled_from([2**63, -(2**64), 10**4000])
FLOATS: Values = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1])
# In whole seconds: Python 3.11 reads an ISO offset of less than a second as none.
OFFSETS = st.integers(-23 * 3600, 23 * 3600).map(lambda seconds: timezone(timedelta(seconds=seconds)))
MOMENTS: Values = st.datetimes(timezones=st.none() | st.just(UTC) | st.timezones() | OFFSETS)
DAYS: Values = st.dates()
DURATIONS: Values = st.timedeltas()
CLOCKS: Values = st.times()
DECIMALS: Values = st.decimals(allow_nan=False)
PATHS: Values = TEXTS.filter(lambda text: "\0" not in text).map(Path)
STAMPS: Values = st.builds(
    lambda at, ns, zone: pd.Timestamp(at).replace(nanosecond=ns).tz_localize("UTC").tz_convert(zone),
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - pandas puts them into a zone
    st.integers(0, 999),
    st.sampled_from([None, "UTC", "Asia/Tokyo", "+05:30"]),
) | st.sampled_from(
    [pd.NaT, pd.Timestamp("2013-10-27T02:30+01:00").tz_convert("Europe/Berlin"), pd.Timestamp(5, unit="s")]
)
SPANS: Values = st.builds(pd.Timedelta, st.integers(-(2**62), 2**62), st.just("ns")) | st.sampled_from(
    [pd.NaT, pd.Timedelta("1s")]
)
ATOMS: Values = st.one_of(
    st.none(), st.booleans(), INTS, FLOATS, st.complex_numbers(), TEXTS, st.binary(max_size=8), MOMENTS, DAYS, DURATIONS, CLOCKS,
    DECIMALS, PATHS, STAMPS, st.just(pd.NA), FLOATS.map(np.float64), st.floats(width=32).map(np.float32), st.booleans().map(np.bool_),
)  # fmt: skip


def nested(atoms: Values) -> Values:
    keys = INTS | TEXTS | DAYS | st.tuples(st.booleans(), TEXTS)
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.sets(keys),
            st.frozensets(keys),
        ),
        max_leaves=8,
    )  # fmt: skip


# An annotation -> the values that it describes.
TYPES: dict[str, Values] = {
    "bool": st.booleans(),
    "int": INTS,
    "float": FLOATS,
    "complex": st.complex_numbers(),
    "str": TEXTS,
    "bytes": st.binary(),
    "Decimal": DECIMALS,
    "date": DAYS,
    "datetime": MOMENTS,
    "time": CLOCKS,
    "timedelta": DURATIONS,
    "Path": PATHS,
    "pd.Timestamp": STAMPS,
    "pd.Timedelta": SPANS,
    "np.bool_": st.booleans().map(np.bool_),
    "np.int8": st.integers(-128, 127).map(np.int8),
    "np.int64": st.integers(-(2**63), 2**63 - 1).map(np.int64),
    "np.uint64": st.integers(0, 2**64 - 1).map(np.uint64),
    "np.float16": st.floats(width=16).map(np.float16),
    "np.float32": st.floats(width=32).map(np.float32),
    "np.float64": FLOATS.map(np.float64),
    "np.longdouble": FLOATS.map(lambda number: np.longdouble(number) / 3),
    "np.complex64": st.complex_numbers(width=64).map(np.complex64),
    "np.complex128": st.complex_numbers().map(np.complex128),
    "np.str_": TEXTS.map(lambda text: np.str_(text.rstrip("\0"))),
    "np.datetime64": st.builds(
        np.datetime64,
        st.integers(-(10**9), 10**9),
        st.sampled_from(["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"]),
    )
    | st.just(np.datetime64("NaT")),
    "np.timedelta64": st.builds(
        np.timedelta64, st.integers(-(10**9), 10**9), st.sampled_from(["Y", "M", "W", "D", "s", "ns"])
    )
    | st.just(np.timedelta64("NaT")),
    "int | None": st.none() | INTS,
    "Optional[date]": st.none() | DAYS,
    'Literal["jan", 2, None, True]': st.sampled_from(["jan", 2, None, True]),
    "list[str]": st.lists(TEXTS),
    "list[datetime]": st.lists(MOMENTS, max_size=4),
    "dict[str, list[float]]": st.dictionaries(TEXTS.filter(str.isprintable), st.lists(FLOATS), max_size=4),
    "dict[int, date]": st.dictionaries(INTS, DAYS, max_size=4),
    "tuple[int, Path]": st.tuples(INTS, PATHS),
    "tuple[Decimal, ...]": st.lists(DECIMALS).map(tuple),
    "set[int]": st.sets(INTS),
    "frozenset[date]": st.frozensets(DAYS),
    "list[dict[str, tuple[bool, timedelta]]]": st.lists(
        st.dictionaries(st.sampled_from("abc"), st.tuples(st.booleans(), DURATIONS)), max_size=3
    ),
}
EVERY = settings(max_examples=some(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(EVERY, max_examples=some(40))


def interface_of(annotation: str) -> Interface:
    told = f"{IMPORTS}p: {annotation}" if annotation else "p = None"
    node = v4.new_notebook(cells=[v4.new_code_cell(told, metadata={"tags": ["parameters"]})])
    return parameters.read(node, "python")


def arrived(interface: Interface, value: object) -> object:
    """What a kernel has after the injected cell, which went through a file."""
    text = parameters.source(interface, {"p": value}, secret=str).encode().decode()
    namespace: dict[str, object] = {}
    exec(compile(text, "<cell>", "exec"), namespace)  # noqa: S102 - the kernel's part
    return namespace["p"]


def fingerprint(value: Any) -> object:  # noqa: PLR0911 - one line for each kind of value
    """Equal for values that no program could tell apart."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, [(fingerprint(key), fingerprint(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return kind, [fingerprint(item) for item in value]
    if isinstance(value, set | frozenset):
        return kind, sorted(map(repr, map(fingerprint, value)))
    if value is pd.NaT or value is pd.NA:
        return kind
    if isinstance(value, np.generic):
        # Any NaN is as good as another; padding of a long double is not part of it.
        return kind, value.dtype, "NaN" if value != value else str(value) + repr(value)  # noqa: PLR0124
    if type(value) is float:
        return kind, "NaN" if math.isnan(value) else struct.pack("d", value)
    if isinstance(value, complex):
        return kind, fingerprint(value.real), fingerprint(value.imag)
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        return kind, value.unit, str(getattr(value, "tz", "")), value.isoformat()
    if isinstance(value, datetime):
        return kind, str(value.tzinfo), value.isoformat(), value.fold
    return kind, hex(value) if isinstance(value, int) else repr(value)


@pytest.mark.parametrize("annotation", TYPES)
def test_values_of_a_type_arrive_equal(annotation: str) -> None:
    interface = interface_of(annotation)
    assert interface.parameters[0].declared

    @EVERY
    @given(TYPES[annotation])
    def holds(value: object) -> None:
        taken = parameters.resolve(interface, {"p": value})["p"]
        assert fingerprint(taken) == fingerprint(value)
        assert fingerprint(arrived(interface, taken)) == fingerprint(value)
        json.dumps(parameters.plain({"p": taken}), ensure_ascii=False, allow_nan=False).encode()

    holds()


# How these are written is for pandas and numpy to read.
@pytest.mark.parametrize("annotation", [name for name in TYPES if not name.startswith(("pd.", "np.longdouble"))])
def test_the_injected_cell_is_itself_read_as_equal_defaults(annotation: str) -> None:
    interface = interface_of(annotation)

    @SOME
    @given(TYPES[annotation])
    def holds(value: object) -> None:
        cell = v4.new_code_cell(
            parameters.source(interface, {"p": value}, secret=str), metadata={"tags": ["parameters"]}
        )
        (read,) = parameters.read(v4.new_notebook(cells=[cell]), "python").parameters
        assert fingerprint(read.default) == fingerprint(value)

    holds()


# pandas' and numpy's times come back with the resolution that their text needs, and a long double as the nearest one.
@pytest.mark.parametrize(
    "annotation", [name for name in TYPES if not name.startswith(("pd.", "np.longdouble", "np.datetime"))]
)
def test_what_a_notebook_keeps_can_be_given_again(annotation: str) -> None:
    interface = interface_of(annotation)

    @SOME
    @given(TYPES[annotation].filter(lambda value: not re.search(r"\\ud[89a-f]|fold=1", repr(value))))
    def holds(value: object) -> None:
        kept = json.loads(json.dumps(parameters.plain({"p": value})))
        assert fingerprint(parameters.resolve(interface, kept)["p"]) == fingerprint(value)

    holds()


@EVERY
@given(nested(ATOMS))
def test_values_without_a_type_arrive_equal(value: object) -> None:
    interface = interface_of("")
    taken = parameters.resolve(interface, {"p": value})
    assert fingerprint(arrived(interface, taken["p"])) == fingerprint(value)
    cell = parameters.source(interface, taken, secret=str) + "\n"
    ipython = TransformerManager()  # type: ignore[no-untyped-call]  # IPython is annotated in part
    assert ipython.transform_cell(cell) == cell, "IPython reads it as Python does"
    json.dumps(parameters.plain({"p": value}), ensure_ascii=False, allow_nan=False).encode()


@EVERY
@given(TEXTS)
def test_a_word_for_text_is_taken_as_it_is_typed(text: str) -> None:
    assert parameters.resolve(interface_of("str"), {"p": Word(text)}) == {"p": text}


HOSTILE = "__import__('pathlib').Path({path!r}).touch()"


@pytest.mark.parametrize("annotation", ["", "object", *TYPES])
def test_nothing_is_evaluated(annotation: str, tmp_path: Path) -> None:
    code = HOSTILE.format(path=str(tmp_path / "evil"))
    for text in (code, f"[{code}]", f'{{"a": {code}}}', f"({code},)", f"f'{{{code}}}'"):
        try:
            values = parameters.resolve(interface_of(annotation), {"p": Word(text)})
        except ParameterError:
            continue
        arrived(interface_of(annotation), values["p"])
    told = f"{IMPORTS}{code}\np: {annotation or code} = {code}  # type: {code} 1..{code}\nq: {code!r} = f(x={code})\nr = date({code})"
    node = v4.new_notebook(
        cells=[v4.new_code_cell(told, metadata={"tags": ["parameters"]}), v4.new_code_cell(f"p = {code}")]
    )
    interface = parameters.read(node, "python")
    parameters.help_text(interface)
    parameters.to_dict(interface)
    parameters.reassigned(node, interface)
    assert interface.names == ("p", "q", "r")
    assert list(tmp_path.iterdir()) == []
