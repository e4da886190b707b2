"""Bins that grow while a fit learns: counts its steps, and starts the outputs that begin to be read."""

import torch
from torch import nn

from models.heads.growing_bins import GrowingBins
from models.ranker import Ranker
from models.recipe import WATCH_TIME
from tasks.train.optimizers import Optimizers


class Growth:
    """What a step does for heads whose bins grow; nothing where there are none.

    A new output starts at 0, where it changes no prediction, and takes the step sizes of the output whose bin it splits
    (docs/methods/watch_time.md#progressive-bins).

    Args:
        ranker: the model.
        optimizers: of its parameters.
    """

    def __init__(self, ranker: Ranker, optimizers: Optimizers) -> None:
        self._optimizers = optimizers
        heads = {WATCH_TIME: ranker.head, **dict(ranker.further_heads.items())}
        self._growing: list[tuple[GrowingBins, nn.Linear]] = [
            (bins, ranker.towers[task].output)
            for task, head in heads.items()
            for bins in head.modules()
            if isinstance(bins, GrowingBins)
        ]

    @torch.no_grad()
    def __call__(self) -> None:
        """Count a step that was taken."""
        for bins, layer in self._growing:
            begun = bins.advance()
            if begun is None:
                continue
            parents = bins.parent_O[begun]
            for parameter in layer.parameters():
                parameter[begun] = 0
                self._optimizers.start(parameter, begun, parents)
