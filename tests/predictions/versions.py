"""Versions to log predictions of, without a model behind them: nothing of what is tried loads one."""

from __future__ import annotations

import itertools

from nbops.records import new_id, now_us
from nbops.registry.requests import RegisterVersion
from nbops.store.client import Store
from nbops.tracking.requests import StartRun

_numbers = itertools.count(1)


def version(store: Store) -> str:
    """The name of a new model, whose version 1 there is."""
    run, model = new_id(), f"model-{next(_numbers)}"
    begun = StartRun(run_id=run, experiment="e", name=model, started=now_us(), host="elsewhere", pid=1)
    blob = store.put_blob(b"no model").sha256
    made = RegisterVersion(model=model, run_id=run, artifact="models/model.skops", sha256=blob, manifest="{}")
    store.write(begun, made)
    return model
