"""SEATER: a tree of all videos, and a small network that walks down it (docs/methods/retrieval.md#seater).

Shapes: U users, V videos, B examples, H past videos, N users proposed to, K places.
"""

from typing import Any, Self

import numpy as np
import torch

from models.retrieval.balanced_tree import BalancedTree
from models.retrieval.seater import Seater
from models.retrieval.watched import NONE, Ids, examples, past_of_users
from tasks.candidates.audience import Audience
from tasks.candidates.config import SeaterConfig
from tasks.candidates.proposers.base import Judge, Proposer
from tasks.candidates.proposers.directau import DirectAu
from tasks.candidates.proposers.fitting import Epochs, fit_network
from tasks.candidates.proposers.popularity import Popularity
from tasks.table.watches import Watches

USERS_AT_A_TIME = 64
"""Users whose beams are held at a time."""


class SeaterWalk(Proposer):
    """Names videos at a cost that grows with the depth of the tree and not with the catalogue.

    Attributes:
        model: fitted, with its tree.
    """

    def __init__(self, model: Seater, past_UH: Ids, popular: Popularity) -> None:
        self.model, self._past_UH, self._popular = model, past_UH, popular

    @classmethod
    def fit(cls, watches: Watches, config: SeaterConfig, judge: Judge) -> Self:
        """Grow the tree, then learn to walk to what each user watched next."""
        tree = BalancedTree.grow(_vectors(watches, config, judge), config.branching, config.seed)
        # Dropout and layers draw from torch's own generator; what ran before must not show.
        torch.manual_seed(config.seed)
        model = Seater(tree, config.width, config.dropout, config.history)
        past_UH, popular = past_of_users(watches, config.history), Popularity(watches)
        past_BH, video_B = (torch.from_numpy(part) for part in examples(watches, config.history))
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        generator = torch.Generator().manual_seed(config.seed)
        proposer = cls(model, past_UH, popular)
        fit_network(
            model,
            optimizer,
            len(video_B),
            lambda some: model.loss(
                past_BH[some], video_B[some], generator, config.align, config.rank, config.temperature
            ),
            Epochs(config.max_epochs, config.patience, config.batch_size),
            generator,
            lambda: judge(proposer),
        )
        return proposer

    def propose(self, audience: Audience, k: int) -> Ids:
        """Return what a beam of width `k` finds below no leaf that was shown; what is popular where nothing was watched."""
        past_NH = np.where((audience.user_N == NONE)[:, None], NONE, self._past_UH[audience.user_N])
        parts = [np.empty((0, k), dtype=np.int64)]
        for begin in range(0, len(audience), USERS_AT_A_TIME):
            part = audience.part(begin, begin + USERS_AT_A_TIME)
            past = past_NH[begin : begin + USERS_AT_A_TIME]
            found = self._popular.propose(part, k)
            walks = (past != NONE).any(axis=1)
            if walks.any():
                barred = np.zeros((len(part), len(self.model.path_VL)), dtype=np.bool_)
                barred[part.shown_row, part.shown] = True
                beam, _ = self.model.beam(torch.from_numpy(past[walks]), k, torch.from_numpy(barred[walks]))
                found[walks] = beam.numpy()
            parts.append(found)
        return np.concatenate(parts)


def _vectors(watches: Watches, config: SeaterConfig, judge: Judge) -> Any:
    """Return what the tree is grown from, [V, D]."""
    if config.tree == "random":
        return np.random.default_rng(config.seed).normal(size=(watches.num_videos, 8)).astype(np.float32)
    vectors = DirectAu.fit(watches, config.vectors, judge).video_VD
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
