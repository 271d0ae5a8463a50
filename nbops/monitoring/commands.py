"""What the owner does about monitoring: keeps what was seen, and in the same transaction what comes of it for incidents and people."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from nbops.errors import Conflict, NotFound, UsageError
from nbops.events import IncidentActed, MonitoringChanged
from nbops.monitoring import telling, windows
from nbops.monitoring.policy import SEVERITIES, MonitorPolicy, Severity, by_default, worst
from nbops.monitoring.reconciling import Act, Stored, reconcile
from nbops.monitoring.requests import ActOnIncident, Change, Deed, KeepSignals, SetMonitorPolicy, Verb
from nbops.monitoring.shadows import PRESENT, REIGNED, without
from nbops.monitoring.signals import DECIDED, Closing, Signal, standing
from nbops.monitoring.telling import Notice, Standby
from nbops.notify import outbox
from nbops.records import Record, at, new_id
from nbops.registry import aliases
from nbops.store import witness
from nbops.store.commands import Bulk, Transaction, command

_SIGNALS = Bulk.into(
    "core.signals", subject="varchar", version="integer", cause="varchar", kind="varchar", item="varchar", state="varchar",
    severity="varchar", sentence="varchar", window_start="us", window_end="us", batch="bigint", time="us", actor="varchar", seq="bigint",
)  # fmt: skip
_SEEN = """
select cause, kind, state, severity, sentence, epoch_us(window_start), epoch_us(window_end), item, version
from main.signals where subject = ?
"""
_VERBS: dict[Deed, Verb] = {
    "acknowledge": "acknowledged", "comment": "commented", "mute": "muted", "unmute": "unmuted", "close": "closed"
}  # fmt: skip
_CHAMPION = "champion"


class _Incident(Record):
    """An incident and how it stands; times in UTC microseconds."""

    incident_id: str
    subject: str
    cause: str
    status: str
    severity: Severity
    last: int
    acknowledged_by: str | None
    muted_until: int | None


@command(SetMonitorPolicy)
def setpolicy_of(tx: Transaction, request: SetMonitorPolicy) -> int:
    """Keep a policy, unless it is in force already."""
    tx.personal(f"To change how {request.model} is monitored")
    aliases.known_model(tx, request.model)
    windows.zone(request.policy.timezone)
    text = msgspec.json.encode(request.policy).decode()
    before = tx.rows("select policy from core.monitor_policies where model = ? order by seq", request.model)
    if before and before[-1][0] == text:
        return len(before)
    tx.run(
        "insert into core.monitor_policies values (?, ?, ?, make_timestamp(?), ?, ?)",
        request.model, text, request.why, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, monitor_policies=tx.seq)
    tx.event(MonitoringChanged(subject=f"model:{request.model}", policy=text, why=request.why, rows=put))
    return len(before) + 1


@command(KeepSignals)
def keep(tx: Transaction, request: KeepSignals) -> list[Change]:
    """Keep what was seen, and judge each cause that it says something of, or said something of before."""
    subject = request.subject
    model = subject.removeprefix("model:")
    if model != subject:
        aliases.known_model(tx, model)
    elif not subject.startswith("pipeline:"):
        raise UsageError(f"{subject!r} cannot be monitored.", hint="Such as model:air-time or pipeline:nightly.")
    wrong = next((one for one in request.signals if one.until <= one.start), None)
    if wrong is not None or not request.signals:
        told = (
            f"A window from {at(wrong.start)} until {at(wrong.until)} holds nothing." if wrong else "Nothing was seen."
        )
        raise UsageError(told, hint="Say of all that was looked at how it was, in windows that end after they begin.")
    policy = policy_of(tx, subject)
    causes = _put(tx, subject, request.signals)
    shadows = tx.rows(PRESENT, subject), [row[0] for row in tx.rows(REIGNED, model)]
    return [change for cause in sorted(causes) for change in _judge(tx, policy, subject, cause, *shadows)]


@command(ActOnIncident)
def act_on(tx: Transaction, request: ActOnIncident) -> bool:
    """Do what a person asks for."""
    if request.deed != "comment":
        tx.personal(f"To {request.deed} an incident")
    found = _incident(tx, request.incident_id)
    text = request.text.strip()
    if not text and request.deed in {"comment", "mute", "close"}:
        raise UsageError(f"To {request.deed} needs words.", hint="Say why, for those who read it later.")
    if found.status != "open" and request.deed != "comment":
        raise Conflict(
            f"The incident is {found.status}.", hint="There is nothing left to do; a comment is still welcome."
        )
    if request.deed == "mute" and (request.until is None or request.until <= tx.time):
        raise UsageError("A mute needs an end that is still to come.", hint="Such as --until 2026-12-31.")
    if request.deed == "acknowledge" and found.acknowledged_by == tx.actor.name:
        return False
    if request.deed == "unmute" and found.muted_until is None:
        return False
    until = request.until if request.deed == "mute" else None
    window = _judged(tx, found) if request.deed == "close" else None
    heard = _heard(tx, found.incident_id) if request.deed == "close" else []
    _record(
        tx, found, _VERBS[request.deed], found.severity, text, window=window, until=until, told=worst(heard) if heard else None
    )  # fmt: skip
    if heard:
        title, lines = telling.closing(found.incident_id, found.subject, found.cause, tx.actor.name, text)
        outbox.put(tx, "incident closed", found.subject, _whom(policy_of(tx, found.subject), heard), title, *lines)
    return True


def policy_of(tx: Transaction, subject: str) -> MonitorPolicy:
    """The policy in force; pipelines have the one that holds for them when nothing is said."""
    found = tx.rows(
        "select policy from core.monitor_policies where model = ? order by seq desc limit 1",
        subject.removeprefix("model:"),
    )
    return msgspec.json.decode(found[0][0], type=MonitorPolicy) if found else by_default(subject)


def _put(tx: Transaction, subject: str, signals: Sequence[Signal]) -> set[str]:
    """Keep each window of a version that is not known just so; gives the causes that are, or were, spoken of."""
    starts = list({one.start for one in signals})
    sql = f"{_SEEN} and list_contains(?::bigint[], epoch_us(window_start))"
    known = _by_window(Signal(*row) for row in tx.rows(sql, subject, starts))
    causes = {one.cause for one in signals}
    for window, told in _by_window(signals).items():
        before = known.get(window, [])
        causes |= {one.cause for one in before}
        if {*before} == {*told}:
            continue
        batch = tx.next_seq()
        for one in dict.fromkeys(told):
            tx.add(
                _SIGNALS, subject, one.version, one.cause, one.kind, one.item, one.state, one.severity, one.sentence, one.start,
                one.until, batch, tx.time, tx.actor.name, tx.next_seq(),
            )  # fmt: skip
    return causes


def _by_window(signals: Iterable[Signal]) -> dict[tuple[int | None, int], list[Signal]]:
    found: dict[tuple[int | None, int], list[Signal]] = {}
    for one in signals:
        found.setdefault((one.version, one.start), []).append(one)
    return found


def _judge(
    tx: Transaction, policy: MonitorPolicy, subject: str, cause: str, present: list[Any], reigned: list[int]
) -> list[Change]:
    """Bring the incidents of a cause in line with all that is known of it."""
    known = [Signal(*row) for row in tx.rows(f"{_SEEN} and cause = ?", subject, cause)]
    signals = without(known, present, reigned)
    stored, closings = _stored(tx, subject, cause)
    acts = reconcile(standing(policy, signals, closings), stored, tx.time, new_id)
    for act in acts:
        _do(tx, policy, subject, cause, act)
    return [Change(act.incident_id, cause, act.act, act.severity, act.start, act.told) for act in acts]


def _stored(tx: Transaction, subject: str, cause: str) -> tuple[list[Stored], list[Closing]]:
    """The incidents of a cause, oldest first, and where people closed them."""
    rows = tx.rows(
        """
        select a.incident_id::varchar, a.act, a.severity, epoch_us(a.window_start), epoch_us(a.until), a.told
        from core.incident_acts a join core.incidents i on i.incident_id = a.incident_id
        where i.subject = ? and i.cause = ? order by i.seq, a.seq
        """,
        subject, cause,
    )  # fmt: skip
    found, closings = list[Stored](), list[Closing]()
    for incident_id, group in itertools.groupby(rows, key=lambda row: row[0]):
        acts = [row[1:] for row in group]
        ended = next((row for row in acts if row[0] in {"closed", "healed"}), None)
        closings += [Closing(row[2]) for row in acts if row[0] == "closed"]
        heard = [row[4] for row in acts if row[4] is not None]
        one = Stored(
            incident_id=incident_id,
            opened=next(row[2] for row in acts if row[0] == "opened"),
            severity=[row[1] for row in acts if row[0] in {"opened", "raised", "lowered"}][-1],
            seen=tuple(sorted(row[2] for row in acts if row[0] in {"opened", "seen"})),
            closed=ended[2] if ended else None,
            told=worst(heard) if heard else None,
            muted_until=next((row[3] for row in reversed(acts) if row[0] in {"muted", "unmuted"}), None),
        )
        found.append(one)
    return found, closings


def _do(tx: Transaction, policy: MonitorPolicy, subject: str, cause: str, act: Act) -> None:
    """Keep an act, and tell of it."""
    episode, opens = act.episode, act.act == "opened"
    if opens and episode is not None:
        tx.run(
            "insert into core.incidents values (?, ?, ?, ?, ?, make_timestamp(?), ?, ?)",
            act.incident_id, subject, cause, episode.kind, episode.version, tx.time, tx.actor.name, tx.next_seq(),
        )  # fmt: skip
    heard = _heard(tx, act.incident_id)
    opened = tx.seq if opens else None
    found = _Incident(act.incident_id, subject, cause, "open", act.severity, act.start, None, None)
    _record(tx, found, act.act, act.severity, act.text, window=act.start, told=act.told, opened=opened)
    if act.told is None:
        return
    if act.act == "healed":
        title, lines = telling.closing(act.incident_id, subject, cause, None, act.text)
        outbox.put(tx, "incident closed", subject, _whom(policy, heard), title, *lines)
    elif episode is not None:
        change = "raised" if heard else "opened"
        notice = Notice(act.incident_id, subject, act.told, change, episode, _standby(tx, subject))  # type: ignore[arg-type]  # one of them
        title, lines = telling.message(notice, windows.zone(policy.timezone), at(tx.time))
        outbox.put(tx, f"incident {change}", subject, _whom(policy, [act.told]), title, *lines)


def _record(  # noqa: PLR0913 - a column each
    tx: Transaction,
    found: _Incident,
    verb: Verb,
    severity: Severity,
    text: str,
    *,
    window: int | None = None,
    until: int | None = None,
    told: Severity | None = None,
    opened: int | None = None,
) -> None:
    """Put an act with its event; `opened` is the sequence of the incident's own row, if that is new."""
    tx.run(
        "insert into core.incident_acts values (?, ?, ?, ?, make_timestamp(?), make_timestamp(?), ?, make_timestamp(?), ?, ?)",
        found.incident_id, verb, severity, text, window, until, told, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, incident_acts=tx.seq, **({"incidents": opened} if opened else {}))
    event = IncidentActed(
        subject=found.subject, incident_id=found.incident_id, cause=found.cause, act=verb, severity=severity, text=text,
        window=window, until=until, rows=put,
    )  # fmt: skip
    tx.event(event)


