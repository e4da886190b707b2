"""One proposer against another on the same users: the paired difference of their recalls."""

from pathlib import Path

import polars as pl

from tasks.candidates.document import JUDGED_FILE
from tasks.candidates.measure import recall_statistic
from tasks.core.document import existing
from tasks.core.errors import ContractError
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, difference
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.evaluate.resampling import Resampler


def recall_difference(proposer: Path, reference: Path, config: EvaluationConfig) -> Interval | None:
    """Return the difference in recall of two proposers of one night, paired by user; None where nobody watched anything new.

    Args:
        proposer: its folder.
        reference: folder of the other.
        config: how uncertainty is drawn.

    Raises:
        MissingArtifact: if a stage has not run.
        ContractError: if the two were not measured on the same watches.
    """
    tables = [pl.read_parquet(existing(of / JUDGED_FILE, f"candidates@{of.name}")) for of in (proposer, reference)]
    if not tables[0].drop("hits").equals(tables[1].drop("hits")):
        raise ContractError(
            f"{proposer} and {reference} were measured on other watches: run the stages candidates@{proposer.name} and "
            f"candidates@{reference.name} again"
        )
    if tables[0].is_empty():
        return None
    resampler = Resampler(tables[0].height, config.replicates, config.seed)

    def drawn(table: pl.DataFrame) -> list[Draw]:
        statistic = recall_statistic(table["relevant"].to_numpy(), table["hits"].to_numpy())
        return [resampler.draw({"": statistic})[""]]

    return difference(drawn(tables[0]), drawn(tables[1]), config.confidence)
