"""Collecting: from a declared source or step to a snapshot that a pipeline can trust.

Fetched rows go through the contract in one pass; what it takes becomes a version, what it sets aside a batch of the quarantine. Both and
the contract's results reach the store in one command: killed at any moment, a collection has happened or it has not. Whoever collects
a source holds its lock, so that what another one left behind in the staging folder can be swept away.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from nbops import duck
from nbops.data import declared, parts, snapshots
from nbops.data.canonical import content_hash, families
from nbops.data.checking import Checked, fitting, look_ahead
from nbops.data.collection import Collection
from nbops.data.compiling import Compiled, Dedup, free_of_ours
from nbops.data.contract import Contract
from nbops.data.declared import Step
from nbops.data.parts import NewFile
from nbops.data.profile import beyond_chance
from nbops.data.profiling import profile as profiled
from nbops.data.relation import Query, Relation, opened
from nbops.data.requests import Collect, Declare, NewBatch, NewSnapshot, Outcome, Part
from nbops.data.rules import Distribution, ForeignKey, NotNull
from nbops.data.settled import Again, settle_again
from nbops.data.snapshots import Snapshot
from nbops.data.sources import fetching
from nbops.data.sources.address import shown, unsaid
from nbops.data.sources.declaration import Source, is_name
from nbops.data.sources.origin import Origin
from nbops.data.taking import Taken, storable, take
from nbops.data.watermark import Watermark
from nbops.errors import ConfigError, NbopsError, NotFound
from nbops.records import new_id, now_us
from nbops.render import values
from nbops.store.client import Store
from nbops.store.places import make_folder, open_file

_MOST_REASONS = 5
Progress = Callable[[str, int], None]
"""Is told what is going on with what, such as `rows`, and how far it is."""


def collect(
    store: Store,
    asked: str | Source | Step,
    *,
    run_id: str | None = None,
    why: str | None = None,
    memory_limit: str = "50%",
    progress: Progress | None = None,
) -> Collection:
    """Bring a source up to date: a new snapshot, or the news that nothing changed, or that its contract forbids it.

    `asked` is the name of what the project declares, or a source or step itself. What fails is recorded, too. Raises SourceError for
    what cannot be had or read, ConfigError and UsageError for what is declared wrongly.
    """
    project = store.settings.project
    made = declared.find(project, asked) if isinstance(asked, str) else asked
    source = declared.source_of(made)
    contract = declared.contract_of(source, project) or Contract(name=source.name)
    with staging(store, source.name) as folder:
        work = _Work(store, made, contract, folder, memory_limit, progress)
        request = Collect(
            collection_id=new_id(), source=source.name, status="failed", started=now_us(), ended=0, run_id=run_id, why=why,
            contract_name=contract.name,
            contract=msgspec.json.encode(contract).decode() if contract != Contract(name=source.name) else None,
        )  # fmt: skip
        declare = Declare(
            name=source.name, address=shown(source.address), declaration=_shown(made), in_file=source.name in declared.told(project),
            every=source.every, owner=source.owner or None, licence=source.licence or None,
            purpose=", ".join(source.purpose) or None,
        )  # fmt: skip
        done: Collect | None = None
        try:
            done = work.done(request)
        finally:
            # What a function of the user's raises is as good a reason as one of ours.
            if done is None and isinstance(error := sys.exc_info()[1], Exception):
                told = error.message if isinstance(error, NbopsError) else f"{type(error).__name__}: {error}"
                # A library may tell the whole address, a server what it was sent.
                told = unsaid(told, source.address, source.headers.values(), os.environ)
                with contextlib.suppress(NbopsError):
                    store.write(declare, msgspec.structs.replace(request, message=told, ended=now_us()))
        version = store.write(declare, done)[1]
        work.sweep()
    snapshot = snapshots.get(store, source.name, version) if version else work.last
    return Collection(done, snapshot, work.reasons)


class _Work:
    """One collection."""

    def __init__(
        self, store: Store, made: Source | Step, contract: Contract, staging: Path, memory_limit: str, progress: Progress | None
    ) -> None:  # fmt: skip
        self._store, self._made, self._contract = store, made, contract
        self._source = declared.source_of(made)
        self._staging, self._memory_limit, self._progress = staging, memory_limit, progress
        self._folder = staging / "work"
        self.last = snapshots.latest(store, self._source.name)
        self._watermark = Watermark.of(self._source, self.last)
        self.reasons: Mapping[str, int] = {}

    def done(self, request: Collect) -> Collect:
        """The request with all that came of it; the files that it names are kept already."""
        if isinstance(self._made, Step):
            return self._of_step(request, self._made)
        seen = self._seen(request)
        fetched = fetching.fetch(
            self._source, self._staging, project=self._store.settings.project, since=self._watermark.newest, seen=seen,
            progress=lambda count, _: self._told("bytes", count),
        )  # fmt: skip
        request = msgspec.structs.replace(request, origin=msgspec.json.encode(fetched.origin).decode())
        if fetched.unchanged:
            return msgspec.structs.replace(request, status="unchanged", scanned=False, ended=now_us())
        done = self._taken(request, fetched.data, {})
        fetching.confirm(fetched.origin, project=self._store.settings.project)
        return done

    def sweep(self) -> None:
        """Take away what was fetched; what broke off stays, to go on from."""
        shutil.rmtree(self._staging, ignore_errors=True)

    def _of_step(self, request: Collect, step: Step) -> Collect:
        inputs: dict[str, Snapshot] = {}
        for needed in step.inputs:
            found = snapshots.latest(self._store, needed)
            if found is None:
                raise NotFound(
                    f"{self._source.name!r} reads {needed!r}, of which there is no snapshot yet.",
                    hint=f"`nbops data collect {needed}` makes the first one; `nbops data collect` all that is declared.",
                )
            inputs[needed] = found
        read = {called: found.version for called, found in inputs.items()}
        origin = msgspec.json.encode({"step": step.digest, "inputs": read}).decode()
        request = msgspec.structs.replace(request, origin=origin)
        if self.last is not None and self._before(request) == origin:
            return msgspec.structs.replace(request, status="unchanged", scanned=False, ended=now_us())
        return self._taken(request, Query(sql=step.select), inputs)

    def _taken(self, request: Collect, data: object, inputs: Mapping[str, Snapshot]) -> Collect:
        tables = {
            called: found.files()
            for called, found in {**snapshots.foreign(self._store, self._contract), **inputs}.items()
        }
        given = opened(
            data, texts=self._contract.typed, tables=tables, variables={"since": self._watermark.cutoff}, writes=[self._folder],
            reads=self.last.paths if self.last and self._watermark.by else (), memory_limit=self._memory_limit,
        )  # fmt: skip
        with contextlib.ExitStack() as stack:
            with self._readable():
                relation = storable(stack.enter_context(given))
            stack.enter_context(fitting(self._contract))
            compiled = self._compiled(relation)
            look_ahead(relation, compiled)
            taken, found = take(
                relation, compiled, self._folder, watermark=self._watermark.by, progress=lambda rows: self._told("rows", rows)
            )  # fmt: skip
        appends = bool(self._watermark.by)
        again = settle_again(self._store, self._source.name, taken, self._folder, appends=appends)
        checked = found.judged(
            self._distances(taken.good), readmitted=again.readmitted, news=again.new if appends else None
        )
        outcomes = [Outcome(one.sentence, one.severity, one.outcome, one.broken, one.detail) for one in checked.judged]
        told = msgspec.structs.replace(
            request, rows=checked.rows, outcomes=outcomes, good=checked.good + again.readmitted, quarantined=again.open,
            dropped=checked.dropped + again.discarded, batch=self._batch(again.bad, again.new, again.reasons),
        )  # fmt: skip
        if not checked.ok:
            return msgspec.structs.replace(
                told, status="refused", ended=now_us(), message=_broken(checked, taken.reasons)
            )
        return self._versioned(told, taken, again, inputs)

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        """What DuckDB cannot begin to execute is a step that is written wrongly."""
        try:
            yield
        except duck.errors() as error:
            if not isinstance(self._made, Step):
                raise
            read = self._made.inputs
            raise ConfigError(
                f"The step {self._source.name!r} cannot be executed: {str(error).strip().splitlines()[0]}",
                hint=f"It reads {', '.join(read)}; `nbops.dataset(NAME).snapshot().columns` tells the columns."
                if read
                else "It reads no source; a table of a WITH hides the source that has its name.",
            ) from error

    def _versioned(self, told: Collect, taken: Taken, again: Again, inputs: Mapping[str, Snapshot]) -> Collect:
        """What was taken as the next version, unless it is what there is already."""
        mark, last = self._watermark, self.last
        new = [NewFile(taken.good, taken.total, taken.first, taken.last)] if taken.good else []
        new += [again.good] if again.good else []
        together = mark.joined(last, new, taken.columns, self._source.key, self._folder)
        total = parts.total_of(together)
        columns = parts.columns_of(self._store, together) if mark.by and together else taken.columns
        digest = content_hash(families(columns), total)
        told = msgspec.structs.replace(told, ended=now_us())
        if last is not None and digest == last.content_hash and not last.removed:
            return msgspec.structs.replace(told, status="unchanged")
        same = snapshots.with_content(self._store, self._source.name, digest)
        snapshot = NewSnapshot(
            content_hash=digest, rows=total.rows, columns=same.columns if same else columns,
            parts=list(same.parts) if same else parts.keep(self._store, together), parent=last.version if last else None,
            profile=self._profile(together),
            watermark=mark.after(last, new), inputs={called: found.version for called, found in inputs.items()},
        )  # fmt: skip
        return msgspec.structs.replace(told, status="taken", snapshot=snapshot)

    def _profile(self, new: Sequence[Part | NewFile]) -> str | None:
        self._told("profile", 0)
        return parts.profile_of(self._store, self.last, new, self._memory_limit)

    def _distances(self, good: Path | None) -> dict[str, float] | None:
        """How far from the last version the values lie that rules of distribution ask about, beyond what chance explains."""
        wanted = [rule.column for rule in self._contract.rules if isinstance(rule, Distribution)]
        if good is None:
            return None
        if not wanted or self.last is None:
            return {}
        before = self.last.profile()
        now = profiled(str(good), like=before, memory_limit=self._memory_limit)
        found = {column: beyond_chance(before[column], now[column]) for column in wanted if column in before.columns}
        return {column: distance for column, distance in found.items() if distance is not None}

    def _compiled(self, relation: Relation) -> Compiled:
        source, last, mark = self._source, self.last, self._watermark
        free_of_ours(relation.columns)
        if mark.by and mark.by not in relation.columns:
            raise ConfigError(
                f"{source.name!r} is appended by {mark.by!r}, which is no column of it.",
                hint=f"There are {', '.join(relation.columns)}.",
            )
        if absent := [column for column in (*source.key, source.order) if column and column not in relation.columns]:
            raise ConfigError(
                f"The key or order of {source.name!r} names {absent[0]!r}, which is no column of it.",
                hint=f"There are {', '.join(relation.columns)}.",
            )
        contract = self._contract
        if mark.by and not any(isinstance(rule, NotNull) and rule.column == mark.by for rule in contract.rules):
            contract = msgspec.structs.replace(contract, rules=(*contract.rules, NotNull(column=mark.by)))
        return Compiled(
            contract, relation.sql, relation.columns, where=mark.where(contract),
            dedup=Dedup(source.key, source.order) if source.dedup else None,
            known=last.sql() if mark.by and last is not None and last.parts else "", replaces=source.key if mark.by else (),
        )  # fmt: skip

    def _batch(self, bad: Path | None, rows: int, reasons: Mapping[str, int]) -> NewBatch | None:
        """What was set aside, unless it is what the last batch holds already."""
        self.reasons = reasons
        if bad is None or not rows:
            return None
        blob = self._store.put_blob(bad)
        found = self._store.read(
            "select sha256 from quarantine where source = ? and open > 0 order by time desc limit 1",
            [self._source.name],
        ).rows
        if found and found[0][0] == blob.sha256:
            return None
        return NewBatch(sha256=blob.sha256, rows=rows, whole=not self._watermark.by, reasons=dict(reasons))

    def _seen(self, request: Collect) -> Origin | None:
        """Where the last version came from, if it was judged by the same contract."""
        told = self._before(request)
        if told is None or self.last is None:
            return None
        try:
            return msgspec.json.decode(told, type=Origin)
        except msgspec.ValidationError:  # it was a step then
            return None

    def _before(self, request: Collect) -> str | None:
        """The origin of the last version, if it was judged by the same contract and the same keys of others."""
        digest = hashlib.sha256(request.contract.encode()).hexdigest() if request.contract else None
        found = self._store.read(
            """
            select origin, contract, seq from collections
            where source = ? and how = 'collected' and status in ('taken', 'unchanged') order by seq desc limit 1
            """,
            [self._source.name],
        ).rows
        if not found or not found[0][0] or found[0][1] != digest or self._keys_changed(found[0][2]):
            return None
        return str(found[0][0])

    def _keys_changed(self, seq: int) -> bool:
        """Whether there are new versions of what foreign keys name."""
        wanted = [rule.references for rule in self._contract.rules if isinstance(rule, ForeignKey)]
        newer = "select 1 from collections where version is not null and seq > ? and list_contains(?, source) limit 1"
        return bool(wanted and self._store.read(newer, [seq, wanted]).rows)

    def _told(self, what: str, count: int) -> None:
        if self._progress is not None:
            self._progress(what, count)


def _broken(checked: Checked, reasons: Mapping[str, int]) -> str:
    """Why nothing of what came is taken; where no row is left, by what the rows were set aside."""
    broken = [one.sentence for one in checked.judged if one.outcome == "failed"]
    if checked.emptied:
        commonest = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
        told = [
            f"{rows:,} {'breaks' if rows == 1 else 'break'} “{reason}”" for reason, rows in commonest[:_MOST_REASONS]
        ]
        more = len(commonest) - len(told)
        told += [f"and {values.counted(more, 'reason')} more"] if more else []
        broken.insert(0, f"no row is left of {checked.rows:,} that came, {', '.join(told)}")
    return f"The contract is broken: {'; '.join(broken)}."


def _shown(made: Source | Step) -> str:
    """The declaration as it is kept: without what was given in this process, and with the names of secrets only."""
    source = declared.source_of(made)
    plain = msgspec.to_builtins(msgspec.structs.replace(source, given=None), enc_hook=str)
    return msgspec.json.encode(
        {**plain, "from": shown(source.address), **({"sql": made.sql} if isinstance(made, Step) else {})}
    ).decode()


@contextlib.contextmanager
def staging(store: Store, name: str) -> Iterator[Path]:
    """The source's own folder, while nobody else collects it; what a killed collection wrote is gone from it. Raises NotFound."""
    if not is_name(name):
        raise NotFound(
            f"{name!r} cannot be the name of a source.", hint="`nbops data list` shows those that there are."
        )
    folder = store.places.folder / "staging"
    make_folder(folder)
    # No source is called so.
    lock = open_file(folder / f".{name}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mine = folder / name
        shutil.rmtree(mine / "work", ignore_errors=True)
        make_folder(mine / "work")
        yield mine
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder / name / "work", ignore_errors=True)
        os.close(lock)
