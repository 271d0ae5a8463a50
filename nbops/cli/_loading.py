"""Which module adds which commands, so that one that is asked for does not wait for the others."""

from __future__ import annotations

import importlib

MODULES = (
    "_audit",
    "_data",
    "_db",
    "_demo",
    "_incidents",
    "_init",
    "_kernels",
    "_keys",
    "_models",
    "_lineage",
    "_log",
    "_monitor",
    "_notify",
    "_pages",
    "_params",
    "_pipeline",
    "_project",
    "_report",
    "_reviews",
    "_run",
    "_runs",
    "_schedule",
    "_scheduler",
    "_scoring",
    "_status",
    "_sweep",
    "_versions",
)
ALONE = {"log": "_log", "pipeline": "_pipeline", "run": "_run", "status": "_status", "sweep": "_sweep"}
"""The commands that are called again and again by others, each whole in a module."""


def one(name: str) -> None:
    """Import what a command needs: its module where it has one of its own, else all."""
    if name in ALONE:
        importlib.import_module(f"nbops.cli.{ALONE[name]}")
    else:
        everything()


def everything() -> None:
    """Import the modules that each add their commands."""
    for name in MODULES:
        importlib.import_module(f"nbops.cli.{name}")
