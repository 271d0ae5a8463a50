"""A pipeline's run in lines: while it goes on, and when it has ended."""

from __future__ import annotations

from nbops.pipelines import standing
from nbops.pipelines.course import Ended, Progress
from nbops.records import short
from nbops.render import values


def progress(at: Progress) -> str:
    """How many steps are done, and which run."""
    done = at.count("finished", "unchanged", "degraded", "excluded")
    now = ", ".join(key for key, one in at.tasks.items() if one.status == "running")
    return f"{done} of {len(at.tasks)} steps done{f'; {now}' if now else ''}"


def steps(ended: Ended) -> list[str]:
    """A line for each step that did something or did not come to it; what only rests on the old data of others shares one."""
    old = standing.once(
        ended.pipeline, {key: one.sentence for key, one in ended.tasks.items() if one.since is not None}
    )
    told: dict[object, tuple[str, list[str], str]] = {}
    for key, one in ended.tasks.items():
        word, said = f"{one.status}{' (healed)' if one.healed else ''}", old.get(key)
        if said is not None and said.on and not said.own:
            told.setdefault((word, said.on), (word, [], f"rests on {values.listed(said.on)}"))[1].append(key)
        elif one.status != "unchanged":
            told[key] = word, [key], str(said or one.sentence)
    return [f"  {word} {', '.join(keys)}{f': {why}' if why else ''}" for word, keys, why in told.values()]


def summary(ended: Ended) -> str:
    """The outcome, and why."""
    return f"{ended.outcome} {short(ended.run_id)} {ended.pipeline} in {ended.seconds:.1f} s: {ended.sentence}"
