"""Optuna as a sampler: its tree-structured Parzen estimator asks for points, its median pruner stops those without hope."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nbops.execution.sweeps import texts
from nbops.execution.sweeps.samplers import Choices, Range, Space
from nbops.records import Better

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial


class Optuna:
    """A study in this process's memory. With one lane the same seed asks for the same points."""

    def __init__(self, space: Space, better: Better | None, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(logging.WARNING)
        # Points run several at a time: each is to keep away from where others are already looking.
        chooser = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction="maximize" if better == "higher" else "minimize", sampler=chooser)
        # Optuna takes few types of choices: it gets their indices.
        self._choices = {name: one.values for name, one in space.items() if isinstance(one, Choices)}
        self._distributions = {name: _distribution(one) for name, one in space.items()}
        self._trials: dict[int, Trial] = {}
        self._asked = 0
        self._before = 0

    def ask(self) -> Mapping[str, object]:
        """The next point; there is always one."""
        trial = self._study.ask(self._distributions)
        self._trials[self._before + self._asked] = trial
        self._asked += 1
        return {
            name: self._choices[name][value] if name in self._choices else value for name, value in trial.params.items()
        }

    def tell(self, number: int, values: Mapping[str, object], result: float | None) -> None:
        """Learn from a point, of an earlier part of the sweep too."""
        from optuna.trial import TrialState, create_trial

        trial = self._trials.pop(number, None)
        if trial is not None:
            state = TrialState.FAIL if result is None else TrialState.COMPLETE
            self._study.tell(trial, result, state=state)
            return
        self._before = max(self._before, number + 1)
        if result is not None:
            params = {name: self._place(name, value) for name, value in values.items()}
            self._study.add_trial(create_trial(params=params, distributions=self._distributions, value=result))

    def hopeless(self, number: int, step: int, value: float) -> bool:
        """What the pruner says."""
        trial = self._trials.get(number)
        if trial is None:
            return False
        trial.report(value, step)
        return bool(trial.should_prune())

    def _place(self, name: str, value: object) -> object:
        if name not in self._choices:
            return value
        return [texts.write(one) for one in self._choices[name]].index(texts.write(value))


def _distribution(one: Range | Choices) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(one, Choices):
        return CategoricalDistribution(tuple(range(len(one.values))))
    if one.whole:
        return IntDistribution(round(one.low), round(one.high), log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)
