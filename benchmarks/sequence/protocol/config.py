"""Which model of sequences, and how it is trained and stopped."""

from typing import Literal

from pydantic import Field

from benchmarks.sequence.models import SequenceConfig
from benchmarks.sequence.models.sasrec import SasRecConfig
from tasks.core.settings import Block


class SequenceTraining(Block):
    """One way of fitting; the defaults are those of public code."""

    learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.98)
    batch_size: int = Field(default=128, gt=0)
    """Users in a batch."""
    sorted_batches: int = Field(default=1, gt=0)
    """Batches that are drawn together and divided by length, so that long sequences do not pad short ones; 1: none."""
    max_length: int = Field(default=200, gt=0)
    """Positives that a sequence keeps, the last ones."""
    max_epochs: int = Field(default=100, gt=0)
    patience: int = Field(default=20, gt=0)
    """Epochs in a row without a better criterion before the fit stops."""
    criterion: Literal["auc", "gauc", "ndcg_2"] = "auc"
    """Metric of the validation candidates whose best epoch is kept."""


class SequenceMethod(Block):
    """A model of sequences and how it is trained."""

    model: SequenceConfig = SasRecConfig()
    training: SequenceTraining = SequenceTraining()
