# ruff: noqa: S608 - the names of our own tables and columns
"""The search language against invariants: nothing of the input gets into the SQL, every error is a FilterError, DuckDB runs whatever
is accepted, and finds what a few lines of Python find, in the same order."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbops import duck
from nbops.errors import FilterError
from nbops.records import at
from nbops.tracking.filter import FIELDS
from nbops.tracking.search_sql import Query, keys_query, runs_query, these_query, wide_query
from tests.examples import some

NAN = math.nan
PLACES = {
    "metrics": ["mae", "f1 score", "val/loss"],
    "params": ["model", "clf.depth", "`o\"d'd` ?"],
    "tags": ["team", "Größe"],
}
NUMBERS = [0.0, 1.0, -5.0, 2.5, 1e300, math.inf, -math.inf, NAN]
TEXTS = ["rf", "it's", "10", "1e1", "9", "nan", "True", "false", "", "%_", 'a"b`c', "x; drop table runs --", "日本\n?"]
TIMES = ["2026-11-01", "2026-11-01 00:00:01", "2026-11-01T02:00:02+02:00"]
WORDS = """
    actor and arg_max as asked by c cause chosen coalesce commit commit_hash core deleted desc distinct double duration e end_time
    ended epoch_us experiment experiment_id experiments filter from generate_subscripts group having host in is isnan join key kind
    kinds latest left like limit list lower metrics name not null nulls last on or order over parent_id parent_run_id params place
    position q r row_number run_id runs select seq source start_time started status tags timestamp true try_cast union all unnest uuid
    value varchar where wide_metrics wide_params wide_tags with 1e6 1
