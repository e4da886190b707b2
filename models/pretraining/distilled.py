"""Vectors of users whom few rows are known of, learned from what the first rows of others told of their later vectors
(docs/methods/representation.md#distillation).

Shapes: U users, V videos, N sparse users, R rich users, B users of a step, K first rows, D width, F numbers of first rows.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import torch
from pydantic import field_validator, model_validator

from models.component import one_of
from models.pretraining.base import KnownVectors, Pretraining, PretrainingOptions
from models.pretraining.collaborative import DirectAu, LightGcn, LightGcnConfig
from models.pretraining.distillation import Distillation, DistillationOptions
from models.pretraining.metric import Metric
from models.ranges import Steps
from models.retrieval.watched import Watched

TEACHERS: dict[str, type[Pretraining]] = {"directau": DirectAu, "lightgcn": LightGcn, "metric": Metric}

if TYPE_CHECKING:
    TeacherConfig = PretrainingOptions
else:
    TeacherConfig = one_of(TEACHERS)

_OURS = ("use", "spread", "watched", "shuffled")
"""Options that the teacher has, and that say nothing of a teacher."""


class DistilledConfig(PretrainingOptions, DistillationOptions):
    """Vectors of a teacher; those of users with few rows by a student that saw rich users' histories cut short."""

    kind: Literal["distilled"] = "distilled"
    use: Literal["join"] = "join"
    """the vectors are two further fields, which the fit leaves as they are"""
    teacher: TeacherConfig = LightGcnConfig()
    """what learns the vectors of videos and of users with more rows: another pre-training, without use, spread, watched and shuffled"""
    epochs: Steps = 60
    """Passes over the rich users."""

    @field_validator("teacher", mode="after")
    @classmethod
    def _is_a_teacher(cls, teacher: PretrainingOptions) -> PretrainingOptions:
        fields = type(teacher).model_fields
        if foreign := [name for name in _OURS if getattr(teacher, name) != fields[name].default]:
            raise ValueError(f"{', '.join(foreign)}: set it beside teacher, not in it")
        return teacher

    @model_validator(mode="after")
    def _rich_have_a_row_to_spare(self) -> Self:
        if self.rich <= self.sparse:
            raise ValueError(
                f"rich {self.rich} must be above sparse {self.sparse}: a rich user's last row is kept for the student to be scored on"
            )
        return self


class Distilled(Pretraining):
    """A teacher, and a student for those of whom it knows too little."""

    Config = DistilledConfig
    reads_rows, hides = True, True

    @classmethod
    def reads_content(cls, config: DistilledConfig) -> bool:
        """Whether the teacher does."""
        return TEACHERS[config.teacher.kind].reads_content(config.teacher)

    def learned(self, watched: Watched, width: int, generator: torch.Generator) -> tuple[KnownVectors, KnownVectors]:
        """Return the teacher's vectors, and the student's of users with few rows, whether or not they watched anything."""
        config = self.config
        assert watched.shown is not None
        rows_U = np.bincount(watched.shown.user_N, minlength=watched.num_users)
        last_N = np.flatnonzero(np.append(np.diff(watched.shown.user_N) > 0, True))
        held_R = last_N[rows_U[watched.shown.user_N[last_N]] >= config.rich]
        teacher = TEACHERS[config.teacher.kind](config.teacher)
        user, video = teacher.learned(watched.without(held_R), width, generator)
        hidden_K = torch.from_numpy(rows_U < config.rich)[user.code_K]
        if hidden_K.all():
            raise ValueError(
                f"no user with {config.rich} rows of the fit days watched anything: lower rich, or take more fit days"
            )
        user, video = (of.centred().scaled(width**-0.5) for of in (replace(user, hidden_K=hidden_K), video))
        sparse_N = torch.from_numpy(np.flatnonzero((rows_U > 0) & (rows_U <= config.sparse)))
        if config.by == "mean":
            user = user.with_hidden(sparse_N, torch.zeros(len(sparse_N), width))
        elif config.by != "none" and len(sparse_N):
            learner = Distillation(watched.shown, held_R, rows_U, (user, video), config, generator)
            for _ in range(config.epochs):
                learner.one_pass()
            user = user.with_hidden(sparse_N, learner.vectors(sparse_N))
        return user, video
