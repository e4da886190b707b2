"""Confounding proxies as a prior of the bias: one output that must not know them, one that may, and a dial between.

Shape legend: B rows, O outputs of a head.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import AuxiliaryTower, Objective, TaskRows
from models.objectives.weights import PropensityWeights
from models.propensity.base import PropensityOptions
from models.proxy.orthogonality import explained_share
from models.ranges import Share, Weight, WeightOrNone

MEMORY = 0.02
"""Weight of the newest batch in what the diagnostics tell."""


class ProxyPriorsConfig(ComponentConfig):
    """Weights of the parts of the loss, and what is served. The proxies are the recipe's `set_apart` fields."""

    kind: Literal["proxy_priors"] = "proxy_priors"
    trade_off: Share = 0.5
    """t of what is served: 0 is the unbiased output, 1 the one that knows the proxies."""
    unbiased_weight: Weight = 1.0
    """Weight of the unbiased output's loss (lambda_u)."""
    orthogonality_weight: WeightOrNone = 1.0
    """Weight of the share of the tasks' encoding that the proxies explain (lambda_o)."""
    random_rows: Literal["alone", "beside"] = "alone"
    """The unbiased output learns from a batch's randomly exposed rows alone, where it has any; or from all observed rows,
    those of the policy re-weighted by their propensity. Where few rows are random the first is noisy."""


class ProxyPriors(Objective):
    """loss(y_b) + lambda_u L_unb(y_u) + lambda_o L_orth; serves (1 - t) y_u + t y_b.

    Source: an abstract (CP2Rec, ACM MM 2023); docs/methods/debias.md#proxy-priors; the equations are ours, not the
    paper's.

    - y_u is the task's own output: it reads everything but the proxies. L_unb is its mean loss over randomly exposed rows,
      or else the self-normalised inverse-propensity mean of the observed rows.
    - y_b = base(E_f) + gate(E_f, E_c) * proxy(E_c), with E_f the tasks' encoding, E_c that of the proxies and a gate in
      (0, 1). This is w . [h_f ; gate * h_c] with one gate per row; the gate passes no gradient to E_f. Its loss is the
      plain mean over observed rows.
    - L_orth is `explained_share`. Dense features are part of E_f and only move where `encoder.dense_width` projects them:
      a dense copy of a proxy stays readable, so do not feed it. Every task adds L_orth to its own loss.
    - Raw outputs are blended, which for a probability are its log-odds: t = 0 and t = 1 are the two outputs exactly.
    - E_c needs at least as many dimensions (`second_encoder.embedding_dim`) as a proxy has levels, less one, to keep every
      level out; with fewer, what it spans is kept out.
    """

    Config = ProxyPriorsConfig
    auxiliary_towers = (
        AuxiliaryTower("base", reads="shared"),
        AuxiliaryTower("proxy", reads="second"),
        AuxiliaryTower("gate", hidden=(16,), reads="both"),
    )
    weighs_by_propensity = True
    weighs_rows = True
    second_reads = "apart"
    serves_auxiliary = True
    explained: Tensor

    def __init__(self, config: ProxyPriorsConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.config = config
        self.trade_off = config.trade_off
        normalise = "batch" if options.self_normalise == "off" else options.self_normalise
        self.weights = PropensityWeights(options.model_copy(update={"self_normalise": normalise}))
        self.register_buffer("explained", torch.zeros(()), persistent=False)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: if the recipe sets no field apart, or the head has more than one output to blend.
        """
        second_BP = _proxies(rows)
        biased = rows.observed_mean(rows.loss_for(_biased(rows.auxiliary), rows.label_B))
        explained = explained_share(rows.encoded_BE, second_BP, rows.weight_B)
        if self.training:
            self.explained.lerp_(explained.detach(), MEMORY)
        config = self.config
        return biased + config.unbiased_weight * self._unbiased(rows) + config.orthogonality_weight * explained

    def served(
        self, out_BO: Tensor, auxiliary: dict[str, Tensor], level_of: Callable[[str], Tensor] | None = None
    ) -> Tensor:
        """Return (1 - t) y_u + t y_b, raw outputs."""
        return (1 - self.trade_off) * out_BO + self.trade_off * _biased(auxiliary)

    def diagnostics(self) -> dict[str, float]:
        """Return the share of the tasks' encoding that the proxies explained in recent batches."""
        return {"explained_by_proxies": float(self.explained)}

    def _unbiased(self, rows: TaskRows) -> Tensor:
        """Return L_unb: over the random rows of the batch alone where it has any and is asked to, else re-weighted."""
        weight_B = self.weights(rows.observed_B, rows.propensity_B, rows.random_B)
        weighted = rows.observed_mean(weight_B * rows.loss_B)
        if self.config.random_rows == "beside":
            return weighted
        random_B = rows.weight_B * rows.observed_B * rows.random_B
        total = random_B.sum()
        alone = (random_B * rows.loss_B).sum() / torch.where(total > 0, total, 1.0)
        return torch.where(total > 0, alone, weighted)


def _biased(auxiliary: dict[str, Tensor]) -> Tensor:
    """Return the raw output that may know the proxies, [B, 1]."""
    logit_B = auxiliary["base"] + torch.sigmoid(auxiliary["gate"]) * auxiliary["proxy"]
    return logit_B.unsqueeze(1)


def _proxies(rows: TaskRows) -> Tensor:
    if rows.second_BE is None or rows.second_BE.shape[1] == 0:
        raise ValueError(
            "objective 'proxy_priors' needs confounding proxies: name fields of the input in the recipe's set_apart"
        )
    if rows.out_BO.shape[1] != 1:
        raise ValueError(
            f"objective 'proxy_priors' blends one raw output per row, but the watch-time head has {rows.out_BO.shape[1]}: "
            "choose a head with one output"
        )
    return rows.second_BE
