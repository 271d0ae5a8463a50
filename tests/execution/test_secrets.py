"""Secrets: found where the settings say, for notebooks that may ask, and handed to a kernel without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from click.testing import CliRunner

from nbops import config
from nbops.cli import cli, load_commands
from nbops.errors import ConfigError, NbopsError, NotFound, ParameterError
from nbops.execution import parameters, reading, secrets

VALUE = "hunter22-äß'\"\n\\"
ALLOW = '[secrets.allow]\n"train.ipynb" = ["crew-db"]\n"reports/*.ipynb" = ["mail/smtp", "crew-db"]\n'
ASKED = {"token": "secret://crew-db"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose settings let some notebooks ask; what lies beside it is outside of it."""
    folder = (tmp_path / "project").resolve()
    folder.mkdir()
    (folder / "nbops.toml").write_text(ALLOW)
    return folder


def resolve(
    project: Path, notebook: str = "train.ipynb", asked: Mapping[str, str] = ASKED, **environ: str
) -> dict[str, str]:
    return secrets.resolve(config.settings(project, environ=environ), project / notebook, asked, environ=environ)


def from_file(project: Path, text: str, mode: int = 0o600) -> Path:
    path = project.parent / "secrets.toml"
    path.write_text(text)
    path.chmod(mode)
    (project / "nbops.toml").write_text(f'[secrets]\nsource = "file"\nfile = "{path}"\n{ALLOW}')
    return path


def test_a_secret_comes_from_the_environment_under_a_prefix(project: Path) -> None:
    assert resolve(project, NBOPS_SECRET_CREW_DB=VALUE) == {"token": VALUE}
    (project / "nbops.toml").write_text(f'[secrets]\nprefix = ""\n{ALLOW}')
    assert resolve(project, CREW_DB=VALUE) == {"token": VALUE}


def test_a_secret_comes_from_a_file_that_nobody_else_reads(project: Path) -> None:
    from_file(project, f'crew-db = {json.dumps(VALUE)}\n[mail]\n"smtp" = "nested-value"\n["mail/smtp"]\n')
    assert resolve(project) == {"token": VALUE}
    (project / "nbops.toml").write_text((project / "nbops.toml").read_text().replace('"crew-db"]', '"mail.smtp"]', 1))
    assert resolve(project, asked={"a": "secret://mail.smtp"}) == {"a": "nested-value"}


def test_one_secret_may_serve_two_parameters_and_a_notebook_that_asks_for_none_needs_nothing(project: Path) -> None:
    two = {"a": "secret://crew-db", "b": "secret://crew-db"}
    assert resolve(project, asked=two, NBOPS_SECRET_CREW_DB=VALUE) == {"a": VALUE, "b": VALUE}
    assert resolve(project, "anything.ipynb", asked={}) == {}


def provider(name: str) -> object:
    """The provider of these tests."""
    known = {"crew-db": VALUE, "number": 7}
    if name == "broken":
        raise RuntimeError(VALUE)
    return known[name]


