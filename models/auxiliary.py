"""Networks beside a task's own that an objective asks for: imputations, exposure models ...

Shape legend: B rows, E width of an encoder's output, H hidden units, K draws or folds, S statistics of a label.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from models.batch import Batch
from models.encoders import ENCODERS
from models.encoders.base import Encoded, Encoder, EncoderInput
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
        towers: dict[str, nn.Module] = {}
        for tower in asked:
            config = TowerConfig(hidden=tower.hidden, dropout=dropout)
            in_width, num_outputs = width[tower.reads], outputs[tower.gives]
            if tower.folds:
                towers[tower.name] = FoldedTower(config, in_width, num_outputs, tower.folds)
            elif tower.draws:
                towers[tower.name] = DrawnTower(config, in_width, num_outputs, tower.draws)
            else:
                towers[tower.name] = Tower(config, in_width, num_outputs)
        super().__init__(towers)
        self.asked = tuple(asked)

    def forward(self, encoded_BE: Tensor, second_BE: Tensor | None) -> dict[str, Tensor]:
        """Return the outputs of every tower, each [B], or [B, S] where it gives statistics; draws and folds [K, B, S].

        Args:
            encoded_BE: output of the tasks' encoder.
            second_BE: of the second encoder; None where there is none.
        """
        inputs: dict[str, Tensor] = {"shared": encoded_BE, "detached": encoded_BE.detach()}
        if second_BE is not None:
            inputs |= {"second": second_BE, "both": torch.cat([encoded_BE.detach(), second_BE], dim=1)}
        found: dict[str, Tensor] = {}
        for tower in self.asked:
            module = self[tower.name]
            raw: Tensor = module(inputs[tower.reads])
            name = f"{tower.name}_folds" if tower.folds else tower.name
            found[name] = raw[:, 0] if tower.gives == "logit" else raw
            if isinstance(module, DrawnTower):
                found[f"{tower.name}_draws"] = module.drawn(inputs[tower.reads])
        return found


class DrawnTower(Tower):
    """A tower that also says how sure it is of itself: its outputs in K parts of the network.

    A part has half of the last hidden units, drawn once, and twice their outputs: dropout, but with the same units for every row
    and in every step, so that what is drawn is a number of the tower and needs no generator. No part is trained as such.

    Args:
        draws: K.
    """

    masks_KH: Tensor

    def __init__(self, config: TowerConfig, in_width: int, num_outputs: int, draws: int) -> None:
        super().__init__(config, in_width, num_outputs)
        kept_KH = torch.rand(draws, self.output.in_features).argsort(dim=1) < self.output.in_features // 2
        self.register_buffer("masks_KH", 2 * kept_KH.float())

    @torch.no_grad()
    def drawn(self, h_BE: Tensor) -> Tensor:
        """Return the outputs of every part, without gradient, [K, B, S]."""
        hidden_BH = self.hidden(h_BE)
        return torch.stack([self.output(hidden_BH * mask_H) for mask_H in self.masks_KH])


class FoldedTower(nn.ModuleList):
    """K towers, each of which reads its own part of the encoding.

    Args:
        in_width: of all parts together.
        folds: K.
    """

    def __init__(self, config: TowerConfig, in_width: int, num_outputs: int, folds: int) -> None:
        super().__init__(Tower(config, in_width // folds, num_outputs) for _ in range(folds))

    def forward(self, h_BE: Tensor) -> Tensor:
        """Return the outputs of every tower, [K, B, S]."""
        return torch.stack([tower(part_BE) for tower, part_BE in zip(self, h_BE.chunk(len(self), dim=1), strict=True)])


class SideBySide(nn.ModuleList):
    """Encoders of the same kind and input, whose flat encodings stand end to end.

    Args:
        encoders: which.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        super().__init__(encoders)
        self.shape = replace(encoders[0].shape, width=sum(encoder.shape.width for encoder in encoders))

    def forward(self, batch: Batch) -> Encoded:
        """Encode one batch; the fields are those of the first."""
        parts: list[Encoded] = [encoder(batch) for encoder in self]
        return replace(parts[0], flat_BE=torch.cat([part.flat_BE for part in parts], dim=1))

    def penalty(self) -> Tensor | None:
        """Return what the loss adds for the parameters, scalar; None: nothing."""
        encoders = (encoder for encoder in self if isinstance(encoder, Encoder))
        parts = [part for encoder in encoders if (part := encoder.penalty()) is not None]
        return torch.stack(parts).sum() if parts else None


def second_encoder(recipe: Recipe, objective: type[Objective], schema: InputSchema) -> Encoder | SideBySide | None:
    """Return the encoder that no task reads, if an auxiliary tower asks for it; one per fold where a tower has folds."""
    if not any(tower.reads in ("second", "both") for tower in objective.auxiliary_towers):
        return None
    all_fields = objective.second_reads == "all"
    everything = EncoderInput.without(schema, recipe.unread(schema))
    reads = everything if all_fields else EncoderInput.only(schema, recipe.set_apart)
    config = recipe.second_encoder
    folds = max(tower.folds for tower in objective.auxiliary_towers)
    encoders = [ENCODERS[config.kind](config, schema, reads) for _ in range(folds or 1)]
    return SideBySide(encoders) if folds else encoders[0]
