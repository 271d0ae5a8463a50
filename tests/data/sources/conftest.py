"""What the tests of sources share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.sources.trial import Fetching


@pytest.fixture
def fetching(tmp_path: Path) -> Fetching:
    return Fetching(tmp_path)
