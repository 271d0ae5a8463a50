"""What the tests of the renderers share: snapshots kept as files, and a strict reader of markup."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import settings

_SNAPSHOTS = Path(__file__).parent / "snapshots"

# The first table imports rich, and the machine may be busy: a slow example is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def snapshot() -> Callable[[str, str], None]:
    """Compares a text with the file of that name in snapshots/; NBOPS_SNAPSHOTS=write keeps the new one instead."""

    def compare(name: str, text: str) -> None:
        kept = _SNAPSHOTS / name
        if os.environ.get("NBOPS_SNAPSHOTS") == "write":
            kept.write_text(text, encoding="utf-8")
        assert text == kept.read_text(encoding="utf-8")

    return compare


@pytest.fixture(scope="session")
def parsed() -> Callable[[str], ET.Element]:
    """Markup as a tree; it must be well-formed XML, which is stricter than HTML."""
    return lambda markup: ET.fromstring(f"<body>{markup}</body>")  # noqa: S314  our own markup, which expands nothing