@pytest.fixture
def installed(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, whose secrets come from the provider of these tests."""
    found = EntryPoints([EntryPoint("vault", f"{__name__}:provider", secrets.GROUP)])
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setattr("importlib.metadata.entry_points", found.select)
    names = '["crew-db", "broken", "number", "other"]'
    (project / "nbops.toml").write_text(f'[secrets]\nsource = "vault"\n[secrets.allow]\n"train.ipynb" = {names}\n')
    return project


def test_a_secret_comes_from_a_provider(installed: Path) -> None:
    assert resolve(installed) == {"token": VALUE}


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("other", NotFound, "vault has no secret 'other'"),
        ("broken", ParameterError, "vault failed at secret 'broken': RuntimeError."),
        ("number", ParameterError, "vault gave no text for secret 'number'"),
    ],
)
def test_what_a_provider_cannot_give_is_told_without_its_words(
    installed: Path, name: str, kind: type[NbopsError], told: str
) -> None:
    with pytest.raises(kind) as caught:
        resolve(installed, asked={"token": f"secret://{name}"})
    assert told in caught.value.message
    assert "hunter22" not in str(caught.value)


def test_a_source_that_nobody_provides_names_the_nearest(installed: Path) -> None:
    path = installed / "nbops.toml"
    path.write_text(path.read_text().replace('"vault"', '"vaul"'))
    with pytest.raises(ConfigError, match="Did you mean 'vault'"):
        resolve(installed)


@pytest.mark.parametrize(
    ("notebook", "may"),
    [
        ("train.ipynb", True), ("reports/weekly.ipynb", True), ("sub/train.ipynb", False),
        ("reports/old/weekly.ipynb", False), ("other/reports/weekly.ipynb", False), ("../train.ipynb", False),
    ],
)  # fmt: skip
def test_only_notebooks_that_the_settings_name_may_ask(project: Path, notebook: str, may: bool) -> None:
    path = os.path.normpath(project / notebook)
    if may:
        assert resolve(project, path, NBOPS_SECRET_CREW_DB=VALUE) == {"token": VALUE}
    else:
        with pytest.raises(ParameterError):
            resolve(project, path, NBOPS_SECRET_CREW_DB=VALUE)


def test_a_refusal_tells_the_line_to_add_which_then_lets_it_ask(project: Path) -> None:
    asked = {"token": "secret://crew-db", "mail": "secret://mail/smtp"}
    environ = {"NBOPS_SECRET_CREW_DB": VALUE, "NBOPS_SECRET_MAIL_SMTP": "value of mail"}
    with pytest.raises(ParameterError) as caught:
        resolve(project, asked=asked, **environ)
    assert caught.value.message == "train.ipynb may not ask for secret://mail/smtp."
    assert caught.value.hint == 'Write in nbops.toml under [secrets.allow]: "train.ipynb" = ["crew-db", "mail/smtp"]'
    (project / "nbops.toml").write_text(f"[secrets.allow]\n{caught.value.hint.partition(': ')[2]}\n")
    assert resolve(project, asked=asked, **environ) == {"token": VALUE, "mail": "value of mail"}


def test_a_refusal_names_the_file_where_the_others_stand(project: Path) -> None:
    (project / "nbops.toml").unlink()
    (project / "pyproject.toml").write_text('[tool.nbops.secrets.allow]\n"other.ipynb" = ["crew-db"]\n')
    with pytest.raises(ParameterError, match=r"pyproject.toml under \[tool.nbops.secrets.allow\]"):
        resolve(project, NBOPS_SECRET_CREW_DB=VALUE)


@pytest.mark.parametrize("given", [VALUE, "secret://", "secret://a b", "secret://a\n", "Secret://a", "secret://ä"])
def test_what_is_no_reference_is_refused_and_not_shown(project: Path, given: str) -> None:
    with pytest.raises(ParameterError) as caught:
        resolve(project, asked={"token": given})
    assert given not in str(caught.value).replace("secret://token", "")


def test_what_is_too_short_to_be_masked_is_refused(project: Path) -> None:
    with pytest.raises(ParameterError, match="secret://crew-db is shorter than 4 characters") as caught:
        resolve(project, NBOPS_SECRET_CREW_DB="xyz")
    assert "xyz" not in str(caught.value)


@pytest.mark.parametrize("environ", [{}, {"NBOPS_SECRET_CREW_DB": ""}])
def test_a_missing_variable_is_named(project: Path, environ: dict[str, str]) -> None:
    with pytest.raises(NotFound, match="Set NBOPS_SECRET_CREW_DB "):
        resolve(project, asked=ASKED, **environ)


@pytest.mark.parametrize(
    ("text", "mode", "kind", "told"),
    [
        ('crew-db = "hunter22"', 0o640, ConfigError, r"can be read by others \(640\).*\nHint: chmod 600"),
        ('crew_db = "hunter22"', 0o600, NotFound, "Did you mean 'crew_db'"),
        ('a = "hunter22"', 0o600, NotFound, 'Add a line "crew-db" = '),
        ("crew-db = 22", 0o600, ConfigError, "is no text.*\nHint: Write it in quotes"),
        ('\ncrew-db = "hunter22', 0o600, ConfigError, "is not valid TOML"),
        ("\ncrew-db = hunter22", 0o600, ConfigError, "is not valid TOML, line 2"),
        ("hunter22\udcff", 0o600, ConfigError, "is not valid TOML"),
    ],
)
def test_a_file_that_will_not_do_is_told_without_what_is_in_it(
    project: Path, text: str, mode: int, kind: type[NbopsError], told: str
) -> None:
    path = from_file(project, "", mode)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(kind, match=told) as caught:
        resolve(project)
    assert "hunter22" not in str(caught.value)


def test_a_file_within_the_project_or_without_a_name_or_missing_is_refused(project: Path) -> None:
    for line, told in (
        ('file = "secrets.toml"', "lies in the project"),
        ("", "no file is named"),
        ('file = "../none.toml"', "cannot be read: No such file"),
    ):
        (project / "nbops.toml").write_text(f'[secrets]\nsource = "file"\n{line}\n{ALLOW}')
        with pytest.raises(ConfigError, match=told):
            resolve(project)


def test_settings_never_show_what_somebody_wrote_where_a_name_belongs(project: Path) -> None:
    for text in ('[secrets]\ncrew-db = "hunter22"', '[secrets.allow]\n"train.ipynb" = {crew-db = "hunter22"}'):
        (project / "nbops.toml").write_text(text)
        with pytest.raises(ConfigError, match="secrets") as caught:
            config.settings(project, environ={})
        assert "hunter22" not in str(caught.value)


def test_the_command_line_shows_who_may_ask_and_no_value(project: Path) -> None:
    load_commands()
    told = CliRunner().invoke(cli, ["-C", str(project), "config", "show"], env={"NBOPS_SECRET_CREW_DB": "hunter22"})
    assert told.exit_code == 0, told.output
    assert "crew-db" in told.output
    assert "hunter22" not in told.output


def test_a_kernel_does_not_inherit_the_variables_of_secrets(project: Path) -> None:
    environ = {"PATH": "/bin", "NBOPS_SECRET_CREW_DB": "1", "NBOPS_SECRET_OTHER": "2", "NBOPS_SECRETS": "/proc/1/fd/3"}
    assert secrets.without_secrets(config.settings(project, environ={}), environ) == {"PATH": "/bin"}
    (project / "nbops.toml").write_text(f'[secrets]\nprefix = ""\n{ALLOW}')
    environ = {"PATH": "/bin", "CREW_DB": "1", "MAIL_SMTP": "2"}
    assert secrets.without_secrets(config.settings(project, environ={}), environ) == {"PATH": "/bin"}


def test_the_parameters_of_a_notebook_tell_what_it_asks_for(tmp_path: Path) -> None:
    import nbformat
    from nbformat import v4

    source = 'token: "secret" = "secret://crew-db"\nother: "secret" = "secret://a"\nn = 3'
    cell = v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    nbformat.write(v4.new_notebook(cells=[cell]), tmp_path / "train.ipynb")
    interface = parameters.read(reading.read(tmp_path / "train.ipynb"), "python", "train.ipynb")
    values = parameters.resolve(interface, {"other": "secret://b", "n": 4})
    assert secrets.asked(interface, values) == {"token": "secret://crew-db", "other": "secret://b"}


# The hand-over

KERNEL = """
import os, sys
first = {expression}
again = {expression}
assert first == again
assert not [name for name in sys.modules if name.partition(".")[0] == "nbops"]
assert first not in "".join(os.environ.values())
assert first not in open(f"/proc/{{os.getpid()}}/cmdline").read()
sys.stdout.buffer.write(first.encode())
"""


def kernel(environ: dict[str, str], parameter: str = "token") -> subprocess.CompletedProcess[bytes]:
    """A process that does what a kernel's injected cell does, without anything of this environment but the standard library."""
    code = KERNEL.format(expression=secrets.expression(parameter))
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], env=environ, capture_output=True, check=False, timeout=60
    )


