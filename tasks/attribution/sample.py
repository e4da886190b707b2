"""The rows that a network is asked on: a fixed sample of the validation day, with labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.attribution.fields import FieldRows
from models.ranker import Ranker
from tasks.table.source import FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.train.population import open_population
from tasks.train.problem import reads_history

RANKED_ROWS = 5_000
_SEED = 0


@dataclass(frozen=True, eq=False)
class ValidationSample:
    """Rows of the validation day, which may choose what the judge day then judges.

    Attributes:
        rows: looked up, ready to be varied.
        index: their numbers in the split, int64 [B], in random order: any first part of them is a sample too.
    """

    rows: FieldRows
    index: NDArray[np.int64]


def validation_sample(
    ranker: Ranker, table: TrainingTable, features: FeatureFolder, limit: int = RANKED_ROWS
) -> ValidationSample:
    """Read the sample for a network, the same rows for every one that has the same table.

    Args:
        ranker: in evaluation mode.
        table: that the network was fitted on.
        features: what the table was made of; says which dense features are one group of aggregates.
        limit: rows at most.

    Raises:
        TrainingError: if the table lacks what the recipe reads.
    """
    recipe = ranker.recipe
    split = open_population(table, "validation", recipe, reads_history(recipe)).impressions
    index = np.random.default_rng(_SEED).permutation(split.num_rows)[:limit]
    encoded = split.read(0, split.num_rows, index)
    groups = {name: group.columns for name, group in features.groups.items()}
    return ValidationSample(FieldRows.of(ranker, encoded.batch(0, len(encoded)), groups), index)
