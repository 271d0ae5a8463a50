"""Rules are data: in order, inspectable, extended by entry points, and a bad one harms nobody."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click.testing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops import errors
from nbops.cli._base import cli
from nbops.cli._project import rules as rules_command
from nbops.data.sources.declaration import read
from nbops.data.sources.fetching import fetch
from nbops.failures import (
    EXIT_STATUSES,
    MEANINGS,
    RULES,
    Evidence,
    FailureClass,
    Fault,
    Frame,
    Rule,
    all_rules,
    classify,
    evidence_from_error,
    evidence_from_text,
)
from nbops.failures.rules import extension_rules
from tests.data.sources.server import Server, cut, file, serving, status

CLASSES = get_args(FailureClass)


def test_every_class_has_a_meaning_an_exit_status_and_rules() -> None:
    assert len(CLASSES) == 9
    assert set(MEANINGS) == set(EXIT_STATUSES) == set(CLASSES) == {rule.failure_class for rule in RULES}
    assert {*EXIT_STATUSES.values(), *(rule.exit_status for rule in RULES if rule.exit_status)} <= {
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        30,
        40,
    }


def test_rules_have_names_of_their_own_and_conditions_that_work() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert [rule.id for rule in RULES if not rule.conditions] == ["code.other"]
    for rule in RULES:
        re.compile(rule.evalue), re.compile(rule.last)
    # One that only ever matched beside an earlier one of the same name would be dead.
    assert RULES[-1].failure_class == "code_bug"


def test_what_no_rule_fits_is_a_code_bug_by_a_rule_that_says_so() -> None:
    for evidence in (Evidence(), Evidence(faults=(Fault("Whatever", "odd"),))):
        verdict = classify(evidence)
        assert (verdict.failure_class, verdict.rule, verdict.exit_status) == ("code_bug", "code.other", 25)


def test_the_first_rule_that_fits_decides() -> None:
    wide = Rule("wide", "transient", "It is late.", ename=("TooLate",))
    narrow = Rule("narrow", "timeout", "It is too late.", ename=("TooLate",), evalue="^much", exit_status=21)
    late = Evidence(faults=(Fault("TooLate", "much too late"),))
    assert classify(late, [wide, narrow]).rule == "wide"
    assert classify(late, [narrow, wide]) == classify(late, [narrow])
    assert classify(late, [narrow]).exit_status == 21
    assert classify(Evidence(faults=(Fault("TooLate", "a bit"),)), [narrow]).rule == "code.other"


ERRORS = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NbopsError)}


@pytest.mark.parametrize(
    ("kind", "failure_class", "status"),
    [
        (errors.StoreUnavailable, "transient", 40),
        (errors.StoreHeld, "transient", 40),
        (errors.StoreFull, "resource", 40),
        (errors.StoreReadOnly, "environment", 40),
        (errors.StoreVersion, "environment", 40),
        (errors.StoreCorrupt, "environment", 40),
        (errors.TrustRefused, "environment", 30),
        (errors.ModelError, "environment", 26),
        (errors.NotFound, "data_access", 20),
        (errors.SourceError, "data_access", 20),
        (errors.QueryTimeout, "timeout", 23),
        (errors.QueryError, "code_bug", 25),
        (errors.ConfigError, "code_bug", 25),
        (errors.ParameterError, "code_bug", 25),
        (errors.PathRefused, "code_bug", 25),
        (errors.Ambiguous, "code_bug", 25),
        (errors.Conflict, "code_bug", 25),
    ],
)
def test_errors_of_nbops_are_told_by_name_and_by_the_error_itself(
    kind: type[errors.NbopsError], failure_class: str, status: int
) -> None:
    error = kind("It cannot be.", hint="Do something else.")
    by_name = Evidence(faults=(Fault(kind.__name__, str(error)),))
    for verdict in (classify(by_name), classify(evidence_from_error(error))):
        assert (verdict.failure_class, verdict.exit_status) == (failure_class, status)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        made.says("/busy.csv", status(503))
        made.says("/closed.csv", status(403))
        made.says("/cut.csv", cut(b"a,b\n1,2\n" * 99, 40))
        made.says("/slow.csv", file(b"a,b\n1,2\n" * 2**15, pace=0.2))
        yield made


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ({"from": "nowhere.csv"}, "fetch.failed"),
        ({"from": "{server}/closed.csv"}, "fetch.failed"),
        ({"from": "{server}/gone.csv"}, "fetch.failed"),
        ({"from": "{server}/busy.csv"}, "fetch.busy"),
        ({"from": "{server}/cut.csv"}, "fetch.busy"),
        ({"from": "{server}/slow.csv", "within": "0.3s"}, "fetch.late"),
        ({"from": "http://127.0.0.1:1/x.csv"}, "fetch.unreachable"),
        ({"from": "https://data.invalid/x.csv"}, "fetch.unreachable"),
        ({"from": "https://data.invalid/$NBOPS_TEST_UNSET"}, "fetch.lacks"),
        ({"from": "python:nowhere.load"}, "fetch.lacks"),
        ({"from": "other.db", "table": "flights"}, "fetch.changed"),
        ({"from": "other.db", "query": "select air_time from planes"}, "fetch.changed"),
        ({"from": "latin.csv"}, "fetch.rows"),
    ],
)
def test_a_source_that_fails_is_told_by_what_its_error_says(
    told: dict[str, str], rule: str, server: Server, tmp_path: Path
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as con:
        con.execute("create table planes (tailnum text)")
    (tmp_path / "latin.csv").write_bytes("a,b\n1,é\n".encode("latin-1"))
    address = told["from"].replace("{server}", server.url(""))
    source = read({"retries": 0, "timeout": 5, **told, "from": address}, "flights")
    with pytest.raises(errors.SourceError) as failed:
        fetch(source, tmp_path / "staging", project=tmp_path)
    verdicts = [
        classify(Evidence(faults=(Fault("SourceError", str(failed.value)),))),
        classify(evidence_from_text("".join(traceback.format_exception(failed.value)))),
        classify(evidence_from_error(failed.value)),
    ]
    assert verdicts[0].rule == rule
    # The error behind it may tell more, and tells nothing else.
    assert [verdict.failure_class for verdict in verdicts] == [verdicts[0].failure_class] * 3


@pytest.mark.parametrize(
    ("message", "failure_class"),
    [
        ("'air_time' was DOUBLE until now, and is VARCHAR.", "schema_change"),
        ("flights.xlsx has no sheet '2026'.", "schema_change"),
        ('postgresql://db/x: column "air_time" does not exist at character 8.', "schema_change"),
        ("More than 100,000 lines cannot be read.", "dirty_rows"),
        ("Line 7 of flights.csv is longer than 20 MB.", "dirty_rows"),
        (r"Line 7 of flights.csv ends with \n, and those before it with \r\n.", "dirty_rows"),
        ("The disk of '/data' is full.", "resource"),
        ("PostgreSQL needs the driver adbc-driver-postgresql.", "environment"),
        ("Addresses that begin with s3:// need fsspec.", "environment"),
        ("flights.db: the query was stopped after 60 seconds.", "timeout"),
        ("flights.csv was changed while it was read.", "transient"),
        ("'flights' is being fetched into /data by another process.", "transient"),
        ("ftp://h/x.csv: it cannot be read (ConnectionRefusedError), after 3 attempts.", "data_access"),
        ("ftp://h/x.csv: it cannot be read (ConnectionResetError), after 3 attempts.", "transient"),
        ("flights.csv may not be read by you.", "data_access"),
    ],
)
def test_the_sentence_of_a_source_decides_whatever_its_hint_says(message: str, failure_class: str) -> None:
    error = errors.SourceError(message, hint="Look, after 5 attempts. The disk of it is full.")
    assert classify(evidence_from_error(error)).failure_class == failure_class


def test_an_error_of_that_name_without_a_remedy_is_somebody_elses() -> None:
    somebodys = Evidence(faults=(Fault("SourceError", "flights, after 3 attempts."),))
    assert not classify(somebodys).rule.startswith("fetch.")


def test_a_broken_contract_has_its_own_exit_status() -> None:
    verdict = classify(Evidence(faults=(Fault("ContractViolation", "3 rows"),)))
    assert (verdict.failure_class, verdict.exit_status) == ("dirty_rows", 21)


def test_a_name_that_another_library_has_too_is_not_taken_for_ours() -> None:
    assert classify(Evidence(faults=(Fault("NotFound", "no such bucket"),))).rule == "code.other"


def test_the_limit_of_time_goes_before_how_the_process_was_ended() -> None:
    assert classify(Evidence(signal=9, timed_out=True, seconds=60)).failure_class == "timeout"
    assert classify(Evidence(faults=(Fault("TimeoutError", "read"),))).failure_class == "transient"


def chain(*faults: tuple[str, str, str, bool]) -> Evidence:
    """Of (name, link, line, own) each, raised in `load` of a file of its own."""
    return Evidence(
        faults=tuple(
            Fault(ename=name, frames=(Frame("f.py", "load", line, own),), follows=link)  # type: ignore[arg-type]  # the test's own words
            for name, link, line, own in faults
        )
    )


@pytest.mark.parametrize(
    ("evidence", "rule"),
    [
        (chain(("ConnectionResetError", "", "recv()", False), ("RuntimeError", "cause", "raise RuntimeError", True)), "connection.lost"),
        (chain(("ConnectionResetError", "", "load()", True), ("RuntimeError", "context", "raise RuntimeError", True)), "connection.lost"),
        (chain(("ConnectionResetError", "", "load()", True), ("KeyError", "context", "rows[1]", True)), "code.other"),
        (chain(("ConnectionResetError", "", "load()", True), ("ValueError", "context", "raise ValueError", False)), "code.other"),
        (chain(("NameError", "", "rwos", True), ("ConnectionError", "context", "raise ConnectionError", True)), "code.slip"),
        (chain(("TypeError", "", "f()", False), ("ConnectionResetError", "context", "raise E", False)), "connection.lost"),
        (chain(("JSONDecodeError", "", "loads()", False), ("NotJSONError", "cause", "raise E", False)), "notebook.unreadable"),
        (chain(("ConnectionResetError", "", "f()", False), ("LibraryError", "context", "raise E", False)), "connection.lost"),
    ],
)  # fmt: skip
def test_the_error_of_a_chain_that_is_the_cause_decides(evidence: Evidence, rule: str) -> None:
    assert classify(evidence).rule == rule


SLIPS = [
    "NameError",
    "TypeError",
    "AttributeError",
    "AssertionError",
    "ZeroDivisionError",
    "SyntaxError",
    "RecursionError",
]
WORDS = [
    "timed out",
    "Connection reset by peer",
    "database is locked",
    "HTTP Error 503: busy",
    "[Errno 104] x",
    "Conflict",
    "429",
]


@given(st.sampled_from([*SLIPS, "KeyError", "IndexError"]), st.lists(st.sampled_from(WORDS)).map(": ".join))
def test_no_word_in_the_message_of_a_slip_makes_it_transient(ename: str, message: str) -> None:
    frame = Frame("Cell In[1]", "", "check(rows)", own=True)
    fault = Fault(ename, f"rows: {message}", frames=(frame,))
    assert classify(Evidence(faults=(fault,))).failure_class == "code_bug"


@given(
    st.sampled_from(["ValueError", "TypeError", "LookupError"]),
    st.lists(st.sampled_from([*WORDS[:4], "try again", "busy"])),
)
def test_no_word_about_an_argument_makes_it_transient(ename: str, words: list[str]) -> None:
    frame = Frame("Cell In[1]", "", "raise ValueError(why)", own=True)
    fault = Fault(ename, ": ".join(["depth", *words]), frames=(frame,))
    assert classify(Evidence(faults=(fault,))).failure_class == "code_bug"


@pytest.mark.parametrize(
    ("fault", "failure_class"),
    [
        (Fault("OSError", "[Errno 107] Transport endpoint is not connected: '/mnt/landing'", errno=107), "data_access"),
        (Fault("OSError", "[Errno 107] Transport endpoint is not connected", errno=107), "code_bug"),
        (Fault("Empty", frames=(Frame("/lib/python3.11/multiprocessing/queues.py", "get", "raise Empty", own=False),)), "code_bug"),
        (Fault("EOFError", frames=(Frame("/multiprocessing/connection.py", "_recv", "raise EOFError", own=False),)), "code_bug"),
        (Fault("ValueError", "day is out of range for month", frames=(Frame("Cell In[1]", "", "day.replace(year=y)"),)), "code_bug"),
        (Fault("ValueError", "day is out of range for month", frames=(Frame("Cell In[1]", "", "date(*row)"),)), "dirty_rows"),
    ],
)  # fmt: skip
def test_what_might_be_the_codes_own_fault_is_not_tried_again(fault: Fault, failure_class: str) -> None:
    assert classify(Evidence(faults=(fault,))).failure_class == failure_class


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ('total += row["price"]', "record.missing"),
        ('prices = [each["price"] for each in found]', "record.missing"),
        ('total += factors[row["carrier"]]', "code.other"),
        ('rate = settings["price"]', "code.other"),
    ],
)
def test_only_a_key_that_is_asked_of_a_record_is_a_field(code: str, rule: str) -> None:
    fault = Fault("KeyError", "'price'", frames=(Frame("Cell In[1]", "", code, own=True),))
    assert classify(Evidence(faults=(fault,))).rule == rule


def test_a_message_as_long_as_a_table_is_judged_by_its_beginning() -> None:
    frame = Frame("Cell In[1]", "", "raise LoadError(table)", own=True)
    long = Evidence(faults=(Fault("LoadError", "missing columns: price" + " columns rows" * 100_000, frames=(frame,)),))
    assert classify(long).rule == "columns.checked"


# Entry points


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution `surplus`; its rules are in the folder's surplus_rules.py."""
    (tmp_path / "surplus-1.dist-info").mkdir()
    (tmp_path / "surplus-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: surplus\nVersion: 1\n")
    (tmp_path / "surplus-1.dist-info" / "entry_points.txt").write_text(
        "[nbops.failure_rules]\nbad = surplus_bad:RULES\ngood = surplus_rules:RULES\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "surplus_rules.py").write_text(
        "from nbops.failures import Rule\n"
        "RULES = (Rule('surplus.quota', 'transient', 'The quota is used up.', ename=('PermissionError',), evalue='quota'),)\n"
    )
    extension_rules.cache_clear()
    yield tmp_path
    extension_rules.cache_clear()
    for name in ("surplus_rules", "surplus_bad"):
        import sys

        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nothing_like_it", "ModuleNotFoundError"),
        ("raise RuntimeError('no licence')", "no licence"),
        ("RULES = 5", "TypeError"),
        ("RULES = ['transient']", "is no rule"),
        ("from nbops.failures import Rule\nRULES = [Rule('surplus.any', 'transient', 'Any.')]", "no condition"),
        (
            "from nbops.failures import Rule\nRULES = [Rule('surplus.odd', 'transient', 'Odd.', evalue='(')]",
            "no regular expression",
        ),
    ],
)
def test_a_broken_entry_is_told_and_the_others_are_tried_before_the_built_in_rules(
    installed: Path, source: str, told: str
) -> None:
    (installed / "surplus_bad.py").write_text(source)
    with pytest.warns(UserWarning, match=rf"'bad' \(surplus_bad:RULES\) are left out.*{told}"):
        found = all_rules()
    assert [rule.id for rule in found[: -len(RULES)]] == ["surplus.quota"]
    quota = Evidence(faults=(Fault("PermissionError", "quota of requests"),))
    assert classify(quota).rule == "surplus.quota"
    assert classify(Evidence(faults=(Fault("PermissionError", "x"),))).rule == "file.missing"


# The command


def test_the_command_lists_every_rule_in_order() -> None:
    assert cli.commands["failures"].commands["rules"] is rules_command  # type: ignore[attr-defined]  # it is a group
    runner = click.testing.CliRunner()
    listed = json.loads(runner.invoke(rules_command, ["--json"]).output)
    assert [rule["id"] for rule in listed] == [rule.id for rule in all_rules()]
    assert listed[0] == {
        "id": "limit.time", "failure_class": "timeout", "why": RULES[0].why, "timed_out": True,
    }  # fmt: skip
    shown = runner.invoke(rules_command, []).output
    assert "limit.signal" in shown
    assert "signal 24|25" in shown


def test_the_page_tells_every_class_and_condition() -> None:
    page = (Path(__file__).parents[2] / "docs" / "failures.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (\d+) \|$", page, re.MULTILINE)
    assert rows == [(name, MEANINGS[name], str(EXIT_STATUSES[name])) for name in CLASSES]
    told = {"id", "failure_class", "why", "exit_status"}
    named = set(re.findall(r"`(\w+)`", page[page.index("| condition |") : page.index("`Rule(…")]))
    assert {name for name in Rule.__struct_fields__ if name not in told} <= named
