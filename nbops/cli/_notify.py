"""`nbops notify`: deliver what people are to be told."""

from __future__ import annotations

import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table


@cli.command("notify")
@json_option
@here
def notify(obj: Here, as_json: bool) -> int:
    """Deliver the messages that wait, as a scheduler does every few minutes. Exit status 26 when one was not delivered."""
    from nbops.execution.secrets import of_setting
    from nbops.notify import delivering

    found = delivering.deliver(obj.store(), of_setting)
    rows = [[told.recipient, told.title, told.outcome, told.reason] for told in found]
    columns = ["to", "what", "outcome", "reason"]
    show(
        msgspec.to_builtins(found),
        as_json=as_json,
        text=lambda: table(columns, rows) if rows else "Nothing is due.",
    )
    return 0 if all(told.outcome == "delivered" for told in found) else 26
