"""What every way of learning vectors from who watched what is set by."""

from typing import Literal

from pydantic import BaseModel, Field

from models.ranges import BatchRows, Seed, StepSize, WeightOrNone, Whole, Width


class PairVectors(BaseModel):
    """A vector of every user and video, learned from watched pairs in steps."""

    width: Width = 64
    """numbers of a vector"""
    learning_rate: StepSize = 0.01
    """size of a step"""
    batch_size: BatchRows = 1024
    """watched pairs of a step"""
    seed: Seed = 0
    """of the first vectors and of the order of pairs"""


class GraphVectors(PairVectors):
    """Vectors of users and videos, spread along who watched what."""

    layers: Whole = Field(default=2, ge=0, le=8)
    """steps along the graph; 0: none, which under directau is DirectAU and under bpr matrix factorisation"""
    loss: Literal["directau", "bpr"] = "directau"
    """what they are learned by: alignment and uniformity, or the order of a watched video and one drawn at random"""
    gamma: WeightOrNone = 0.5
    """weight of uniformity under directau"""
    penalty: WeightOrNone = 0.0001
    """weight of the squared length of the vectors before they are spread, under bpr"""
