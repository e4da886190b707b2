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


class GacnOptions(FitOptions):
    """LightGCN under BPR whose vectors also have to agree between two views of the graph: not validated, off unless asked for."""

    views: Literal["learned", "dropped", "popular"] = "learned"
    """where views come from: drawn by a generator that a discriminator cannot tell from watches; watched pairs, some left out at
    random; pairs drawn in proportion to how many watched the video, which is the control"""
    layers: Whole = Field(default=2, ge=1, le=8)
    """steps along the graph"""
    neighbours: Whole = Field(default=100, ge=1, le=1000)
    """videos nearest to a user by content that a view may hold beside those watched"""
    dropped: Number = Field(default=0.2, gt=0, lt=1)
    """share of watched pairs that a view leaves out, under dropped"""
    temperature: Weight = 0.2
    """of the agreement between views"""
    mu: Weight = 10.0
    """weight of BPR beside that agreement"""
    penalty: WeightOrNone = 0.0001
    """weight of the squared length of the vectors before they are spread"""
    size: WeightOrNone = 0.1
    """weight of how far a view's number of edges is from that of watched pairs, for the generator"""
    novelty: WeightOrNone = 0.1
    """weight of the share of new edges, which the generator is to raise"""
    adversary_rate: StepSize = 0.001
    """size of a step of generator and discriminator"""
