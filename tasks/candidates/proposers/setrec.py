"""SETRec: a video as one slot of who watched it and some of its content, weighed by the validation day (docs/methods/retrieval.md#setrec).

Shapes: U users, V videos, B examples, H past videos, N users proposed to, W watched videos.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from models.retrieval.setrec import SetRec
from models.retrieval.watched import NONE, Content, Ids, examples, past_of_users
from tasks.candidates.audience import Audience
from tasks.candidates.config import SetRecConfig
from tasks.candidates.proposers.base import Judge, ScoringProposer
from tasks.candidates.proposers.directau import DirectAu
from tasks.candidates.proposers.fitting import Epochs, fit_network
from tasks.candidates.proposers.lightgcn import LightGcn
from tasks.candidates.proposers.vectors import Vectors
from tasks.candidates.top_k import Scores
from tasks.table.watches import Watches

VECTORS = {"directau": DirectAu, "lightgcn": LightGcn}
"""`vectors.kind` -> what learns them."""


@dataclass(frozen=True)
class Mixing:
    """What content counts beside who watched a video: (1 - beta) collaborative + beta semantic.

    Attributes:
        warm: beta of videos that somebody watched on the fit days.
        cold: that of all others; None: they are not proposed.
    """

    warm: float
    cold: float | None


@dataclass(frozen=True, eq=False)
class SetRecSlots(ScoringProposer):
    """Knows what a user watched last, and videos by their watchers, their content, or both.

    Attributes:
        model: fitted.
        past_UH: videos that each user watched last.
        mixing: how both are weighed.
    """

    model: SetRec
    past_UH: Ids
    mixing: Mixing

    @classmethod
    def reaches_new(cls, config: SetRecConfig) -> bool:
        """By slots of content."""
        return True

    @classmethod
    def fit(cls, watches: Watches, config: SetRecConfig, judge: Judge) -> Self:
        """Learn vectors, then slots and queries, then choose both betas.

        Raises:
            TrainingError: if no watched video has content.
        """
        watches.with_content("proposers of kind setrec")
        model = _begin(watches, config, judge)
        past_BH, video_B = (torch.from_numpy(part) for part in examples(watches, config.history))
        # whichever betas are tried later, the fit is the same: it ends by half of each
        proposer = cls(model, past_of_users(watches, config.history), Mixing(0.5, 0.5))
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        generator = torch.Generator().manual_seed(config.seed)
        fit_network(
            model,
            optimizer,
            len(video_B),
            lambda some: model.loss(past_BH[some], video_B[some], config.alpha),
            Epochs(config.max_epochs, config.patience, config.batch_size),
            generator,
            lambda: judge(proposer),
        )
        return proposer._chosen(config.betas, judge)

    def mixed(self, mixing: Mixing) -> Self:
        """Return the same fit under other betas."""
        return replace(self, mixing=mixing)

    @property
    def chosen(self) -> Mapping[str, float]:
        """Both betas."""
        assert self.mixing.cold is not None
        return {"beta, watched videos": self.mixing.warm, "beta, other videos": self.mixing.cold}

    def scores(self, audience: Audience) -> Scores:
        """Return the weighed logits; 0 for all of a user without a watch."""
        past_NH = np.where((audience.user_N == NONE)[:, None], NONE, self.past_UH[audience.user_N])
        knows_N = (past_NH != NONE).any(axis=1)
        score_NV = np.zeros((len(audience), len(self.model.content_VC)), dtype=np.float32)
        if knows_N.any():
            collaborative, semantic = self.model.logits(torch.from_numpy(past_NH[knows_N]))
            warm, cold, watched = self.mixing.warm, self.mixing.cold or 0.0, self.model.watched
            beta_V = torch.full((score_NV.shape[1],), cold)
            beta_V[:watched] = warm
            score_NV[knows_N] = ((1 - beta_V) * collaborative + beta_V * semantic).numpy()
        if self.mixing.cold is None:
            score_NV[:, self.model.watched :] = -np.inf
        return score_NV

    def _chosen(self, betas: tuple[float, ...], judge: Judge) -> Self:
        """Return the beta of watched videos that is best for lists of these alone, then the one of all others that is best beside
        it; of equal ones the first."""
        warm = max(betas, key=lambda beta: judge(self.mixed(Mixing(beta, None))))
        return self.mixed(Mixing(warm, max(betas, key=lambda beta: judge(self.mixed(Mixing(warm, beta))))))


def _begin(watches: Watches, config: SetRecConfig, judge: Judge) -> SetRec:
    """Learn the collaborative vectors and draw the first weights."""
    assert watches.content_VC is not None
    # Nobody was shown a new video before the validation day, so the judge asks for none that these vectors lack.
    vectors = VECTORS[config.vectors.kind].fit(watches.of_fit_days, config.vectors, judge).video_VD
    content_VC = dealt(watches.content_VC, config.seed) if config.permuted else watches.content_VC
    # Layers draw from torch's own generator, and so does dropout; what ran before must not show.
    torch.manual_seed(config.seed)
    return SetRec(
        torch.from_numpy(_for_all(vectors, watches.num_videos)),
        torch.from_numpy(content_VC),
        int((watches.watchers > 0).sum()),
        config.semantic,
        config.width,
        config.hidden,
        config.history,
        config.dropout,
    )


def _for_all(vector_VD: Vectors, num_videos: int) -> Vectors:
    """Return vectors with rows of 0 for the new videos at the end."""
    return np.pad(vector_VD, ((0, num_videos - len(vector_VD)), (0, 0)))


def dealt(content_VC: Content, seed: int) -> Content:
    """Return the content of the videos that have some, each with that of another: the control."""
    described = np.flatnonzero(~np.isnan(content_VC[:, 0]))
    found = content_VC.copy()
    found[described] = content_VC[np.random.default_rng(seed).permutation(described)]
    return found
