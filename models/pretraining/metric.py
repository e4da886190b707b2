"""Points of users and videos, learned from content and watches (docs/methods/retrieval.md#metric-learning)."""

from typing import Literal

import torch

from models.pretraining.base import Pretraining, PretrainingOptions
from models.retrieval.config import MetricOptions
from models.retrieval.metric import MetricFit
from models.retrieval.watched import Watched


class MetricConfig(PretrainingOptions, MetricOptions):
    """A distance learned from content: also videos that nobody watched have a vector; needs features.content."""

    kind: Literal["metric"] = "metric"


class Metric(Pretraining):
    """The fit of the proposer `metric`."""

    Config = MetricConfig
    reads_content = True

    def begin(self, watched: Watched, width: int, generator: torch.Generator) -> MetricFit:
        """Draw the first weights."""
        return MetricFit(watched, width, self.config, generator)
