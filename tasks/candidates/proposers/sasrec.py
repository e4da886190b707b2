"""SASRec: every video's inner product with a state of what a user watched, in order (docs/methods/retrieval.md#sasrec).

Shapes: U users, V videos, B users of a step, H past videos, N users proposed to.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import torch

from models.encoders.history.causal import CausalSize
from models.retrieval.sasrec import SasRec
from models.retrieval.watched import NONE, Ids, past_of_users
from tasks.candidates.audience import Audience
from tasks.candidates.config import SasRecConfig
from tasks.candidates.proposers.base import Judge, ScoringProposer
from tasks.candidates.proposers.fitting import Epochs, fit_network
from tasks.candidates.top_k import Scores
from tasks.table.watches import Flags, Watches


class SasRecTopK(ScoringProposer):
    """Knows the order of a user's watches, and scores the whole catalogue for it.

    Args:
        model: fitted.
        past_UH: videos that each user watched last.
        dropout: that it was fitted with.
        strange_V: which videos have neither a row of their own nor a code: they are not proposed.
    """

    def __init__(self, model: SasRec, past_UH: Ids, dropout: float, strange_V: Flags) -> None:
        self.model, self._past_UH, self._dropout, self._strange_V = model, past_UH, dropout, strange_V

    @classmethod
    def reaches_new(cls, config: SasRecConfig) -> bool:
        """By their codes."""
        return cls.reads_codes(config)

    @classmethod
    def reads_codes(cls, config: SasRecConfig) -> bool:
        """Where they are asked for."""
        return config.items != "none"

    @classmethod
    def fit(cls, watches: Watches, config: SasRecConfig, judge: Judge) -> Self:
        """Fit with every dropout and keep the one that the validation day finds best; of equal ones the first."""
        fits = [cls._fitted(watches, config, dropout, judge) for dropout in config.dropouts]
        return fits[0] if len(fits) == 1 else max(fits, key=judge)

    @classmethod
    def _fitted(cls, watches: Watches, config: SasRecConfig, dropout: float, judge: Judge) -> Self:
        # Dropout and layers draw from torch's own generator; what ran before must not show.
        torch.manual_seed(config.seed)
        size = CausalSize(dropout=dropout, num_blocks=config.blocks, num_heads=1)
        model, strange_V = _begin(watches, config, size)
        line_UH = past_of_users(watches, config.history + 1)
        # who watched one video has nothing that came next
        past_BH, next_BH = (
            torch.from_numpy(line_UH[line_UH[:, -2] != NONE][:, cut]) for cut in (np.s_[:-1], np.s_[1:])
        )
        next_BH = next_BH.where(past_BH != NONE, NONE)
        proposer = cls(model, line_UH[:, 1:], dropout, strange_V)
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        generator = torch.Generator().manual_seed(config.seed)
        fit_network(
            model,
            optimizer,
            len(past_BH),
            lambda some: model.loss(past_BH[some], next_BH[some]),
            Epochs(config.max_epochs, config.patience, config.batch_size),
            generator,
            lambda: judge(proposer),
        )
        return proposer

    @property
    def chosen(self) -> Mapping[str, float]:
        """Share of activations dropped."""
        return {"dropout": self._dropout}

    def scores(self, audience: Audience) -> Scores:
        """Return logits; 0 for all of a user without a watch."""
        past_NH = np.where((audience.user_N == NONE)[:, None], NONE, self._past_UH[audience.user_N])
        knows_N = past_NH[:, -1] != NONE
        score_NV = np.zeros((len(audience), len(self._strange_V)), dtype=np.float32)
        if knows_N.any():
            score_NV[knows_N] = self.model.logits(torch.from_numpy(past_NH[knows_N])).numpy()
        score_NV[:, self._strange_V] = -np.inf
        return score_NV


def _begin(watches: Watches, config: SasRecConfig, size: CausalSize) -> tuple[SasRec, Flags]:
    """Draw the first weights, and tell which videos nothing is known of, [V]."""
    if config.items == "none":
        model = SasRec(watches.num_videos, config.width, size, config.history)
        return model, np.zeros(watches.num_videos, dtype=np.bool_)
    assert watches.codes is not None
    codes, taught, own_rows = watches.codes, watches.num_known, config.items == "joined"
    row_VF = torch.from_numpy(codes.row_VF)
    model = SasRec(taught, config.width, size, config.history, row_VF, codes.num_rows, own_rows)
    has_row_V = own_rows & (np.arange(watches.num_videos) < taught)
    return model, ~(codes.has_V | has_row_V)
