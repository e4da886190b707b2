"""Pairs of a list: the logistic loss of every pair whose labels differ (BPR, RankNet).

Shape legend: B rows, P pairs, G lists (`models.ranking.base`).
"""

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from models.heads.base import LabelState, TrainLabels
from models.ranges import Number, Whole
from models.ranking.base import ListedRows, Ranking, TermOptions
from models.ranking.percentiles import Percentiles

BUCKET = 0.2
"""Widest gap of the logarithms of two durations that count as alike."""
GROUPS = 10
"""Duration groups of `residual`."""
LEAST_RESIDUAL = 0.1
"""Least gap of two percentiles that is compared."""
LEAST_PAIRS = 100
"""Fewer equal pairs than weighted ones may be worth."""


class PairsConfig(TermOptions):
    """Which pairs are compared, and how much each counts."""

    kind: Literal["pairs"] = "pairs"
    weights: Literal["one", "gap", "ndcg"] = "one"
    """All pairs alike; by the gap of their percentiles among train rows; or by what exchanging them changes in nDCG@`depth`, as
    LambdaRank does: pairs below that place, most of a long list, count nothing."""
    depth: Whole = Field(default=5, ge=1, le=1000)
    """Places that `ndcg` looks at."""
    match: Literal["none", "bucket", "residual"] = "none"
    """All pairs, what XGAUC counts; those of like durations; or all by the percentile among like durations. The last two teach
    what is watched more than its length says."""
    min_gap: Number = Field(default=0.0, ge=0, le=86_400)
    """Least gap of two watch times that is compared, in seconds; those that differ by less than a second never are."""
    estimand: Literal["shown", "candidates"] = "shown"
    """Whose order is learned: that of what was shown, or of all candidates, by pairs weighed with one over the product of
    their propensities (`propensity` of the recipe)."""

    @model_validator(mode="after")
    def _of_watch_time(self) -> "PairsConfig":
        binary = [task for task in self.tasks if not task.startswith("watch_time")]
        only = [f"{key}: {value}" for key, value, plain in (
            ("weights", self.weights if self.weights == "gap" else "one", "one"), ("match", self.match if self.match == "residual" else "none", "none"),
            ("min_gap", self.min_gap, 0)) if value != plain]  # fmt: skip
        if binary and only:
            raise ValueError(
                f"{', '.join(only)} compares seconds, and {', '.join(binary)} has none: leave it out, or take it from tasks"
            )
        return self

    @property
    def weighs_by_propensity(self) -> bool:
        """Whether pairs are weighed."""
        return self.estimand == "candidates" and bool(self.ranked)