"""


# A condition is (place, key, operator, values) or ("not", condition) or ("and" | "or", conditions).
def conditions() -> st.SearchStrategy[Any]:
    keys = st.sampled_from([(place, key) for place, known in PLACES.items() for key in known])
    number, text = st.sampled_from(NUMBERS), st.sampled_from(TEXTS)
    either = number | text | st.booleans()

    def compared(name: tuple[str, str]) -> st.SearchStrategy[Any]:
        place, key = name
        kind = {"metrics": "number", "run": FIELDS.get(key, "")}.get(place, "any")
        one = {"number": number, "text": text, "time": st.sampled_from(TIMES), "any": either}[kind]
        ordered = one.filter(lambda value: not isinstance(value, bool))
        forms = [
            st.tuples(st.sampled_from(["=", "==", "!=", "<>"]), one.map(lambda value: [value])),
            st.tuples(st.sampled_from(["<", "<=", ">", ">="]), ordered.map(lambda value: [value])),
            st.tuples(st.sampled_from(["in", "not in"]), st.lists(one, min_size=1, max_size=3)),
            st.tuples(st.sampled_from(["is null", "is not null"]), st.just([])),
        ]
        if kind in {"text", "any"}:
            pattern = st.sampled_from(["%", "r_", "%'%", "1%", "_%_", ""])
            forms.append(st.tuples(st.sampled_from(["like", "not like"]), pattern.map(lambda value: [value])))
        return st.one_of(forms).map(lambda form: (place, key, *form))

    fields = st.sampled_from([("run", field) for field in FIELDS if field != "status"])
    leaves = (keys | fields).flatmap(compared)

    def joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3))
        return st.tuples(st.just("not"), inner) | several

    return st.recursive(leaves, joined, max_leaves=6)


def written(condition: Any) -> str:
    """The text of a condition, with no more parentheses than the binding of `not`, `and` and `or` asks for."""
    if condition[0] == "not":
        return f"not {apart(condition[1], 'and', 'or')}"
    if condition[0] == "and":
        return " AND ".join(apart(part, "or") for part in condition[1])
    if condition[0] == "or":
        return " or ".join(map(written, condition[1]))
    place, key, operator, values = condition
    shown = ", ".join(map(literal, values))
    return f"{named(place, key)} {operator} {f'({shown})' if operator in {'in', 'not in'} else shown}"


def apart(condition: Any, *loose: str) -> str:
    return f"({written(condition)})" if condition[0] in loose else written(condition)


def named(place: str, key: str) -> str:
    if place == "run":
        return key
    return f"{place}.{key}" if re.fullmatch(r"[\w./]+", key) else f"{place}.`{key.replace('`', '``')}`"


def literal(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value).lower()


def matches(condition: Any, run: dict[str, Any]) -> bool | None:
    """True, False, or None for neither: the rules of the language once more, in Python."""
    if condition[0] == "not":
        inner = matches(condition[1], run)
        return None if inner is None else not inner
    if condition[0] in {"and", "or"}:
        answers = [matches(part, run) for part in condition[1]]
        decisive: bool = condition[0] == "or"
        if decisive in answers:
            return decisive
        return None if None in answers else not decisive
    place, key, operator, values = condition
    had: str | float | datetime | None = run[place].get(key)
    if operator in {"is null", "is not null"}:
        return (had is None) is (operator == "is null")
    if had is None:
        return None
    negative = operator.startswith("not") or operator in {"!=", "<>"}
    return any(holds(had, operator.removeprefix("not "), value) for value in values) != negative


def holds(had: Any, operator: str, value: Any) -> bool:
    if isinstance(had, datetime):
        value = datetime.fromisoformat(value)
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, bool):
        had, value = had.lower(), str(value).lower()
    elif isinstance(value, float):
        had = number(had)
        if had is None:
            return False
    if operator == "like":
        pattern = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in value)
        return re.fullmatch(pattern, had, re.DOTALL) is not None
    if operator in {"<", "<=", ">", ">="}:
        return bool({"<": had < value, "<=": had <= value, ">": had > value, ">=": had >= value}[operator])
    return bool(had == value or (value != value and had != had))  # noqa: PLR0124 - NaN alone differs from itself


def number(had: Any) -> float | None:
    try:
        return float(had)
    except ValueError:
        return None


def in_order(runs: list[dict[str, Any]], sorts: list[tuple[str, str, bool]]) -> list[dict[str, Any]]:
    """Newest first, then by each sort from the last to the first; each is stable."""
    runs = sorted(runs, key=lambda run: -run["seq"])
    for place, key, descending in reversed(sorts):
        numeric = place == "metrics" or key == "duration"
        had = {id(run): run[place].get(key) for run in runs}
        numbers = {
            one: None if value is None or (place == "run" and not numeric) else number(value)
            for one, value in had.items()
        }
        real = [run for run in runs if (n := numbers[id(run)]) is not None and not math.isnan(n)]
        nans = [run for run in runs if (n := numbers[id(run)]) is not None and math.isnan(n)]
        texts = [run for run in runs if numbers[id(run)] is None and had[id(run)] is not None]
        # Equal numbers of params and tags, and NaN spelled in several ways, go by their text.
        for group in (real, nans, texts) if not numeric else ():
            group.sort(key=lambda run: had[id(run)], reverse=descending)
        real.sort(key=lambda run: numbers[id(run)] or 0.0, reverse=descending)
        runs = real + nans + texts + [run for run in runs if had[id(run)] is None]
    return runs


def runs() -> st.SearchStrategy[list[dict[str, Any]]]:
    """For each key its values, oldest first: the last one counts, and the empty list is a run without it."""
    known: dict[str, list[Any]] = {"metrics": NUMBERS, "params": TEXTS, "tags": TEXTS}
    logged = {
        place: st.fixed_dictionaries({key: st.lists(st.sampled_from(known[place]), max_size=2) for key in keys})
        for place, keys in PLACES.items()
    }
    fields = {
        "name": st.sampled_from(["rf", "Ab"]),
        "cause": st.sampled_from([None, "it's"]),
        "start": st.integers(0, 3),
        "ended": st.booleans(),
    }
    return st.lists(st.fixed_dictionaries(logged | fields), min_size=1, max_size=5)


def sorts() -> st.SearchStrategy[list[tuple[str, str, bool]]]:
    names = [(place, key) for place, keys in PLACES.items() for key in keys] + [("run", field) for field in FIELDS]
    sort = st.tuples(st.sampled_from(names), st.booleans()).map(lambda one: (*one[0], one[1]))
    return st.lists(sort, max_size=3, unique_by=lambda one: one[:2])


def order(chosen: list[tuple[str, str, bool]]) -> str:
    return ", ".join(f"{named(place, key)}{' desc' * descending}" for place, key, descending in chosen)


@pytest.fixture(scope="module")
def con() -> Any:
    con = duck.scratch(memory_limit="1GB", threads=1)
    for migration in sorted(files("nbops.store.migrations").iterdir(), key=lambda file: file.name):
        if migration.name.endswith(".sql"):
            con.execute(migration.read_text())
    return con


def store(con: Any, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make the store hold these runs alone, and return what each would show."""
    tables: dict[str, list[dict[str, Any]]] = {"experiments": [], "runs": [], "metrics": [], "params": [], "tags": []}
    begin = at(1_793_491_200_000_000)
    experiment = "018f0000-0000-7000-9000-000000000000"
    tables["experiments"].append(
        {"experiment_id": experiment, "name": "exp", "created": begin.replace(tzinfo=None), "seq": 0}
    )
    shown = []
    for i, run in enumerate(runs):
        start = begin + timedelta(seconds=run["start"])
        end = start + timedelta(seconds=2.5) if run["ended"] else None
        row = {
            "run_id": f"018f0000-0000-7000-8000-{i:012x}", "name": run["name"], "status": "finished", "cause": run["cause"],
            "actor": "ann", "host": "h",
        }  # fmt: skip
        times = {"started": start.replace(tzinfo=None), "ended": end and end.replace(tzinfo=None)}
        tables["runs"].append(row | times | {"experiment_id": experiment, "pid": 1, "deleted": False, "seq": i * 1000})
        latest: dict[str, Any] = {}
        for place in PLACES:
            latest[place] = {key: values[-1] for key, values in run[place].items() if values}
            for key, values in run[place].items():
                for n, value in enumerate(values):
                    logged = {
                        "run_id": row["run_id"],
                        "key": key,
                        "value": value,
                        "time": times["started"],
                        "seq": i * 1000 + n,
                    }
                    tables[place].append(logged | ({"kind": "str"} if place == "params" else {}))
        fields = row | {"experiment": "exp", "start_time": start, "end_time": end, "duration": 2.5 if end else None}
        shown.append(latest | {"run": fields, "seq": i * 1000})
    for table, rows in tables.items():
        con.execute(f"delete from core.{table}")
        if rows:
            marks = ", ".join([f"({', '.join('?' * len(rows[0]))})"] * len(rows))
            values = [value for row in rows for value in row.values()]
            con.execute(f"insert into core.{table} ({', '.join(rows[0])}) values {marks}", values)
    return shown


