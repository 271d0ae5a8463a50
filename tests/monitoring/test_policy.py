"""A person who does not program can read and change how a model is monitored, and is told where they mistyped."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nbops.errors import ConfigError
from nbops.monitoring import policy_yaml, windows
from nbops.monitoring.policy import (
    DAY,
    SEVERITIES,
    MonitorPolicy,
    Notify,
    OpenAfter,
    Performance,
    Retrain,
    Season,
    Severities,
)

LEVELS = st.sampled_from(SEVERITIES)
NAMES = st.text(min_size=1, max_size=12).filter(str.strip)
POLICIES = st.builds(
    MonitorPolicy,
    window=st.sampled_from(["day", "week", "month"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
    slices=st.lists(NAMES, max_size=3).map(tuple),
    estimate=st.booleans(),
    close_after=st.integers(1, 10),
    open_after=st.builds(OpenAfter, odd=st.integers(1, 3), of=st.integers(3, 5)),
    performance=st.builds(Performance, metric=st.none() | NAMES, limit=st.none() | st.floats(-1e300, 1e300)),
    severities=st.builds(Severities, drift=LEVELS, data=LEVELS),
    notify=st.builds(Notify, page=st.lists(NAMES, max_size=3).map(tuple)),
    seasons=st.lists(
        st.builds(Season, start=st.sampled_from(["12-20", "02-29"]), until=st.just("01-06"), reason=NAMES), max_size=2
    ).map(tuple),
    retrain=st.builds(Retrain, notebook=st.none() | NAMES, cooldown=st.integers(DAY, 10**9), every=st.none() | st.just(90 * DAY)),
)  # fmt: skip


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=POLICIES)
@example(policy=MonitorPolicy(baseline="2026-03-02"))
@example(
    policy=MonitorPolicy(
        slices=("no", "12-20", "1e3", "a: b # c", "'", "\u2028", "À;\x85", "\x85", "a\x85b", "\x9f$\x95", "日本")
    )
)
def test_what_is_printed_is_read_back(tmp_path: Path, policy: MonitorPolicy) -> None:
    assert policy_yaml.read(written(tmp_path, policy_yaml.text(policy, "as ann said"))) == policy
    assert policy_yaml.read(msgspec.to_builtins(policy)) == policy
    assert policy_yaml.changes(policy, policy) == []


def fields(kind: type[msgspec.Struct], place: str = "") -> list[str]:
    found = []
    for one in msgspec.structs.fields(kind):
        name = f"{place}{one.encode_name}"
        inner = {"seasons": Season}.get(name) or (one.type if isinstance(one.type, type) else None)
        found.append(name)
        if name != "open_after" and inner is not None and issubclass(inner, msgspec.Struct):
            found += fields(inner, f"{name}.")
    return found


def test_every_key_has_its_word_and_stands_in_what_is_printed() -> None:
    assert list(policy_yaml.KEYS) == fields(MonitorPolicy)
    printed = policy_yaml.text(MonitorPolicy())
    named = re.findall(r"(?:^ *# .*\n)+^ *(\w+):", printed, re.MULTILINE)
    assert named == [key.rpartition(".")[2] for key in policy_yaml.KEYS if not key.startswith("seasons.")]
    assert max(map(len, printed.splitlines())) <= 102


def test_what_is_not_said_is_the_default(tmp_path: Path) -> None:
    text = "window: day\nretrain:\n  notebook: train.ipynb\n  cooldown: 2w\nopen_after: 3 of 4\nwarmup:\n"
    found = policy_yaml.read(written(tmp_path, text))
    assert policy_yaml.changes(MonitorPolicy(), found) == [
        "window: week -> day", "open_after: 2 of 3 -> 3 of 4", "retrain.notebook: null -> train.ipynb",
        "retrain.cooldown: 28d -> 14d",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("\nwindw: day", "line 2: windw is not known", "Did you mean 'window'?"),
        ("warmup:\n\n  row: 3", "line 3: warmup.row is not known", "Did you mean 'rows'?"),
        ("drift: {effect: 0.2}\nsee: 1", "line 2: see is not known", "Known: window, timezone"),
        ("window: weekly", "window has to be one of day, week, month", "`window`: The stretch"),
        ("severities:\n  drift: bad", "line 2: severities.drift has to be one of info, watch, warn, page", "moved"),
        ("warmup: {rows: many}", "warmup.rows does not fit: expected a whole number, got a text", "least rows"),
        ("warmup: {rows: 1e30}", "warmup.rows does not fit", "least rows"),
        ("warmup: {rows: 99999999999999999999999}", "warmup.rows does not fit", "least rows"),
        ("warmup: 3", "line 1: warmup holds keys of its own, and not 3", "nothing is judged"),
        ("drift: {effect: .nan}", "drift.effect does not fit", "population stability"),
        ("drift: {effect: .inf}", "drift.effect has to be a number", "population stability"),
        ("drift: {p: 1}", "drift.p does not fit", "unlikely"),
        ("drift: {columns: some}", "drift.columns is neither all nor a list", "such as [distance, carrier]"),
        ("drift: {columns: []}", "drift.columns is empty", "columns: all"),
        ("slices: [no]", "slices does not fit: expected a text, got true or false", "looked at apart"),
        ("performance: {worse_than: 0.9}", "performance.worse_than does not fit", "1.25 is a quarter worse"),
        ("performance: {worse_than: null}", "neither worse_than nor limit", "worse_than: 1.25"),
        ("performance: {limit: .inf}", "performance.limit has to be a number", "no limit"),
        ("open_after: twice", "open_after is 'twice'", "2 of 3"),
        ("open_after: 3 of 2", "open_after asks for more odd windows than it looks at", "2 of 3"),
        ("close_after: 0", "close_after does not fit: expected a whole number >= 1", "so many good windows"),
        ("timezone: Europe/Berln", "timezone is 'Europe/Berln', which is none", "'Europe/Berlin'"),
        ("baseline: 2026-03-03", "baseline is 2026-03-03, on which no week begins", "2026-03-02 does."),
        ("baseline: last", "baseline is 'last'", "reference (what the version"),
        ("notify: {page: [' ']}", "notify.page names nobody", "mail address"),
        ("retrain:\n  cooldown: soon", "line 2: retrain.cooldown is 'soon', which is no span", "28d"),
        ("retrain: {cooldown: 1h}", "retrain.cooldown does not fit", "least time"),
        ("seasons:\n- {from: 12-20, until: 01-06, reason: ' '}", "line 2: seasons.reason is empty", "Say what"),
        ("seasons:\n- from: 2026-02-30\n  until: 2026-03-01\n  reason: x", "line 2: seasons is wrong", "12-20"),
        ("seasons:\n- {from: 2026-03-02, until: 2026-03-01, reason: x}", "before it begins", "Exchange"),
        ("seasons:\n- {from: 12-20, until: 2026-01-06, reason: x}", "'12-20' is no day", "12-20 for every year"),
        ("seasons: [{until: 01-06}]", "line 1: seasons does not fit: object missing", "expected"),
        ("seasons: soon", "seasons does not fit: expected a list, got a text", "Days on which"),
        ("close_after: 1\nclose_after: 2", "line 2: 'close_after' stands in line 1 already", "Take one"),
        ("window: [day", "line 1: this is no YAML", "A key, a colon"),
        ("\twindow: day", "line 1: this is no YAML", "A key, a colon"),
        ("!!python/object/apply:os.system [ls]", "this is no YAML", "A key, a colon"),
        ("- window", "holds no policy", "nbops monitor policy"),
        ("", "holds no policy", "nbops monitor policy"),
        ("a: &a [1, 1]\nb: &b [*a, *a]", "line 2: `*a` refers to another place", "Write it out"),
        ("slices: " + "[" * 5000, "line 1: too deep", "No key"),
        ("#" * 65_000, "more than 64,000 characters", "nbops monitor policy"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_with_its_line(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        policy_yaml.read(written(tmp_path, text))
    assert message in refused.value.message
    assert "policy.yaml" in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize("made", [b"\xff\xfe", None])
def test_what_cannot_be_read_is_told(tmp_path: Path, made: bytes | None) -> None:
    path = tmp_path / "policy.yaml"
    if made:
        path.write_bytes(made)
    else:
        path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        policy_yaml.read(path)
    with pytest.raises(ConfigError, match="There is no policy"):
        policy_yaml.read(tmp_path / "other.yaml")


def test_a_dict_is_refused_alike() -> None:
    with pytest.raises(ConfigError, match=r"In the policy: drift\.effct is not known") as refused:
        policy_yaml.read({"drift": {"effct": 0.2}})
    assert refused.value.hint == "Did you mean 'effect'?"
    assert policy_yaml.read({"baseline": date(2026, 3, 2)}).baseline == "2026-03-02"


@pytest.mark.parametrize(
    ("season", "inside", "outside"),
    [
        (("12-20", "01-06"), ["2025-12-20", "2026-01-06", "2025-12-31"], ["2025-12-19", "2026-01-07", "2026-06-01"]),
        (("02-29", "03-01"), ["2026-02-28", "2028-02-29", "2026-03-01"], ["2026-02-27", "2028-02-28", "2026-03-02"]),
        (("2026-04-01", "2026-04-01"), ["2026-04-01"], ["2026-03-31", "2026-04-02", "2025-04-01"]),
    ],
)
def test_a_season_holds_its_days(season: tuple[str, str], inside: list[str], outside: list[str]) -> None:
    policy = MonitorPolicy(window="day", timezone="Europe/Berlin", seasons=(Season(*season, reason="holidays"),))
    zone = windows.zone(policy.timezone)

    def expected(day: str) -> Any:
        return policy.season(windows.of_day(date.fromisoformat(day), "day", zone))

    assert {expected(day) for day in inside} == {"holidays"}
    assert {expected(day) for day in outside} == {None}
    week = windows.containing(datetime(2026, 4, 3, tzinfo=UTC), "week", zone)
    assert policy.season(week) == ("holidays" if season[0].startswith("2026") else None)
