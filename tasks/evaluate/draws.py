"""Some headline metrics of one prediction table, ready to be averaged over seeds and to be paired with another table's."""

from collections.abc import Sequence

import numpy as np

from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw
from tasks.evaluate.headline import WATCH
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import logged_rows, observed, predicted
from tasks.evaluate.table import PredictionTable


def table_draws(table: PredictionTable, names: Sequence[str], config: EvaluationConfig) -> dict[str, list[Draw]]:
    """Return metric -> one draw per seed, on the rows the product's policy exposed.

    Args:
        table: the predictions.
        names: metrics of watch time that need neither list nor duration group.
        config: how uncertainty is drawn.
    """
    resampler, index = Resampler(table.num_users, config.replicates, config.seed), logged_rows(table)
    no_groups = Groups(np.zeros(len(table), np.int64), 1)
    rows = observed(table, no_groups, resampler, (), config.seed).take(index)
    found: dict[str, list[Draw]] = {name: [] for name in names}
    for seed in table.seeds:
        predictions = predicted(table, seed, ()).take(index)
        drawn = resampler.draw({name: WATCH[name](rows, predictions, config) for name in names})
        for name, draw in drawn.items():
            found[name].append(draw)
    return found
