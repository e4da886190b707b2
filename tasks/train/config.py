"""How a recipe is fitted: optimizer, early stopping, precision, checkpoints."""

from typing import Literal

from pydantic import Field, model_validator

from models.correction.config import CorrectionChoice, NoCorrection
from models.ranges import BatchRows, Decay, Groups, Number, Rows, Seeds, Steps, StepSize, Threads, Whole
from tasks.core.names import Name
from tasks.core.settings import Block


class CalibrationConfig(Block):
    """How the score becomes seconds: a correction, and the fields of `models.calibration.CalibratorConfig`, without
    importing it."""

    variant: Literal["per_group", "global"] = "per_group"
    """one curve per duration group, or one for all"""
    level: Literal["last_day", "all_days"] = "last_day"
    """totals as on the calibration day, or as on the mean of it and the fit days: steadier where days differ by chance"""
    groups: Groups = 10
    """equal-count duration groups (edges from fit days)"""
    min_group_rows: Rows = 500
    """a group with fewer rows uses the curve of all rows"""
    min_rows: Rows = 2_000
    """with fewer rows the calibrator is marked as refused"""
    max_tre: Number = Field(default=0.10, gt=0, le=100)
    """with totals further off on held-out users the mean calibrator is marked as refused"""
    correction: CorrectionChoice = NoCorrection()
    """what changes the seconds before that, learned on the same rows"""


class TrainingConfig(Block):
    """How one recipe is fitted."""

    seeds: Seeds = Field(default=(0,), min_length=1, max_length=100)
    """one fit per seed; the one with the lowest validation loss serves"""
    max_epochs: Steps = 12
    """passes over the fit days at most"""
    patience: Steps = 2
    """epochs without gain on the validation day before a fit ends; the best epoch's weights are kept"""
    stop_on: Literal["watch_loss", "total_loss", "xauc"] = "watch_loss"
    """what must gain on the validation day: the loss of the watch-time heads, the sum of all tasks' losses, or XAUC"""
    batch_size: BatchRows = 1024
    """rows of one step"""
    learning_rate: StepSize = 1e-3
    """step size of both optimizers"""
    weight_decay: Decay = 1e-2
    """decoupled decay of both optimizers"""
    second_moment: Literal["number", "row"] = Field(default="number", exclude_if=lambda kept: kept == "number")
    """what of embedding tables has a second moment: every number, as in AdamW, or every row, with which tables take nearly a quarter
    less memory in a fit"""
    clip_norm: Number | None = Field(default=10.0, gt=0, le=10**6)
    """largest norm of the whole gradient; null: no clipping"""
    shard_rows: Rows = 262_144
    """rows read, shuffled and held in memory at a time; a pass visits the shards in shuffled order"""
    evaluation_rows: Whole = Field(default=8_192, ge=1, le=1 << 24)
    """rows predicted at a time"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a CUDA device where there is one"""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 autocast on CUDA, float32 on the CPU"""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile; auto: on CUDA only"""
    threads: Threads = 1
    """CPU threads of a fit; a fixed number, because the last bits of sums depend on it. The kernels are small: more than one
    seldom gains, and loses much on a busy machine"""
    processes: Threads = Field(default=1, exclude_if=lambda processes: processes == 1)
    """processes that fit a recipe together: each takes a part of the rows of every batch, and owns a part of the rows of the
    embedding tables; one fits trees"""
    table_mib: Number | None = Field(default=None, gt=0, le=10**9, exclude_if=lambda limit: limit is None)
    """most that one process may hold of the embedding tables and their optimizer's state, MiB; null: no limit"""
    calibration: CalibrationConfig = CalibrationConfig()
    """from scores to seconds, fitted on the validation day"""
    checkpoint_steps: Steps = 2_000
    """steps between checkpoints, which are also written after every epoch"""


class TrainingOverride(Block):
    """Training settings of one recipe alone; what is left out is as for all."""

    max_epochs: Steps | None = None
    """passes over the fit days at most"""
    patience: Steps | None = None
    """epochs without gain before a fit ends"""
    batch_size: BatchRows | None = None
    """rows of one step"""
    learning_rate: StepSize | None = None
    """step size of both optimizers"""
    weight_decay: Decay | None = None
    """decoupled decay of both optimizers"""
    clip_norm: Number | None = Field(default=None, gt=0, le=10**6)
    """largest norm of the whole gradient; null: no clipping"""

    @model_validator(mode="after")
    def _stated(self) -> "TrainingOverride":
        empty = [name for name in self.model_fields_set - {"clip_norm"} if getattr(self, name) is None]
        if empty:
            raise ValueError(f"{', '.join(sorted(empty))}: give a value, or leave the key out")
        return self


class TrainingBlock(TrainingConfig):
    """The `training` block of `params.yaml`: settings of every recipe, and exceptions."""

    by_recipe: dict[Name, TrainingOverride] = Field(default_factory=dict)
    """recipe -> what differs for it, as `dwell tune` finds it"""

    def of(self, recipe: str) -> TrainingConfig:
        """Return the settings one recipe is fitted with."""
        shared = {name: getattr(self, name) for name in TrainingConfig.model_fields}
        changed = self.by_recipe.get(recipe, TrainingOverride()).model_dump(exclude_unset=True)
        return TrainingConfig(**{**shared, **changed})
