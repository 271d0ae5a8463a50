"""The policy by which a model is monitored now."""

from __future__ import annotations

import msgspec

from nbops.errors import NotFound
from nbops.monitoring.policy import MonitorPolicy
from nbops.store.client import Store


def in_force(store: Store, model: str) -> MonitorPolicy:
    """The policy that was said last, or the one that holds when nothing was said. Raises NotFound for an unknown model."""
    if not store.read("select 1 from models where name = ?", [model]).rows:
        names = [row[0] for row in store.read("select name from models order by name").rows]
        raise NotFound.of("model", model, names, otherwise="`nbops models list` shows what there is.")
    found = store.read(
        "select policy from monitor_policies where model = ? order by version desc limit 1", [model]
    ).rows
    return msgspec.json.decode(found[0][0], type=MonitorPolicy) if found else MonitorPolicy()