def _incident(tx: Transaction, incident_id: str) -> _Incident:
    found = tx.rows(
        """
        select incident_id::varchar, subject, cause, status, severity, epoch_us(last_window), acknowledged_by, epoch_us(muted_until)
        from main.incidents where incident_id = ?
        """,
        incident_id,
    )  # fmt: skip
    if not found:
        raise NotFound(f"There is no incident {incident_id}.", hint="`nbops incidents list` shows those that are open.")
    return _Incident(*found[0])


def _judged(tx: Transaction, found: _Incident) -> int:
    """The last window of the cause that was judged: what a person who closes it could know."""
    sql = "select max(epoch_us(window_start)) from main.signals where subject = ? and cause = ? and list_contains(?, state)"
    return max(tx.rows(sql, found.subject, found.cause, list(DECIDED))[0][0] or 0, found.last)


def _heard(tx: Transaction, incident_id: str) -> list[Severity]:
    """At which severities people heard of an incident."""
    sql = "select distinct told from core.incident_acts where incident_id = ? and told is not null"
    return [row[0] for row in tx.rows(sql, incident_id)]


def _whom(policy: MonitorPolicy, heard: Iterable[Severity]) -> list[str]:
    return [name for level in sorted(heard, key=SEVERITIES.index) for name in getattr(policy.notify, level)]


def _standby(tx: Transaction, subject: str) -> Standby:
    """Who answers now, and who would after a rollback, as the owner would choose."""
    model = subject.removeprefix("model:")
    champion = aliases.holder(tx, model, _CHAMPION) if model != subject else None
    if champion is None:
        return Standby()
    protected = _CHAMPION in aliases.policy_for(tx, model, {tx.actor.name}).protected
    return Standby(champion, aliases.fit_to_return(tx, model, _CHAMPION, protected=protected))
