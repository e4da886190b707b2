"""An objective on a pair scorer: the counterpart of `models.ranker` where every pair of the catalogue can be listed.

Shape legend: B pairs, U users, I items, E width of an encoding, O outputs of a head (here 1).
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.pairs.models import SCORERS, ScorerConfig
from benchmarks.pairs.models.base import PairInputs, Scorer
from benchmarks.pairs.models.mf import MfConfig
from models.objectives import OBJECTIVES, ObjectiveConfig
from models.objectives.base import AuxiliaryTower, Objective, TaskRows
from models.objectives.naive import NaiveConfig
from models.propensity.base import PropensityOptions
from models.towers import Tower, TowerConfig


class PairRecipe(BaseModel):
    """One pair model, fully described."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    scorer: ScorerConfig = MfConfig()
    """What gives the main logit."""
    auxiliary: ScorerConfig = MfConfig()
    """Scorer of every auxiliary tower that does not read the main one; small at the start and with biases, because the
    mean imputed error dominates a doubly robust loss early on (docs/methods/debias.md#the-doubly-robust-loss)."""
    objective: ObjectiveConfig = NaiveConfig()
    """From row losses to the loss."""
    weights: PropensityOptions = PropensityOptions(kind="popularity")
    """Clipping and normalisation of inverse propensities; the propensities themselves come with the batches."""
    row_loss: Literal["log", "squared"] = "log"
    """Loss of a row: cross-entropy of the logit, or the squared error of its sigmoid, as in public code."""
    tower_hidden: tuple[int, ...] | None = Field(default=None)
    """Widths of towers that read an encoding; null takes what the objective asks for."""


@dataclass(frozen=True)
class PairBatch:
    """A sample of D.

    Attributes:
        user_B: int64 codes.
        item_B: int64 codes.
        label_B: float32 0/1, meaningless where not observed.
        observed_B: float32 0/1.
        weight_B: float32, the share of D each row stands for; sums to 1.
        propensity_B: float32 in (0, 1].
    """

    user_B: Tensor
    item_B: Tensor
    label_B: Tensor
    observed_B: Tensor
    weight_B: Tensor
    propensity_B: Tensor


