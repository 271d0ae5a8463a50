"""The documentation names everything that there is: a command, setting, event, error, exit status or view that it lacks fails here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import yaml

from nbops import config, duck, errors, events
from nbops.cli import cli, load_commands
from nbops.data import spans
from nbops.evaluation import policy as gate
from nbops.jupyter_ext.handlers import ACTIONS
from nbops.jupyter_ext.routes import ROUTES
from nbops.monitoring import policy_yaml
from nbops.monitoring.policy import MonitorPolicy
from nbops.promotion import policy as policies
from nbops.records import Record
from nbops.registry import card
from nbops.store.database import migrations

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
OPTIONS = {"--help", "--version", "--project"}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join(("nbops", *path, name)), command


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## ", (DOCS / page).read_text(), flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: part for part in parts}


def test_every_command_and_each_of_its_options_has_its_place() -> None:
    load_commands()
    told = sections("commands.md")
    found = dict(commands(cli))
    named = {re.match(r"nbops( [a-z-]+)+", title)[0]: text for title, text in told.items()}  # type: ignore[index]  # each begins so
    assert set(named) == set(found)
    for name, command in found.items():
        for option in command.params:
            if isinstance(option, click.Option):
                assert f"`{option.opts[-1]}`" in named[name], f"{name} {option.opts}"


@pytest.mark.parametrize("key", config.KEYS)
def test_every_setting_is_told_with_its_default(key: str) -> None:
    default = config.KEYS[key]
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    assert re.search(
        rf"^\| `{re.escape(key)}` \| `{re.escape(shown)}` \|", (DOCS / "settings.md").read_text(), re.MULTILINE
    )


def test_every_error_code_is_told_with_its_statuses() -> None:
    rows = re.findall(r"^\| `([a-z.-]+)` \| (\d+) \| (\d+) \|", (DOCS / "errors.md").read_text(), re.MULTILINE)
    assert {code: errors.Exit(int(status), int(http)) for code, status, http in rows} == errors.EXITS


def test_every_exit_status_is_told() -> None:
    told = {int(number) for number in re.findall(r"^\| (\d+) \| ", (DOCS / "errors.md").read_text(), re.MULTILINE)}
    assert {found.status for found in errors.EXITS.values()} <= told


def test_every_route_is_told_with_its_action() -> None:
    rows = re.findall(r"^\| `(GET|POST) ([\w/]+)` \| (\w+) \|", (DOCS / "jupyterlab.md").read_text(), re.MULTILINE)
    names = {r"([0-9a-f-]{36})": "ID", "([^/]+)": "NAME"}
    found = []
    for route in ROUTES:
        path = route.path
        for pattern, name in names.items():
            path = path.replace(pattern, name)
        found.append((route.method, path, ACTIONS[route.role]))
    assert rows == found


def test_every_event_is_told() -> None:
    told = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \| [A-Z]", (DOCS / "errors.md").read_text(), re.MULTILINE))
    assert {str(event.__struct_config__.tag) for event in events.EVENTS} == told


def test_every_view_is_told_with_its_columns_and_types() -> None:
    con = duck.scratch()
    for _, sql in migrations():
        con.execute(sql)
    views = [
        row[0]
        for row in duck.rows(con, "select view_name from duckdb_views() where not internal and schema_name = 'main'")
    ]
    told = sections("views.md")
    assert set(told) == set(views)
    for view in views:
        columns = duck.rows(
            con,
            "select column_name, lower(data_type) from duckdb_columns()"
            " where schema_name = 'main' and table_name = ? order by column_index",
            [view],
        )
        assert re.findall(r"^\| `([a-z_0-9]+)` \| (.+) \|$", told[view], re.MULTILINE) == columns


def test_every_key_of_a_policy_is_told_with_its_default() -> None:
    kinds: dict[str, type[Record]] = {
        "": gate.Policy, "limits.NAME.": gate.Limit, "slices.": gate.SlicesPolicy, "calibration.": gate.CalibrationPolicy,
    }  # fmt: skip
    found = {f"{place}{one.name}": one.default for place, kind in kinds.items() for one in msgspec.structs.fields(kind)}
    found |= {one.name: one.default for one in msgspec.structs.fields(card.Policy)}
    nothing = (None, "", msgspec.NODEFAULT)
    rows = re.findall(r"^\| `([\w.]+)` \| (\S+) \| ", sections("models.md")["The policy"], re.MULTILINE)
    told: dict[str, Any] = {key: None if text == "–" else yaml.safe_load(text.strip("`")) for key, text in rows}
    told["protected"], told["open_for"] = tuple(told["protected"]), spans.seconds(told["open_for"])
    assert told == {key: None if default in nothing else default for key, default in found.items()}
    assert len(told) == len(rows)


def test_the_policy_that_is_shown_can_be_read() -> None:
    example = re.findall(r"```yaml\n(.*?)```", sections("models.md")["The policy"], re.DOTALL)
    own, asked = policies.read(yaml.safe_load(example[0]))
    assert (own.approvers, own.author_may_approve, own.open_for) == (2, False, 7 * 86_400)
    assert asked.keys() <= {one.name for one in msgspec.structs.fields(gate.Policy)}


def test_every_key_of_a_monitoring_policy_is_told_with_its_default_and_what_it_means() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \| (.+) \|$", sections("incidents.md")["The policy"], re.MULTILINE)
    printed = policy_yaml.text(MonitorPolicy())
    assert [key for key, _, _ in rows] == list(policy_yaml.KEYS)
    for key, default, meaning in rows:
        assert meaning.replace("`", "").casefold() == policy_yaml.KEYS[key].replace("`", "").casefold()
        if default != "–":
            assert f"{key.rpartition('.')[2]}: {default.strip('`')}\n" in printed


def test_the_monitoring_policy_that_is_shown_can_be_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", sections("incidents.md")["The policy"], re.DOTALL)
    (tmp_path / "policy.yaml").write_text(example, encoding="utf-8")
    found = policy_yaml.read(tmp_path / "policy.yaml")
    assert (found.performance.limit, found.notify.page) == (12, ("operators", "planning@example.org"))


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
