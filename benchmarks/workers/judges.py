# ruff: noqa: S608 - SQL of our own
"""A contract of 19 rules of rows over a Parquet file, judged by nbops and by pandera, a process for each way from start to end.

Takes a job and its arguments as JSON; writes the broken rows, by Parquet with their reasons or by their numbers, and prints figures.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

Figures = dict[str, Any]

CONTRACT: Figures = {
    "contract": "bench",
    "columns": {
        "id": {"type": "integer", "not_null": True, "ge": 0},
        "grp": {"not_null": True, "range": [0, 999]},
        "small": {"not_null": True, "range": [0, 100]},
        "amount": {"type": "number", "not_null": True, "range": [0, 15000]},
        "score": {"not_null": True, "range": [0, 1000]},
        "origin": {"not_null": True, "in": ["EWR", "JFK", "LGA"]},
        "tail": {"not_null": True, "regex": "N[0-9]+"},
        "category": {"not_null": True},
        "at": {"not_null": True},
        "flag": {"not_null": True},
    },
}
"""19 rules, with a key for each; `unique` adds one to `id`."""
_KINDS = {"integer": "int64", "number": "float64"}

_ROWS = """
copy (
    select case when range % 50000 = 7 then range - 1 else range end as id, (range * 7919) % 1000 as grp,
        case when range % 1000 = 1 then -1 else range % 97 end as small,
        case when range % 5000 = 2 then null else hash(range) % 100000 / 7.0 end as amount,
        case when range % 3000 = 3 then 1e9 else (hash(range + 1) % 1000)::double end as score,
        case when range % 4000 = 4 then 'ZZZ' else ['EWR', 'JFK', 'LGA'][1 + range % 3] end as origin,
        case when range % 7000 = 5 then 'n-1' else 'N' || (range % 9000)::varchar end as tail,
        case when range % 9000 = 6 then null else 'c' || (range % 50)::varchar end as category,
        timestamp '2013-01-01' + to_seconds(range % 31536000) as "at", range % 2 = 0 as flag
    from range({rows})
) to '{path}' (format parquet, row_group_size 122880)
"""


def make(path: str, rows: int) -> Figures:
    """Write the rows, about two of a thousand broken, each of them by one rule or two."""
    from nbops import duck

    con = duck.scratch()
    con.execute(_ROWS.format(path=path, rows=rows))
    return {}


def nbops(path: str, out: str, *, unique: bool) -> Figures:
    """Our verb; it writes the broken rows with their reasons."""
    import nbops

    found = nbops.check(path, _contract(unique=unique), broken=out)
    return {"rows": found.rows, "broken": found.quarantined}


def pandas(path: str, out: str, *, unique: bool) -> Figures:
    """By pandera on pandas."""
    import pandas as pd
    import pandera.pandas as pandera  # type: ignore[import-not-found]  # it lies in the peer's environment only

    return _pandera(pandera, pd.read_parquet(path), out, unique=unique)


def polars(path: str, out: str, *, unique: bool) -> Figures:
    """By pandera on polars: of a LazyFrame it would look at the schema alone."""
    import pandera.polars as pandera  # type: ignore[import-not-found]  # the same
    import polars as pl  # type: ignore[import-not-found]  # the same

    return _pandera(pandera, pl.read_parquet(path), out, unique=unique)


def _pandera(pandera: Any, frame: Any, out: str, *, unique: bool) -> Figures:
    """Every rule judges every row, and the failure cases have the numbers of the rows that break it."""
    schema = pandera.DataFrameSchema(
        {column: _column(pandera, asked) for column, asked in _contract(unique=unique)["columns"].items()}
    )
    broken: list[int] = []
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        broken = sorted(set(error.failure_cases["index"].to_list()))
    Path(out).write_text("\n".join(["number", *map(str, broken)]))
    return {"rows": len(frame), "broken": len(broken)}


def _column(pandera: Any, asked: Figures) -> Any:
    check = pandera.Check
    made = {"ge": check.ge, "range": lambda ends: check.in_range(*ends), "in": check.isin, "regex": check.str_matches}
    # pandera looks for the pattern at a text's beginning, nbops in all of it.
    whole = asked | {"regex": f"^(?:{asked['regex']})$"} if "regex" in asked else asked
    return pandera.Column(
        _KINDS.get(asked.get("type", "")),
        checks=[rule(whole[name]) for name, rule in made.items() if name in asked],
        nullable=not asked["not_null"],
        unique=asked.get("unique", False),
    )


def compare(path: str, ours: str, theirs: str) -> Figures:
    """How many broken rows one of both has and the other has not, values and all."""
    from nbops import duck

    given = f"read_parquet({duck.literal(path)}, file_row_number = true)"
    numbers = f"read_csv({duck.literal(theirs)}, header = true, types = {{'number': 'bigint'}})"
    one = f"select * exclude (nbops_reasons) from read_parquet({duck.literal(ours)})"
    other = f"select * exclude (file_row_number) from {given} where file_row_number in (select number from {numbers})"
    con = duck.scratch()
    ((different,),) = duck.rows(
        con,
        f"select (select count(*) from ({one} except all {other})) + (select count(*) from ({other} except all {one}))",
    )
    return {"different": different}


def _contract(*, unique: bool) -> Figures:
    columns = CONTRACT["columns"]
    return {**CONTRACT, "columns": {**columns, "id": {**columns["id"], "unique": True}}} if unique else CONTRACT


_JOBS = {"make": make, "nbops": nbops, "pandas": pandas, "polars": polars, "compare": compare}

if __name__ == "__main__":
    done = _JOBS[sys.argv[1]](**json.loads(sys.argv[2]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1024, **done}))
