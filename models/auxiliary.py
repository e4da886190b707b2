"""Networks beside a task's own that an objective asks for: imputations, exposure models ...

Shape legend: B rows, E width of an encoder's output, S statistics of a label.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.encoders import ENCODERS
from models.encoders.base import Encoder, EncoderInput
from models.objectives.base import AuxiliaryTower, Objective
from models.recipe import Recipe
from models.schema import InputSchema
from models.towers import Tower, TowerConfig


class AuxiliaryTowers(nn.ModuleDict):
    """The auxiliary towers of one task, by name.

    Args:
        asked: which.
        first: width of the tasks' encoder.
        second: width of the second encoder, 0 where there is none.
        statistics: of the task's label.
        dropout: of every tower.
    """

    def __init__(
        self, asked: Sequence[AuxiliaryTower], first: int, second: int, statistics: int, dropout: float
    ) -> None:
        width = {"shared": first, "detached": first, "second": second, "both": first + second}
        outputs = {"logit": 1, "statistics": statistics}
        super().__init__(
            {
                tower.name: Tower(
                    TowerConfig(hidden=tower.hidden, dropout=dropout), width[tower.reads], outputs[tower.gives]
                )
                for tower in asked
            }
        )
        self.asked = tuple(asked)

    def forward(self, encoded_BE: Tensor, second_BE: Tensor | None) -> dict[str, Tensor]:
        """Return the outputs of every tower, each [B], or [B, S] where it gives statistics.

        Args:
            encoded_BE: output of the tasks' encoder.
            second_BE: of the second encoder; None where there is none.
        """
        inputs: dict[str, Tensor] = {"shared": encoded_BE, "detached": encoded_BE.detach()}
        if second_BE is not None:
            inputs |= {"second": second_BE, "both": torch.cat([encoded_BE.detach(), second_BE], dim=1)}
        raw = {tower.name: self[tower.name](inputs[tower.reads]) for tower in self.asked}
        logits = [tower.name for tower in self.asked if tower.gives == "logit"]
        return raw | {name: raw[name][:, 0] for name in logits}


def second_encoder(recipe: Recipe, objective: type[Objective], schema: InputSchema) -> Encoder | None:
    """Return the encoder that no task reads, if an auxiliary tower asks for it."""
    if not any(tower.reads in ("second", "both") for tower in objective.auxiliary_towers):
        return None
    all_fields = objective.second_reads == "all"
    reads = EncoderInput.without(schema, ()) if all_fields else EncoderInput.only(schema, recipe.set_apart)
    config = recipe.second_encoder
    return ENCODERS[config.kind](config, schema, reads)
