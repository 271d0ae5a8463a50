"""A pytest plug-in: papermill's own tests execute with our engine, wherever they do not name one."""

from __future__ import annotations

from papermill.engines import papermill_engines

from nbops.execution._entry import Engine

papermill_engines.register(None, Engine)
papermill_engines.register("nbclient", Engine)
