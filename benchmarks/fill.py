"""Stores with many runs, the same rows in both: written by SQL into nbops' own schema first, copied from there into MLflow's.

Every run has 10 params, 5 metrics with one point each, and 4 tags, as if they had been recorded one run after the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops import config
from nbops.store import database
from nbops.store.places import Places

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

# Of each run: the run itself, 10 params, 5 metrics, 4 tags and the ledger's row.
_STRIDE = 21
_VALUES = """
    create temp table made as
    select
        i, uuidv7() as run_id, ? + i * {stride} as seq, timestamp '2026-01-01' + to_minutes(i) as started,
        ['model', 'max_iter', 'seed', 'depth', 'alpha', 'beta', 'gamma', 'rate', 'decay', 'dropout'] as params,
        ['acc', 'loss', 'mae', 'rmse', 'auc'] as metrics,
        ['team', 'stage', 'data', 'note'] as tags
    from range(?) runs(i)
"""
_ROWS = (
    "insert into core.experiments by name select uuid() as experiment_id, 'search' as name, now()::timestamp as created, ? as seq",
    """
    insert into core.runs by name
    select
        run_id, experiment_id, 'run-' || i as name, 'finished' as status, started, started + interval 30 seconds as ended,
        'someone' as actor, 'host' as host, 1 as pid, 'train.ipynb' as source, false as deleted, made.seq
    from made, core.experiments
    order by i
    """,
    """
    insert into core.params by name
    select
        run_id, params[k] as key, started as time, seq + k as seq,
        case when k = 1 then 'str' when k <= 4 then 'int' else 'float' end as kind,
        case
            when k = 1 then ['rf', 'gbm', 'linear'][1 + (hash(i, k) % 3)::bigint]
            when k <= 4 then (hash(i, k) % 1000)::varchar
            else (hash(i, k) % 1000000 / 1000000)::varchar
        end as value
    from made, range(1, 11) keys(k)
    order by i, k
    """,
    """
    insert into core.metrics by name
    select run_id, metrics[k] as key, hash(i, k + 10) / 18446744073709551616 as value, null as step, started as time, seq + 10 + k as seq
    from made, range(1, 6) keys(k)
    order by i, k
    """,
    """
    insert into core.tags by name
    select run_id, tags[k] as key, 'value ' || hash(i, k + 20) % 20 as value, started as time, seq + 15 + k as seq
    from made, range(1, 5) keys(k)
    order by i, k
    """,
    "insert into core.ledger by name select uuid() as tx, seq + 20 as seq, started as time, null as result from made order by i",
)
_COPIES = (
    (
        """
        select
            replace(run_id::varchar, '-', ''), name, 'LOCAL', source, '', actor, 'FINISHED', epoch_ms(started), epoch_ms(ended),
            '', 'active', 'artifacts/' || run_id, ?, null
        from core.runs
        order by seq
        """,
        """
        insert into runs (
            run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
            source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time
        ) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
    ),
    (
        "select key, value, replace(run_id::varchar, '-', '') from core.params order by seq",
        "insert into params (key, value, run_uuid) values (?, ?, ?)",
    ),
    (
        "select key, value, epoch_ms(time), replace(run_id::varchar, '-', '') from core.metrics order by seq",
        "insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, ?, ?, 0, 0)",
    ),
    (
        "select key, value, epoch_ms(time), replace(run_id::varchar, '-', '') from core.metrics order by seq",
        "insert into latest_metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, ?, ?, 0, 0)",
    ),
    (
        "select key, value, replace(run_id::varchar, '-', '') from core.tags order by seq",
        "insert into tags (key, value, run_uuid) values (?, ?, ?)",
    ),
)


def fill(ours: Path, theirs: Path | None, runs: int) -> None:
    """Make nbops' store in the folder `ours`, where no owner may live, and copy its runs into MLflow's, if there is one."""
    places = Places(ours / config.FOLDER)
    places.create()
    connection = database.open_store(places, config.settings(ours), None).connection
    first = database.last(connection)[0] + 1
    connection.execute(_VALUES.format(stride=_STRIDE), [first + 1, runs])
    for sql in _ROWS:
        connection.execute(sql, [first] if "?" in sql else [])
    if theirs is not None:
        _copy(connection, theirs / "mlflow.db")
    connection.execute("checkpoint nbops")
    connection.close()


def _copy(connection: Connection, target: Path) -> None:
    with sqlite3.connect(target) as copy:
        copy.execute("pragma synchronous = off")
        (experiment,) = copy.execute("select experiment_id from experiments where name = 'search'").fetchone()
        for read, write in _COPIES:
            copy.executemany(write, _rows(connection, read, [experiment] if "?" in read else []))
        copy.commit()
        # Without statistics SQLite plans MLflow's joins badly; MLflow itself never asks for them. This is its best case.
        copy.execute("analyze")
    copy.close()


def _rows(connection: Connection, sql: str, values: list[int]) -> Iterator[tuple[Any, ...]]:
    found = connection.execute(sql, values)
    while rows := found.fetchmany(50_000):
        yield from rows
