"""Conservative doubly robust: imputed errors that the imputation itself is unsure of are left out.

Shape legend: K draws, B rows, S statistics of a label.
"""

from typing import Literal

import torch
from torch import Tensor

from models.objectives.base import AuxiliaryTower, TaskRows
from models.objectives.doubly_robust import JointConfig, JointDoublyRobust
from models.propensity.base import PropensityOptions
from models.ranges import Share

DRAWS = 10
"""Draws of the imputation, as in public code."""
_SMALL = 1e-12


class CdrConfig(JointConfig):
    """How many imputations are left out."""

    kind: Literal["cdr"] = "cdr"
    left_out: Share = 0.2
    """Share of a batch's rows whose imputed error is left out: those of the least certain pseudo-labels."""


class Cdr(JointDoublyRobust):
    """L_DR with g ê for ê, g = 0 on the share of rows with the largest var(m) / (m - mean m)^2, else 1.

    Source: Song et al., CIKM 2023 (public code read); docs/methods/debias.md#conservative-doubly-robust. var(m) is over draws
    of the tower with half of its hidden units left out. Where g = 0 a row counts by IPS: right wherever p is, and where p is
    not right a perfect imputation helps with the rows that are kept alone. Published: ê is kept where its variance is below
    10, which on a loss of that size seldom binds.
    """

    Config = CdrConfig
    auxiliary_towers = (AuxiliaryTower("imputation", reads="second", gives="statistics", draws=DRAWS),)

    def __init__(self, config: CdrConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.left_out = config.left_out

    def imputed(self, rows: TaskRows) -> Tensor:
        """Return g ê, [B]."""
        return torch.where(self.kept(rows), super().imputed(rows), 0.0)

    @torch.no_grad()
    def kept(self, rows: TaskRows) -> Tensor:
        """Return g, bool [B]."""
        draw_KBS = torch.stack([rows.expected_statistics(raw_BS) for raw_BS in rows.auxiliary["imputation_draws"]])
        mean_BS = rows.expected_statistics(rows.auxiliary["imputation"])
        centre_S = torch.stack([rows.mean(mean_B) for mean_B in mean_BS.unbind(dim=1)])
        spread_B = draw_KBS.var(dim=0, correction=0).sum(dim=1)
        doubt_B = spread_B / ((mean_BS - centre_S).square().sum(dim=1) + _SMALL)
        return doubt_B <= torch.quantile(doubt_B, 1 - self.left_out)
