"""Where a version comes from and how old its data are, read from the store: the run, the notebook, the commit, what went in."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from nbops.data import degraded
from nbops.records import Record, at, short
from nbops.registry import evaluations
from nbops.registry.evaluations import Evaluation
from nbops.registry.models import ModelVersion
from nbops.render import values
from nbops.render.model import Column
from nbops.render.values import counted
from nbops.reports.document import Banner, Block, Facts, Part, Table, Words
from nbops.reports.moments import moment
from nbops.reports.provenance import Provenance, of_run
from nbops.store.client import Store


class Span(Record):
    """From when to when rows are, by a column of times."""

    column: str
    first: datetime
    last: datetime

    @property
    def told(self) -> str:
        """Such as "1 Jan 2026 to 3 Feb 2026"."""
        return f"{moment(self.first.date())} to {moment(self.last.date())}"


class Source(Record):
    """A version of a source of data that a run read; `due` is when the source is collected next, as far as it has a rhythm."""

    name: str
    source: str
    version: int
    until: str | None
    taken: datetime
    due: datetime | None


class Origin(Record):
    """A version's run, the data that it read, and when it was registered."""

    run: Provenance
    registered: datetime
    sources: tuple[Source, ...]


def origin(store: Store, record: ModelVersion) -> Origin:
    """Where a version comes from."""
    made = store.read(
        "select epoch_us(created) from model_versions where model = ? and version = ?", [record.model, record.version]
    ).rows
    return Origin(
        run=of_run(store, record.run_id, {}), registered=at(made[0][0]), sources=_sources(store, record.run_id)
    )


def banner(store: Store, record: ModelVersion) -> Banner | None:
    """That a version rests on old data, if it does."""
    told = degraded.of_run(store, record.run_id)
    return Banner("old data", f"{degraded.TITLE} {told}", "attention") if told else None


def span(store: Store, evaluation: Evaluation) -> Span | None:
    """From when to when the kept rows of an evaluation are; None where no column of times was named."""
    import pandas as pd

    name = evaluation.asked.time
    if name is None:
        return None
    rows = pd.read_parquet(io.BytesIO(store.get_blob(evaluation.rows_sha256)), columns=[name])
    times = pd.to_datetime(rows[name], utc=True, errors="coerce").dropna()
    if not len(times):
        return None
    return Span(name, times.min().to_pydatetime(), times.max().to_pydatetime())


def part(record: ModelVersion, found: Origin) -> Part:
    """Where it comes from, as a part of a page."""
    run = found.run
    notebook, actor = f" of {run.notebook}" if run.notebook else "", f", executed by {run.actor}" if run.actor else ""
    made = f"run {short(record.run_id)}{notebook}{actor}"
    pairs = [
        ("Registered", f"{moment(found.registered)} by {record.actor}"),
        ("What was said then", record.description or ""),
        ("Made by", made),
        ("When", moment(run.started) if run.started else ""),
        ("Code", f"commit {run.commit[:12]}{', with changes that were not committed' if run.dirty else ''}" if run.commit else ""),
        ("Kind of model", record.manifest.estimator),
        ("Made with", ", ".join(f"{name} {version}" for name, version in sorted(record.manifest.versions.items()))),
        ("Size", values.size(record.manifest.size)),
        ("SHA-256 of its bytes", record.sha256[:16]),
    ]  # fmt: skip
    blocks: list[Block] = [Facts(tuple(pair for pair in pairs if pair[1]))]
    if run.inputs:
        rows = tuple((one.name, one.rows, _named(one.source), one.digest[:12]) for one in run.inputs)
        columns = ("data", Column("rows", "number"), Column("from", "prose"), Column("digest", "code"))
        blocks.append(Table(columns, rows, caption="The data that its run read"))
    else:
        blocks.append(Words("Which data its run read was not recorded.", "muted"))
    if found.sources:
        told = tuple(
            (one.source, one.version, one.until, moment(one.taken), moment(one.due) if one.due else None)
            for one in found.sources
        )
        columns_of = (
            Column("source"),
            Column("version", "number"),
            Column("data up to", "time"),
            Column("taken", "time"),
            Column("next due", "time"),
        )
        blocks.append(Table(columns_of, told, caption="The versions of sources among them"))
    return Part("Where it comes from", tuple(blocks), brief=False)


def measured_on(store: Store, evaluation: Evaluation) -> Facts:
    """Which rows a model was measured on, and when."""
    found = evaluation.assessment
    when = store.read(
        "select epoch_us(time), actor from evaluations where evaluation_id = ?::uuid limit 1",
        [evaluation.evaluation_id],
    ).rows
    dates = span(store, evaluation)
    blocks = f" in {counted(found.blocks, 'block')} by {found.by}" if found.blocks is not None else ""
    pairs = [
        ("Measured on", f"{_named(evaluation.data_name)}: {counted(found.rows, 'row')}{blocks}"),
        ("These rows are from", dates.told if dates else "not known: no column of times was named"),
        ("Measured", f"{moment(at(when[0][0]))} by {when[0][1]}" if when else ""),
        ("Digest of the rows", f"{evaluation.data_digest[:12]}; they are kept, so that others can be held against the same ones"),
    ]  # fmt: skip
    return Facts(tuple(pair for pair in pairs if pair[1]))


def latest(store: Store, record: ModelVersion) -> Evaluation | None:
    """The last evaluation of a version, if there is one."""
    sql = "select evaluation_id::varchar from evaluations where run_id = ? and sha256 = ? order by time desc limit 1"
    rows = store.read(sql, [record.run_id, record.sha256]).rows
    return evaluations.get(store, str(rows[0][0])) if rows else None


def on_same_rows(store: Store, record: ModelVersion, evaluation: Evaluation) -> Evaluation | None:
    """A version's own evaluation on the rows of another one, if it was held against them."""
    sql = """
        select evaluation_id::varchar from evaluations
        where run_id = ? and sha256 = ? and rows_sha256 = ? and target = ? order by time desc limit 1
    """
    values_ = [record.run_id, record.sha256, evaluation.rows_sha256, evaluation.asked.target]
    rows = store.read(sql, values_).rows
    return evaluations.get(store, str(rows[0][0])) if rows else None


def _sources(store: Store, run_id: str) -> tuple[Source, ...]:
    sql = """
        select u.name, u.source, u.version, s.watermark, epoch_us(s.created), epoch_us(f.last_checked), coalesce(f.every, f.usual)
        from snapshot_uses u join snapshots s on s.source = u.source and s.version = u.version
        left join freshness f on f.source = u.source
        where u.run_id = ? order by u.name
    """
    found = []
    for name, source, version, until, taken, checked, every in store.read(sql, [run_id]).rows:
        due = at(checked) + timedelta(seconds=every) if checked is not None and every else None
        found.append(Source(str(name), str(source), int(version), until, at(taken), due))
    return tuple(dict.fromkeys(found))


def _named(name: str) -> str:
    """What data are called; those without a file are told as such."""
    return "rows that a program held in its memory" if name == "memory" else name


def now() -> datetime:
    """When a page is made."""
    return datetime.now(UTC)
