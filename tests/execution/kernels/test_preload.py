"""What is asked ahead need not be asked again."""

from __future__ import annotations

import importlib.metadata
import re

import narwhals.dependencies
import numpy as np
import pytest
from IPython.core.completer import IPCompleter
from IPython.core.inputtransformer2 import TransformerManager

from nbops.execution.kernels import preload


def test_what_is_no_frame_is_known_without_reading_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    preload.ask_ahead()

    def refuse(**_: object) -> None:
        pytest.fail("the entry points of all distributions are read")

    monkeypatch.setattr(importlib.metadata, "entry_points", refuse)
    assert not narwhals.dependencies.is_into_dataframe(np.ones(3))


def test_what_every_shell_compiles_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    re.purge()
    preload.ask_ahead()
    monkeypatch.setattr("re._compiler.compile", lambda pattern, *_: pytest.fail(f"{pattern} is compiled"))
    IPCompleter(namespace={}, global_namespace={})  # type: ignore[no-untyped-call]  # IPython has no types for it
    assert TransformerManager().transform_cell("'a'\n'b'") == "'a'\n'b'\n"  # type: ignore[no-untyped-call]  # IPython has no types for it