def check(query: Query) -> None:
    """The SQL is made of our words, numbered names and signs alone, and has a mark for each value."""
    words = set(re.findall(r"\w+", query.sql)) - set(WORDS.split())
    assert not [word for word in words if not re.fullmatch(r"[kopmt]\d{1,2}", word)]
    assert set(re.findall(r"[^\w\s]", query.sql)) <= set(".,*?()<>=/:[]-'\"")
    assert query.sql.count("?") == len(query.values)


quick = settings(
    deadline=None,
    max_examples=some(),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PIECES = st.sampled_from(
    [
        "metrics.", "params.", "tags.", "run.", "metrcs.", *FIELDS, "metrics.mae", "params.`f 1`", 'tags."t"', "and", "or", "not", "(",
        ")", ",", "=", "!=", "<", "<=", ">", "in", "like", "is", "null", "order by", "desc", "limit", "5", "-1e-3", "nan", "'rf'",
        "'2026-11-01'", "true", "'", "`", "\x00", "\ud800",
    ]
)  # fmt: skip
BROKEN = st.lists(PIECES | st.text(max_size=4), max_size=12).map(" ".join) | st.text(max_size=40)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A valid filter with a stretch cut out, and another put in."""
    text = f"{written(draw(conditions()))} order by {order(draw(sorts())) or 'name'}"
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(PIECES | st.just("")) + text[start + draw(st.integers(0, 6)) :]


@quick
@given(text=BROKEN | damaged(), order_by=st.none() | BROKEN)
def test_any_text_is_a_query_of_our_words_that_runs_or_a_filter_error(
    con: Any, text: str, order_by: str | None
) -> None:
    try:
        query = runs_query(text, order_by=order_by)
    except FilterError as error:
        refused = error
    else:
        check(query)
        duck.rows(con, query.sql, query.values)
        return
    assert 0 <= refused.position <= max(len(text), len(order_by or ""))


@quick
@given(
    condition=conditions(), chosen=sorts(), keys=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=3)
)
def test_what_is_valid_runs_on_duckdb_in_all_its_forms(con: Any, condition: Any, chosen: Any, keys: list[str]) -> None:
    query = runs_query(written(condition), order_by=order(chosen), limit=3, experiments=keys)
    these = these_query(["018f0000-0000-7000-8000-000000000000"])
    for one in (query, these):
        for form in (one, keys_query(one), wide_query(one, params=keys, metrics=keys, tags=keys)):
            check(form)
            duck.rows(con, form.sql, form.values)


@quick
@given(runs=runs(), condition=conditions(), chosen=sorts(), limit=st.none() | st.integers(0, 4))
def test_duckdb_finds_what_a_few_lines_of_python_find(
    con: Any, runs: Any, condition: Any, chosen: Any, limit: int | None
) -> None:
    shown = store(con, runs)
    query = runs_query(written(condition), order_by=order(chosen), limit=limit)
    check(query)
    expected = in_order([run for run in shown if matches(condition, run)], chosen)[:limit]
    assert [str(row[0]) for row in duck.rows(con, query.sql, query.values)] == [
        run["run"]["run_id"] for run in expected
    ]
    wide = wide_query(query, params=PLACES["params"], metrics=PLACES["metrics"], tags=PLACES["tags"])
    columns = [(place, key) for place in ("params", "metrics", "tags") for key in PLACES[place]]
    rows = [row[len(FIELDS) :] for row in duck.rows(con, wide.sql, wide.values)]
    assert repr(rows) == repr([tuple(run[place].get(key) for place, key in columns) for run in expected])
