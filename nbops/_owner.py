"""The owner process: `python -P -m nbops._owner FOLDER`, started by the first process that needs the store, detached from it.

Loads every domain's commands and hands the folder to `nbops.store.owner`. Exit status 3: another owner lives.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import logging
import os
import sys
from pathlib import Path

import nbops

# Each registers its commands when imported; none may import anything heavy.
DOMAINS = (
    "nbops.failures.commands",
    "nbops.notify.commands",
    "nbops.data.commands",
    "nbops.tracking.commands",
    "nbops.registry.commands",
    "nbops.predictions.commands",
    "nbops.monitoring.commands",
    "nbops.monitoring.keeping",
    "nbops.promotion.commands",
    "nbops.pipelines.commands",
    "nbops.pipelines.schedules.commands",
)


def main(folder: str) -> int:
    """Own the store in `folder` until idle or asked to leave."""
    from nbops import config
    from nbops.store import owner
    from nbops.store.meeting import BUSY, Meeting
    from nbops.store.places import Places, shared

    # When it leaves, all is on disk: nothing is worth being collected.
    atexit.register(gc.freeze)
    # A log that cannot be written (a full disk) must not end the owner.
    logging.raiseExceptions = False
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for name in DOMAINS:
        importlib.import_module(name)
    places = Places(Path(folder))
    os.umask(0o007 if shared(places.folder) else 0o077)
    settings = config.settings(places.folder.parent)
    meeting = Meeting(places, transport=settings.store.transport)
    if owner.take_lock(meeting.lock, settings.store.timeout) is None:
        return BUSY
    owner.Owner(places, settings, meeting).serve(meeting.listen(nbops.__version__))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
