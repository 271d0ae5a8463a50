"""`nbops status`: how all pipelines of the project stand."""

from __future__ import annotations

import msgspec

from nbops.cli._base import Here, cli, here, json_option, show


@cli.command("status")
@json_option
@here
def status(obj: Here, as_json: bool) -> None:
    """One screen: what waits for you, failed, is not well or old, runs now, comes next, is not as it was released, and is gone."""
    from nbops.execution import reading
    from nbops.pipelines import overview

    reading.only_files()
    found = overview.overview(obj.store())
    show(msgspec.to_builtins(found), as_json=as_json, text=found.to_text)