@pytest.mark.parametrize("value", [VALUE, "x" * 100_000, "-----BEGIN-----\r\nabc\r\n"])
def test_a_kernel_reads_its_secrets_any_number_of_times_until_it_is_over(value: str) -> None:
    with secrets.hand_over({"token": value, "other": "12345"}) as environ:
        assert kernel(environ).stdout == value.encode()
        assert kernel(environ, "other").stdout == b"12345"
        assert not any(value in one for one in environ.values())
    assert not Path(environ[config.SECRETS_VARIABLE]).exists()


def test_without_secrets_nothing_is_handed_over() -> None:
    with secrets.hand_over({}) as environ:
        assert environ == {}


RUNNER = """
import sys
from nbops.execution import secrets
with secrets.hand_over({"token": "hunter22"}) as environ:
    print(environ["NBOPS_SECRETS"], flush=True)
    sys.stdin.read()
"""


def test_the_value_is_in_memory_alone_and_gone_with_the_runner_that_is_killed() -> None:
    runner = subprocess.Popen([sys.executable, "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    place = Path(runner.stdout.readline().strip())
    assert "hunter22" in place.read_text()
    assert place.readlink().name.startswith("memfd:")
    runner.send_signal(signal.SIGKILL)
    runner.communicate()
    assert not place.exists()


def test_where_memory_has_no_descriptor_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(ParameterError, match="Linux alone"), secrets.hand_over({"token": VALUE}):
        pass
