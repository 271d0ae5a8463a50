"""A pipeline's run with what follows from it: people and servers hear of it. It needs its process for itself, as the driver does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nbops.config import Settings
from nbops.errors import NbopsError
from nbops.store.client import connect

if TYPE_CHECKING:
    from nbops.pipelines.course import Asked, Ended, Progress


def carry_out(
    asked: Asked, settings: Settings, *, watch: Callable[[Progress], None], stop: int = -1
) -> tuple[Ended, str]:
    """As `driver.run`, then deliver what it left to be told; also what went wrong with that, which is no failure of the run."""
    from nbops.pipelines import driver

    ended = driver.run(asked, settings, watch=watch, stop=stop)
    trouble = _tell_lineage(settings)
    if ended.told:
        from nbops.promotion import reviews

        reviews.tell(connect(settings))
    return ended, trouble


def _tell_lineage(settings: Settings) -> str:
    """Where the settings want it."""
    if not settings.lineage.file and not settings.lineage.url:
        return ""
    from nbops.pipelines import openlineage

    try:
        openlineage.emit(connect(settings))
    except (NbopsError, OSError) as error:
        return f"The lineage could not be told: {error}"
    return ""
