"""Teaches a student by rich users whose histories are cut short (docs/methods/representation.md#distillation).

Shapes: U users, V videos, N users asked for, R rich users, B of them in a step, K first rows, D width, F numbers of first rows.
"""

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from models.pretraining.base import KnownVectors
from models.pretraining.first_rows import FirstRows, numbers_of
from models.pretraining.richness import sparse_odds
from models.pretraining.student import Distance, Layers, Student, discriminator_loss, distance, generator_loss
from models.ranges import BatchRows, Decay, StepSize, WeightOrNone, Whole, Width
from models.retrieval.config import FitOptions
from models.retrieval.watched import Ids, Shown

_PSEUDO_ROWS = 5.0
"""Rows of the average video by which the log-odds of a watch of a video are drawn to those of all."""
_LEAST_SHARE = 1e-4
"""Where nobody, or everybody, watches everything."""


class DistillationOptions(FitOptions):
    """How the student learns."""

    by: Literal["distance", "adversary", "mean", "none"] = "distance"
    """what draws the student to the teacher: the distance to the vector of the same user; a discriminator between vectors of rich users and
    its own (experimental, not validated). Without a student: mean, every sparse user has the mean of the rich; none, sparse users keep the
    teacher's vectors"""
    rich: Whole = Field(default=10, ge=2, le=10**6)
    """fewest rows of the fit days that make a teacher's vector worth learning from"""
    sparse: Whole = Field(default=5, ge=1, le=50)
    """most rows of the fit days with which a user gets a vector of the student"""
    learning_rate: StepSize = 0.003
    """size of a step"""
    batch_size: BatchRows = 256
    """rich users of a step"""
    weight: WeightOrNone = 1.0
    """weight of what draws the student to the teacher, beside the loss of telling whether the user watched a later video; 0: that alone"""
    distance: Distance = "squared"
    """squared distance, where the teacher's vectors have a mean squared length of 1, or 1 - cosine"""
    hidden: Width = 32
    """neurons of the student, and of the discriminator"""
    decay: Decay = 0.01
    """decoupled weight decay of the student"""
    reweighted: bool = True
    """Count the beginning of a rich user by the odds that who begins so is sparse: the first rows of heavy users are not those of
    light ones."""
    permuted: bool = False
    """Teach every rich user by the vector of another: the control, which may keep nothing but what later watches alone teach."""