class PairModel(nn.Module):
    """Main scorer, one scorer or tower per auxiliary logit, and the objective.

    An auxiliary tower that reads the tasks' encoder without gradient, or the second encoder, becomes a scorer of its own
    with its own parameters; the first of the latter is the second encoder. One that shares the encoder, or reads both, is
    a perceptron on the encodings.

    Args:
        recipe: which parts.
        inputs: the catalogue.

    Raises:
        ValueError: if the objective needs what pairs do not have.
    """

    def __init__(self, recipe: PairRecipe, inputs: PairInputs) -> None:
        super().__init__()
        self.recipe = recipe
        objective = OBJECTIVES[recipe.objective.kind]
        if (lacks := what_pairs_lack(objective)) is not None:
            raise ValueError(f"objective {recipe.objective.kind!r} reads {lacks}, and pairs have none")
        self.requested = objective.auxiliary_towers
        self.scorer = _scorer(recipe.scorer, inputs)
        self.second = self._second_scorer(inputs)
        self.auxiliary = nn.ModuleDict({tower.name: self._auxiliary_module(tower, inputs) for tower in self.requested})
        self.objective = objective(recipe.objective, recipe.weights)

    def loss(self, batch: PairBatch) -> Tensor:
        """Return the scalar loss of a batch."""
        logit_B, encoded_BE = self.scorer(batch.user_B, batch.item_B)
        second_BE = None if self.second is None else self.second(batch.user_B, batch.item_B)[1]
        out_BO = logit_B.unsqueeze(1)
        loss: Tensor = self.objective(
            TaskRows(
                out_BO=out_BO,
                label_B=batch.label_B,
                loss_B=self.row_loss(out_BO, batch.label_B),
                observed_B=batch.observed_B,
                weight_B=batch.weight_B,
                propensity_B=batch.propensity_B,
                random_B=torch.zeros_like(batch.observed_B, dtype=torch.bool),
                loss_for=self.row_loss,
                statistics_for=lambda label_B: label_B.unsqueeze(1),
                expected_statistics=torch.sigmoid,
                statistics_loss=self.row_loss,
                expected_loss=lambda out_BO, statistics_BS: self.row_loss(out_BO, statistics_BS[:, 0]),
                share_of=self._share,
                share_label_B=batch.label_B,
                latent_label_B=batch.label_B,
                encoded_BE=encoded_BE,
                user_B=batch.user_B,
                item_B=batch.item_B,
                second_BE=second_BE,
                auxiliary=self._auxiliary_outputs(batch.user_B, batch.item_B, encoded_BE, second_BE),
            )
        )
        return loss

    def row_loss(self, out_BO: Tensor, target_B: Tensor) -> Tensor:
        """Return the row losses of raw outputs [B, 1] against targets in [0, 1], [B]."""
        if self.recipe.row_loss == "squared":
            return (torch.sigmoid(out_BO[:, 0]) - target_B).square()
        return functional.binary_cross_entropy_with_logits(out_BO[:, 0], target_B, reduction="none")

    @torch.no_grad()
    def predict(self, user_B: Tensor, item_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the served score and its probability under the objective's link, each [B]."""
        logit_B, encoded_BE = self.scorer(user_B, item_B)
        auxiliary = {}
        if type(self.objective).serves_auxiliary:
            second_BE = None if self.second is None else self.second(user_B, item_B)[1]
            auxiliary = self._auxiliary_outputs(user_B, item_B, encoded_BE, second_BE)
        score_B = self.objective.served(logit_B.unsqueeze(1), auxiliary)[:, 0]
        return score_B, self.objective.probability(score_B)

    def parameter_groups(self, decay: float) -> list[dict[str, Any]]:
        """Return optimizer groups: offsets and the objective's own parameters are not decayed."""
        scorers = [module for module in self.modules() if isinstance(module, Scorer)]
        exempt = {id(p) for scorer in scorers for p in scorer.undecayed_parameters()}
        exempt |= {id(p) for p in self.objective.parameters()}
        trained = [p for p in self.parameters() if p.requires_grad]
        decayed = [p for p in trained if id(p) not in exempt]
        undecayed = [p for p in trained if id(p) in exempt]
        groups = [{"params": decayed, "weight_decay": decay}, {"params": undecayed, "weight_decay": 0.0}]
        return [group for group in groups if group["params"]]

    def _share(self, out_BO: Tensor) -> Tensor:
        return self.objective.probability(out_BO[:, 0])

    def _second_scorer(self, inputs: PairInputs) -> Scorer | None:
        if not any(tower.reads in ("second", "both") for tower in self.requested):
            return None
        return _scorer(self.recipe.auxiliary, inputs)

    def _auxiliary_module(self, tower: AuxiliaryTower, inputs: PairInputs) -> nn.Module:
        first = self.scorer.width
        second = 0 if self.second is None else self.second.width
        hidden = tower.hidden if self.recipe.tower_hidden is None else self.recipe.tower_hidden
        match tower.reads:
            case "detached":
                return _scorer(self.recipe.auxiliary, inputs)
            case "second":
                assert self.second is not None
                taken = any(other.reads == "second" for other in self.requested[: self.requested.index(tower)])
                return _scorer(self.recipe.auxiliary, inputs) if taken else self.second
            case "shared" | "both":
                width = first if tower.reads == "shared" else first + second
                return Tower(TowerConfig(hidden=hidden, dropout=0.0), width, 1)

    def _auxiliary_outputs(
        self, user_B: Tensor, item_B: Tensor, encoded_BE: Tensor, second_BE: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the logits of the auxiliary towers, each [B], or [B, 1] where it gives the label's one statistic."""
        logits: dict[str, Tensor] = {}
        for tower in self.requested:
            module = self.auxiliary[tower.name]
            if isinstance(module, Scorer):
                logits[tower.name] = module(user_B, item_B)[0]
            elif tower.reads == "shared":
                logits[tower.name] = module(encoded_BE)[:, 0]
            else:
                assert second_BE is not None
                logits[tower.name] = module(torch.cat([encoded_BE.detach(), second_BE], dim=1))[:, 0]
        imputations = [tower.name for tower in self.requested if tower.gives == "statistics"]
        return logits | {name: logits[name].unsqueeze(1) for name in imputations}


def what_pairs_lack(objective: type[Objective]) -> str | None:
    """Return what an objective reads and pairs do not have; None where they have all of it."""
    if objective.second_reads == "apart":
        return "fields that a recipe sets apart"
    several = any(tower.draws or tower.folds for tower in objective.auxiliary_towers)
    return "draws or folds of a tower" if several else None


def _scorer(config: ScorerConfig, inputs: PairInputs) -> Scorer:
    return SCORERS[config.kind](config, inputs)
