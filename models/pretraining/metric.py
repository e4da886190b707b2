"""Points of users and videos, learned from content and watches (docs/methods/retrieval.md#metric-learning)."""

from typing import Literal

import torch

from models.pretraining.base import FittedPretraining, PretrainingOptions
from models.retrieval.config import MetricOptions
from models.retrieval.metric import MetricFit
from models.retrieval.watched import Watched


class MetricConfig(PretrainingOptions, MetricOptions):
    """A distance learned from content: also videos that nobody watched have a vector; needs features.content."""

    kind: Literal["metric"] = "metric"


class Metric(FittedPretraining):
    """The fit of the proposer `metric`."""

    Config = MetricConfig

    @classmethod
    def reads_content(cls, config: MetricConfig) -> bool:
        """Always."""
        return True

    def begin(self, watched: Watched, width: int, generator: torch.Generator) -> MetricFit:
        """Draw the first weights."""
        return MetricFit(watched, width, self.config, generator)
