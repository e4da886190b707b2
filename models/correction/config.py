"""Which correction, and how it is learned: read wherever a night is configured, so without torch."""

from typing import Annotated, Literal

from pydantic import Field

from models.component import ComponentConfig
from models.ranges import BatchRows, Groups, Seed, Steps, StepSize, Whole


class NoCorrection(ComponentConfig):
    """The calibrators read what the model says."""

    kind: Literal["none"] = "none"


class CorrectionOptions(ComponentConfig):
    """What every correction is asked for."""

    score: Literal["base", "corrected"] = "base"
    """what rows are ranked by: the model's own score, or the corrected seconds"""


class DadfConfig(CorrectionOptions):
    """Buckets, size and fit of DADF's second stage."""

    kind: Literal["dadf"] = "dadf"
    buckets: Groups = 4
    """equal-count duration buckets (edges from fit days), each with a power and an expert of its own"""
    width: Whole = Field(default=64, ge=16, le=8192, multiple_of=8)
    """neurons of the first layer; the public code has 128"""
    epochs: Steps = 30
    """passes over the rows at most"""
    patience: Steps = 6
    """passes without gain on the other half of the users before a fit ends"""
    batch_size: BatchRows = 256
    """rows of one step; 2,048 in the public code, which learns from all fit days"""
    learning_rate: StepSize = 0.02
    """step size of Adagrad"""
    seed: Seed = 0
    """of the weights and the order of rows"""


CorrectionChoice = Annotated[NoCorrection | DadfConfig, Field(discriminator="kind")]
"""What, if anything, changes the seconds of a model before they are calibrated."""