class Pairs(Ranking):
    """sum_g n_g [sum_P w log(1 + exp(s_low - s_high)) / sum_P w] / sum_g n_g over lists with a pair.

    Sources: Burges et al., ICML 2005 (RankNet) and NIPS 2006 (LambdaRank); Rendle et al., UAI 2009 (BPR);
    docs/methods/ranking.md#pairs. Weighed as XGAUC is, by list and rows; a mean over pairs would count a list by the square of
    its length.
    """

    Config = PairsConfig
    weight_sums: Tensor

    @classmethod
    def fit_state(cls, config: PairsConfig, labels: TrainLabels) -> LabelState:
        """Fit percentiles where they are compared.

        Returns:
            `gap/<name>` of the percentiles among all rows, `residual/<name>` of those among like durations.
        """
        found: LabelState = {}
        for name, groups in _percentiles(config).items():
            state = Percentiles.fit_state(groups, labels)
            found |= {f"{name}/{key}": value for key, value in state.items()}
        return found

    def __init__(self, config: PairsConfig, state: LabelState, clip: float) -> None:
        super().__init__(config, state, clip)
        self.config, self.largest_weight = config, clip**-2
        for name, groups in _percentiles(config).items():
            prefix = f"{name}/"
            of = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            self.add_module(name, Percentiles(groups, of))
        if config.weighs_by_propensity:
            self.register_buffer("weight_sums", torch.zeros(2, dtype=torch.float64))

    def forward(self, rows: ListedRows) -> Tensor:
        """Return the loss; 0 where no list has a pair."""
        first_P, second_P = rows.pair_P2.unbind(1)
        sign_P, weight_P = self._compared(rows, first_P, second_P)
        if self.config.weighs_by_propensity:
            inverse_P = (rows.weight_B[first_P] * rows.weight_B[second_P]).clamp(max=self.largest_weight)
            weight_P = torch.where(weight_P > 0, weight_P * inverse_P, 0.0)
            self._account(weight_P)
        loss_P = functional.softplus(-sign_P * (rows.score_B[first_P] - rows.score_B[second_P]))
        list_P = rows.places[first_P]
        weight_G, loss_G = rows.sum(weight_P, list_P), rows.sum(weight_P * loss_P, list_P)
        counts_G = weight_G > 0
        return rows.mean_over_lists(loss_G / torch.where(counts_G, weight_G, 1.0), counts_G)

    def _compared(self, rows: ListedRows, first_P: Tensor, second_P: Tensor) -> tuple[Tensor, Tensor]:
        """Return which row of a pair is the higher, 1 or -1, and the pair's weight, 0 where it is not compared; both [P]."""
        config, label_B = self.config, rows.label_B
        whole_B = torch.round(label_B)
        gap_P = whole_B[first_P] - whole_B[second_P]
        compared_P = gap_P != 0
        if config.match == "bucket":
            log_B = torch.log(rows.duration_B)
            compared_P = compared_P & ((log_B[first_P] - log_B[second_P]).abs() <= BUCKET)
        if config.match == "residual":
            percentile_B = self.get_submodule("residual")(label_B, rows.duration_B)
            gap_P = percentile_B[first_P] - percentile_B[second_P]
            compared_P = gap_P.abs() >= LEAST_RESIDUAL
        if config.min_gap:
            compared_P = compared_P & ((label_B[first_P] - label_B[second_P]).abs() >= config.min_gap)
        compared_P = compared_P & (rows.group_B[first_P] >= 0) & (rows.group_B[second_P] >= 0)
        weight_P = compared_P.to(rows.score_B.dtype)
        if config.weights != "one":
            gain_B = label_B if rows.binary else self.get_submodule("gap")(label_B, rows.duration_B)
            weight_P = weight_P * (gain_B[first_P] - gain_B[second_P]).abs()
        if config.weights == "ndcg":
            discount_B = torch.where(rows.ranks <= config.depth, 1 / torch.log2(1 + rows.ranks), 0.0).to(weight_P.dtype)
            weight_P = weight_P * (discount_B[first_P] - discount_B[second_P]).abs()
        return torch.sign(gap_P), weight_P

    @torch.no_grad()
    def _account(self, weight_P: Tensor) -> None:
        if self.training:
            weight_P = weight_P.double()
            self.weight_sums += torch.stack([weight_P.sum(), weight_P.square().sum()])

    def after_epoch(self) -> None:
        """Refuse weights that leave too little to learn from.

        Raises:
            ValueError: if the pairs of the epoch are worth fewer than `LEAST_PAIRS` equal ones.
        """
        if not self.config.weighs_by_propensity:
            return
        total, squares = self.weight_sums.tolist()
        worth = total**2 / squares if squares else 0.0
        if worth < LEAST_PAIRS:
            raise ValueError(
                f"ranking.estimand: candidates weighs pairs so unevenly that those of an epoch are worth {worth:.0f} equal "
                f"ones, and {LEAST_PAIRS} are needed: raise propensity.clip, or choose estimand: shown"
            )
        self.weight_sums.zero_()


def _percentiles(config: PairsConfig) -> dict[str, int]:
    """Return name -> duration groups of the percentiles that a configuration compares."""
    needed = {"gap": (config.weights != "one", 1), "residual": (config.match == "residual", GROUPS)}
    return {name: groups for name, (asked, groups) in needed.items() if asked}