class Distillation:
    """A student and its fit.

    Args:
        shown: rows of the fit days.
        held_R: places among them of the row that the student is scored on: the last of every rich user. The teacher has not seen it.
        rows_U: how many rows every user has.
        taught: the teacher's vectors of users and of videos.
        options: how the student learns.
        generator: draws first weights, orders and, for the control, whose vector teaches whom.
    """

    def __init__(
        self,
        shown: Shown,
        held_R: Ids,
        rows_U: Ids,
        taught: tuple[KnownVectors, KnownVectors],
        options: DistillationOptions,
        generator: torch.Generator,
    ) -> None:
        user, video = taught
        self._options, self._generator = options, generator
        width = video.vector_KD.shape[1]
        self._first = FirstRows.of(shown, rows_U.size, options.sparse)
        known_R = np.isin(shown.user_N[held_R], user.code_K.numpy())
        held_R = held_R[known_R]
        self._rich_R = torch.from_numpy(shown.user_N[held_R])
        self._teacher_RD = user.vector_KD[torch.searchsorted(user.code_K, self._rich_R)]
        if options.permuted:
            self._teacher_RD = self._teacher_RD[torch.randperm(len(held_R), generator=generator)]
        self._video_VD = torch.zeros(int(shown.video_N.max()) + 1, width)
        self._video_VD[video.code_K] = video.vector_KD
        self._sparse_N = torch.from_numpy(np.flatnonzero((rows_U > 0) & (rows_U <= options.sparse)))
        self._held_R = torch.from_numpy(shown.video_N[held_R])
        self._watched_R = torch.from_numpy(shown.watched_N[held_R]).float()
        self._base_R = _log_odds(shown, held_R)[self._held_R]
        self._student = Student(numbers_of(width), options.hidden, width, generator)
        self._optimizer = self._steps_of(self._student)
        self._weight_RK = self._weights()
        if options.by == "adversary":
            self._discriminator = Layers(width, options.hidden, 1, generator)
            self._other_optimizer = self._steps_of(self._discriminator)

    def one_pass(self) -> None:
        """Learn from every rich user once."""
        order_R = torch.randperm(len(self._rich_R), generator=self._generator)
        for begin in range(0, len(order_R), self._options.batch_size):
            self._step(order_R[begin : begin + self._options.batch_size])

    @torch.no_grad()
    def vectors(self, code_N: Tensor) -> Tensor:
        """Return the student's vectors of users by all of their rows, of which each has between 1 and K, [N, D]."""
        return self._student(self._first.whole(code_N, self._video_VD))  # type: ignore[no-any-return]

    def _step(self, place_B: Tensor) -> None:
        options = self._options
        student_BKD = self._student(self._first.numbers(self._rich_R[place_B], self._video_VD))
        logit_BK = self._student.logit(student_BKD, self._video_VD[self._held_R[place_B]], self._base_R[place_B])
        watched_BK = self._watched_R[place_B][:, None].expand_as(logit_BK)
        loss_BK = functional.binary_cross_entropy_with_logits(logit_BK, watched_BK, reduction="none")
        if options.by == "distance":
            loss_BK = loss_BK + options.weight * distance(student_BKD, self._teacher_RD[place_B], options.distance)
        loss = (self._weight_RK[place_B] * loss_BK).mean()
        if options.by == "adversary":
            loss = loss + options.weight * self._deceive(place_B)
        _descend(self._optimizer, loss)

    def _deceive(self, place_B: Tensor) -> Tensor:
        """Teach the discriminator by vectors of rich users and the student's of as many sparse ones; return the student's loss by it."""
        drawn_B = torch.randint(len(self._sparse_N), (len(place_B),), generator=self._generator)
        refined_BD = self._student(self._first.whole(self._sparse_N[drawn_B], self._video_VD))
        judged = (self._teacher_RD[place_B], refined_BD.detach())
        _descend(self._other_optimizer, discriminator_loss(*(self._discriminator(of) for of in judged)))
        return generator_loss(self._discriminator(refined_BD))

    def _weights(self) -> Tensor:
        """Return how much every beginning of a rich user counts, [R, K]."""
        shape = (len(self._rich_R), self._options.sparse)
        if not self._options.reweighted or not len(self._sparse_N):
            return torch.ones(shape)
        rich_RKF = self._first.numbers(self._rich_R, self._video_VD)
        sparse_NF = self._first.whole(self._sparse_N, self._video_VD)
        return sparse_odds(sparse_NF, rich_RKF.flatten(end_dim=1)).view(shape)

    def _steps_of(self, module: torch.nn.Module) -> torch.optim.Optimizer:
        options = self._options
        return torch.optim.AdamW(module.parameters(), lr=options.learning_rate, weight_decay=options.decay)


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _log_odds(shown: Shown, held_R: Ids) -> Tensor:
    """Return the log-odds that a video is watched by whoever sees it, from all rows but those held, [V]."""
    counted_N = np.ones(shown.user_N.size)
    counted_N[held_R] = 0
    rows_V, watched_V = (np.bincount(shown.video_N, of) for of in (counted_N, counted_N * shown.watched_N))
    average = watched_V.sum() / rows_V.sum()
    share_V = ((watched_V + _PSEUDO_ROWS * average) / (rows_V + _PSEUDO_ROWS)).clip(_LEAST_SHARE, 1 - _LEAST_SHARE)
    return torch.from_numpy(np.log(share_V / (1 - share_V))).float()
