"""A command does not wait for the modules of others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nbops.cli import _loading


@pytest.mark.parametrize("command", sorted(_loading.ALONE))
def test_a_command_of_its_own_module_is_whole_without_the_others(command: str) -> None:
    words = "import sys; from nbops.cli import cli, _loading; _loading.one(sys.argv[1]); {more}; print(sorted({of}))"
    of = "(getattr(cli.commands[sys.argv[1]], 'commands', None) or [p.name for p in cli.commands[sys.argv[1]].params])"
    told = [
        subprocess.run(
            [sys.executable, "-c", words.format(more=more, of=of), command], capture_output=True, text=True, check=True
        ).stdout
        for more in ("assert 'nbops.cli._models' not in sys.modules", "_loading.everything()")
    ]
    assert told[0] == told[1]


def test_words_that_are_no_command_are_held_against_all_of_them() -> None:
    done = subprocess.run([sys.executable, "-m", "nbops", "modles"], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "Did you mean 'models'?" in done.stderr
