"""Popularity deconfounding: pairs are explained by interest times popularity, and interest alone is served.

Shape legend: B rows, O outputs of a head.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from models.component import ComponentConfig
from models.objectives.base import AuxiliaryTower, Objective, TaskRows
from models.objectives.share import share_of
from models.objectives.weights import known_everywhere
from models.propensity.base import PropensityOptions
from models.ranges import Weight, Whole


class PairsConfig(ComponentConfig):
    """Which rows are compared. eta and the counts are those of `propensity.kind: popularity`."""

    within: Literal["batch", "user"] = "batch"
    """Compare any two rows, or two rows of one user only; the latter needs batches in which users recur."""
    partners: Annotated[Whole, Field(ge=1, le=100_000)] = 16
    """Rows that each row is compared with, at most."""


class PdConfig(PairsConfig):
    """Which rows are compared."""

    kind: Literal["pd"] = "pd"


class PdaConfig(PairsConfig):
    """Which rows are compared, and how much the forecast counts."""

    kind: Literal["pda"] = "pda"
    forecast: Weight = 1.0
    """Weight of the popularity tower's own loss."""


class Pd(Objective):
    """Pairwise logistic loss on (elu(s) + 1) * pop^eta; s without popularity is served.

    Source: Zhang et al., SIGIR 2021; docs/methods/debias.md#popularity-deconfounding. pop^eta is `rows.propensity_B`, 1
    on random rows, which owe nothing to popularity. Our reading: s is the log-odds of the expected label; a pair counts
    with the difference of its two labels (o r, 0 where unobserved) and with the shares of D that its rows stand for;
    and by default a pair is any two rows, since a user rarely recurs in a batch of a log. Only the order of what it
    serves means something.
    """

    Config: ClassVar[type[ComponentConfig]] = PdConfig
    weighs_by_propensity = True

    def __init__(self, config: PairsConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.pairs = config

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss; 0 for a batch without a pair.

        Raises:
            ValueError: if the task is watch time and its head has no native mean, or a propensity is NaN.
        """
        popularity_B = known_everywhere(rows.propensity_B, self.pairs.kind)
        interest_B = functional.elu(torch.logit(share_of(rows, self.pairs.kind))) + 1
        return self._pair_loss(rows, interest_B * popularity_B)

    def _pair_loss(self, rows: TaskRows, score_B: Tensor) -> Tensor:
        """Return sum c_ij log(1 + exp(s_j - s_i)) / sum c_ij over pairs with label_i > label_j."""
        first_P, second_P = self._partners(rows.user_B)
        value_B = rows.observed_B * rows.share_label_B
        gap_P = value_B[first_P] - value_B[second_P]
        count_P = gap_P.abs() * rows.weight_B[first_P] * rows.weight_B[second_P]
        if self.pairs.within == "user":
            count_P = count_P * (rows.user_B[first_P] == rows.user_B[second_P])
        loss_P = functional.softplus(-gap_P.sign() * (score_B[first_P] - score_B[second_P]))
        total = count_P.sum()
        return (count_P * loss_P).sum() / torch.where(total > 0, total, 1.0)

    def _partners(self, user_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two rows of every pair, int64 [P]: each row with others spread over the batch, or next to it by user."""
        count = len(user_B)
        order_B = torch.arange(count, device=user_B.device)
        shifts = [1 + k * (count - 1) // self.pairs.partners for k in range(self.pairs.partners)]
        if self.pairs.within == "user":
            order_B = torch.argsort(user_B, stable=True)
            shifts = list(range(1, self.pairs.partners + 1))
        shifts = sorted({shift for shift in shifts if shift < count}) or [0]
        return order_B.repeat(len(shifts)), torch.cat([order_B.roll(-shift) for shift in shifts])


class Pda(Pd):
    """PD that serves interest times forecast popularity: popularity is used, but as it is to be, not as it was.

    Source: as `Pd`. Our reading: the forecast is a tower of its own that regresses pop^eta on all inputs, and it is added
    to the raw output as its logarithm, which for a log-odds below 0 is the published product.
    """

    Config = PdaConfig
    auxiliary_towers = (AuxiliaryTower("popularity", reads="second"),)
    serves_auxiliary = True

    def __init__(self, config: PdaConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.forecast = config.forecast

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: as `Pd`, and if the head has more than one output.
        """
        if rows.out_BO.shape[1] != 1:
            raise ValueError(
                f"objective 'pda' adds the forecast to one raw output per row, but the watch-time head has "
                f"{rows.out_BO.shape[1]}: choose a head with one output, or objective 'pd'"
            )
        logit_B = rows.auxiliary["popularity"].float()
        error_B = functional.binary_cross_entropy_with_logits(logit_B, rows.propensity_B, reduction="none")
        return super().forward(rows) + self.forecast * rows.mean(torch.where(rows.random_B, 0.0, error_B))

    def served(
        self, out_BO: Tensor, auxiliary: dict[str, Tensor], level_of: Callable[[str], Tensor] | None = None
    ) -> Tensor:
        """Return the raw output plus the logarithm of the forecast pop^eta, [B, 1]."""
        return out_BO + functional.logsigmoid(auxiliary["popularity"].float()).unsqueeze(1)
