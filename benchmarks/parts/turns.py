"""Several arms that work in turns, so that what else the machine does slows all of them."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

DWELL = "dwell"
Arm = Callable[[], object]
"""Takes one step on the next of its batches."""
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Pace:
    """Rows for a second of CPU time, measured in turns.

    Attributes:
        samples: arm -> rows for each second of CPU time, one of each turn.
    """

    samples: Mapping[str, tuple[float, ...]]

    def ratio(self, arm: str) -> float:
        """Return how many times as fast dwell is, the median of the turns."""
        return statistics.median(self._ratios(arm))

    def interval(self, arm: str) -> tuple[float, float]:
        """Return the interval of that median at 95 % or more, from the order of the turns; all of it where they are too few."""
        ratios = sorted(self._ratios(arm))
        number = len(ratios)
        # The median lies below the k-th lowest ratio with the probability that fewer than k of the turns fall below it.
        below, outside = 0.0, 0
        while (below := below + math.comb(number, outside) / 2**number) <= (1 - _CONFIDENCE) / 2:
            outside += 1
        first = max(outside - 1, 0)
        return ratios[first], ratios[number - 1 - first]

    def times(self, arm: str) -> str:
        """Return how many times as fast dwell is, with the interval, as tables print it."""
        low, high = self.interval(arm)
        return f"{self.ratio(arm):.2f} [{low:.2f}, {high:.2f}]"

    def _ratios(self, arm: str) -> list[float]:
        return [mine / other for mine, other in zip(self.samples[DWELL], self.samples[arm], strict=True)]


def take_turns(arms: Mapping[str, Arm], turns: int, steps: int, rows: int) -> Pace:
    """Let every arm take some steps in each turn, one arm after the other, after two steps that do not count.

    Args:
        arms: what takes a step.
        turns: of each arm.
        steps: of a turn.
        rows: of a step.
    """
    samples: dict[str, list[float]] = {name: [] for name in arms}
    for step in arms.values():
        step(), step()
    for _ in range(turns):
        for name, step in arms.items():
            began = time.process_time()
            for _ in range(steps):
                step()
            samples[name].append(rows * steps / (time.process_time() - began))
    return Pace({name: tuple(values) for name, values in samples.items()})
