"""How vectors of users and videos are learned: read wherever a night is configured, so without torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models.ranges import BatchRows, Decay, Number, StepSize, Weight, WeightOrNone, Whole, Width


class FitOptions(BaseModel):
    """What every fit of vectors takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: StepSize = 0.01
    """size of a step"""
    batch_size: BatchRows = 1024
    """watched pairs of a step"""


class DirectAuOptions(FitOptions):
    """Alignment and uniformity, without negatives."""

    gamma: WeightOrNone = 0.5
    """weight of uniformity; 0 collapses"""
    once: bool = True
    """whether a user or video that a batch holds several times counts once in uniformity"""
    weight_decay: Decay = 0.0
    """decoupled decay of the vectors"""


class LightGcnOptions(FitOptions):
    """Vectors that are spread along who watched what."""

    layers: Whole = Field(default=2, ge=0, le=8)
    """steps along the graph; 0: none, which under bpr is matrix factorisation"""
    loss: Literal["directau", "bpr"] = "directau"
    """what they are learned by: alignment and uniformity, or the order of a watched video and one drawn at random"""
    gamma: WeightOrNone = 0.5
    """weight of uniformity under directau"""
    penalty: WeightOrNone = 0.0001
    """weight of the squared length of the vectors before they are spread, under bpr"""


class MetricOptions(FitOptions):
    """A distance learned from content."""

    hidden: Width = 64
    """neurons between content and point"""
    margin: Weight = 0.5
    """by how much further than a watched video one drawn at random has to be, as a squared distance"""
    negatives: Whole = Field(default=10, ge=1, le=1000)
    """videos drawn at random for every watch"""
    history: Whole = Field(default=20, ge=1, le=200)
    """videos watched last that say where a user is"""
    decay: Number = Field(default=0.9, gt=0, le=1)
    """weight of a past watch, as a share of that of the next newer one"""
