"""Settings: found from anywhere inside a project, taken from files, the environment and arguments, and refused with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops import config
from nbops.config import KEYS, Settings, find_project, settings
from nbops.errors import ConfigError


def at(folder: Path, **environ: str) -> Settings:
    return settings(folder, environ=environ)


def test_without_any_file_every_setting_has_its_default(tmp_path: Path) -> None:
    made = at(tmp_path)
    assert {
        key: getattr(getattr(made, section), name) for key in KEYS for section, _, name in [key.partition(".")]
    } == KEYS
    assert made.folder == tmp_path / ".nbops"
    assert not made.folder.exists()


def test_files_then_environment_decide_and_the_origin_is_kept(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.nbops.store]\ntimeout = 1\nthreads = 3\n[tool.nbops.sql]\ntimeout = 4\n"
    )
    (tmp_path / "nbops.toml").write_text("[store]\ntimeout = 2.5\n")
    made = at(tmp_path, NBOPS_SQL_TIMEOUT="5")
    assert (made.store.timeout, made.store.threads, made.sql.timeout) == (2.5, 3, 5.0)
    assert {key: made.origins[key] for key in ("store.timeout", "store.threads", "sql.timeout")} == {
        "store.timeout": "nbops.toml",
        "store.threads": "pyproject.toml",
        "sql.timeout": "NBOPS_SQL_TIMEOUT",
    }


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("NBOPS_STORE_IDLE_MINUTES", "0.1", "idle_minutes", 0.1),
        ("NBOPS_STORE_THREADS", "4", "threads", 4),
        ("NBOPS_STORE_ALLOW_NETWORK_FS", "true", "allow_network_fs", True),
        ("NBOPS_STORE_ALLOW_NETWORK_FS", "0", "allow_network_fs", False),
        ("NBOPS_STORE_MEMORY_LIMIT", "2GB", "memory_limit", "2GB"),
        ("NBOPS_TRANSPORT", "tcp", "transport", "tcp"),
        ("NBOPS_STORE_TRANSPORT", "tcp", "transport", "tcp"),
    ],
)
def test_the_environment_spells_numbers_and_truth_as_text(
    tmp_path: Path, name: str, text: str, key: str, value: object
) -> None:
    assert getattr(at(tmp_path, **{name: text}).store, key) == value


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("NBOPS_STORE_THREADS", "many", "store.threads = 'many' in NBOPS_STORE_THREADS"),
        ("NBOPS_STORE_TIMEOUT", "soon", "store.timeout = 'soon'"),
        ("NBOPS_STORE_TIMEOUT", "nan", "store.timeout = 'nan'"),
        ("NBOPS_STORE_IDLE_MINUTES", "-1", "store.idle_minutes = '-1'"),
        ("NBOPS_STORE_THREADS", "0", "store.threads = '0'"),
        ("NBOPS_SQL_MAX_ROWS", "0", "sql.max_rows = '0'"),
        ("NBOPS_TRANSPORT", "pigeon", "store.transport = 'pigeon' in NBOPS_TRANSPORT"),
        ("NBOPS_STORE_ALLOW_NETWORK_FS", "perhaps", "store.allow_network_fs = 'perhaps'"),
    ],
)
def test_a_value_that_does_not_fit_names_its_key_its_place_and_the_default(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        at(tmp_path, **{name: text})
    assert told in caught.value.message
    assert "default" in caught.value.hint


@pytest.mark.parametrize(
    ("toml", "told", "hint"),
    [
        ("[store]\ntimeot = 1", "'store.timeot' in nbops.toml", "store.timeout"),
        ("[stor]\ntimeout = 1", "'stor.timeout'", "store.timeout"),
        ("timeout = 1", "'timeout' in nbops.toml", ""),
        ("[store]\nthreads = 'x", "is not valid TOML", "Mend the line"),
        ("[store]\nthreads = 1.5", "store.threads = 1.5", "default is 2"),
        ("[store]\nallow_network_fs = 1", "store.allow_network_fs = 1", "default is False"),
        ("store = 3", "'store' in nbops.toml", ""),
    ],
)
def test_a_file_that_cannot_be_understood_says_where_and_what_was_meant(
    tmp_path: Path, toml: str, told: str, hint: str
) -> None:
    (tmp_path / "nbops.toml").write_text(toml)
    with pytest.raises(ConfigError) as caught:
        at(tmp_path)
    assert told in caught.value.message
    assert hint in caught.value.hint


@given(key=st.sampled_from(sorted(KEYS)), data=st.data())
def test_a_slip_of_one_letter_names_the_setting_that_was_meant(key: str, data: st.DataObject) -> None:
    spot = data.draw(st.integers(key.index(".") + 1, len(key) - 1))
    slip = key[:spot] + key[spot + 1 :]
    error = config._unknown(slip, "here")  # noqa: SLF001 - what every unknown key ends in
    assert slip in error.message
    assert slip in KEYS or any(known in error.hint for known in KEYS)


@given(value=st.floats(0, 1e6, exclude_min=True), minutes=st.integers(1, 10_000))
def test_numbers_survive_the_environment(tmp_path_factory: pytest.TempPathFactory, value: float, minutes: int) -> None:
    made = at(tmp_path_factory.getbasetemp(), NBOPS_STORE_TIMEOUT=repr(value), NBOPS_STORE_IDLE_MINUTES=str(minutes))
    assert (made.store.timeout, made.store.idle_minutes) == (value, minutes)


def test_variables_that_steer_one_process_are_no_settings(tmp_path: Path) -> None:
    assert at(tmp_path, NBOPS_RUN="x@1", NBOPS_HEADLESS="1", PATH="/bin").origins == {"project": "argument"}


# Projects


@pytest.mark.parametrize(
    ("mark", "why"),
    [
        (".nbops/", ".nbops folder"),
        ("nbops.toml", "nbops.toml"),
        ("pyproject.toml", "pyproject.toml"),
        (".git/", "git root"),
    ],
)
def test_the_nearest_marked_folder_is_the_project(tmp_path: Path, mark: str, why: str) -> None:
    inner = tmp_path / "outer" / "notebooks" / "deep"
    inner.mkdir(parents=True)
    place = tmp_path / "outer" / mark
    if mark.endswith("/"):
        place.mkdir()
    else:
        place.write_text("[tool.nbops]\n" if mark == "pyproject.toml" else "")
    assert find_project(start=inner, environ={}) == (tmp_path / "outer", why)


def test_a_store_in_the_home_folder_does_not_claim_the_repositories_below_it(tmp_path: Path) -> None:
    (tmp_path / ".nbops").mkdir()
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "repository" / "notebooks").mkdir()
    (tmp_path / "papers").mkdir()
    assert find_project(start=tmp_path / "repository" / "notebooks", environ={}) == (
        tmp_path / "repository",
        "git root",
    )
    assert find_project(start=tmp_path / "papers", environ={}) == (tmp_path, ".nbops folder")


def test_an_nbops_folder_counts_before_the_root_of_a_repository(tmp_path: Path) -> None:
    (tmp_path / "repository" / "project" / "notebooks").mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (tmp_path / "repository" / "project" / ".nbops").mkdir()
    assert find_project(start=tmp_path / "repository" / "project" / "notebooks", environ={})[0].name == "project"


def test_a_pyproject_that_says_nothing_of_nbops_is_passed_by_even_when_it_is_broken(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    assert find_project(start=tmp_path, environ={})[1] != "pyproject.toml"


def test_an_argument_counts_before_the_environment_and_that_before_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name / ".nbops").mkdir(parents=True)
    environ = {"NBOPS_PROJECT": str(tmp_path / "two")}
    assert find_project(tmp_path / "one", start=tmp_path / "three", environ=environ) == (tmp_path / "one", "argument")
    assert find_project(start=tmp_path / "three", environ=environ) == (tmp_path / "two", "NBOPS_PROJECT")
    monkeypatch.chdir(tmp_path / "three")
    assert find_project(environ={})[0] == tmp_path / "three"


def test_a_link_and_a_relative_path_lead_to_one_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert {find_project(name, environ={})[0] for name in ("real", "link", "./real/../link")} == {tmp_path / "real"}


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist") as caught:
        find_project(tmp_path / "nowhere", environ={})
    assert "-C" in caught.value.hint
