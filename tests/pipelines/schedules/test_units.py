"""Paths with anything in them reach systemd and cron as they are."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from nbops.errors import PathRefused
from nbops.pipelines.schedules import units
from nbops.pipelines.schedules.units import Place

ODD = Path('/srv/100 % sure/it\'s $HOME \\ "x"')


def test_cron_is_told_a_path_with_anything_in_it() -> None:
    line = units.cron(Place(project=ODD, python="/opt/py thon"))
    fields = line.split(" ", 5)
    assert fields[:5] == ["*"] * 5
    assert "%" not in line.replace(r"\%", "")
    words = shlex.split(fields[5].replace(r"\%", "%"))
    assert words == ["/opt/py thon", "-P", "-m", "nbops", "-C", str(ODD), "schedule", "tick", "--leave", "--quiet"]


def test_systemd_is_told_a_path_with_anything_in_it() -> None:
    files = units.timer(Place(project=ODD, python="/opt/py thon"))
    service = files["nbops-it-s-HOME-x.service"]
    told = '"/srv/100 %% sure/it\'s $$HOME \\\\ \\"x\\""'
    assert f'ExecStart="/opt/py thon" -P -m nbops -C {told} schedule tick --leave --quiet' in service
    assert "WorkingDirectory=/srv/100 %% sure/it's $HOME" in service
    assert "Persistent=true" in files["nbops-it-s-HOME-x.timer"]


def test_what_no_file_can_hold_is_refused() -> None:
    with pytest.raises(PathRefused, match="cannot be printed"):
        units.cron(Place(project=Path("/srv/a\nb")))
