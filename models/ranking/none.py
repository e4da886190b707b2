"""No term inside lists."""

from typing import Literal

from torch import Tensor

from models.ranking.base import ListedRows, Ranking, RankingOptions


class NoRankingConfig(RankingOptions):
    """The loss of the rows alone."""

    kind: Literal["none"] = "none"
    keep_lists: bool = False
    """Batches that keep lists together all the same: what a term is compared with, so that only the term differs."""

    @property
    def grouped(self) -> bool:
        """Whether batches keep lists together."""
        return self.keep_lists


class NoRanking(Ranking):
    """Adds nothing."""

    Config = NoRankingConfig
    divisible = True
    weighs_rows = True

    def forward(self, rows: ListedRows) -> Tensor:
        """Return 0."""
        return rows.score_B.new_zeros(())
