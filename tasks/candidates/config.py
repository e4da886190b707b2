"""What is proposed to each user, and by whom."""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from models.ranges import (
    BatchRows,
    Copies,
    Decay,
    Dropout,
    Number,
    Seed,
    Share,
    Steps,
    StepSize,
    Threads,
    Weight,
    WeightOrNone,
    Whole,
    Width,
    distinct,
)
from models.retrieval.config import DirectAuOptions, GacnOptions, LightGcnOptions, MetricOptions
from tasks.core.names import Label
from tasks.core.settings import Block


class CandidatesConfig(Block):
    """The `candidates` block of `params.yaml`: what every proposer of `nightly.proposers` has in common."""

    length: Whole = Field(default=50, ge=1, le=10_000)
    """videos proposed to each user, and K of recall@K"""
    watched: Label = "long_view"
    """binary label that makes an impression a watch: what proposers learn from and are measured by"""
    head_share: Number = Field(default=0.2, gt=0, lt=1)
    """this share of the catalogue, the most watched of the fit days, is its head; all other videos are the tail"""
    threads: Threads = 1
    """processor threads; a fixed number gives fixed bits"""


class PopularityConfig(Block):
    """The videos that most users watched, the same for everybody: a floor."""

    kind: Literal["popularity"] = "popularity"


class CoOccurrenceConfig(Block):
    """Videos watched by users who watched the same as this one: a floor."""

    kind: Literal["co_occurrence"] = "co_occurrence"


class RandomConfig(Block):
    """Videos drawn by a hash: the control that every other proposer has to beat."""

    kind: Literal["random"] = "random"
    seed: Seed = 0
    """of the hash"""


class FittedVectors(Block):
    """What proposers that learn a vector of every user and video have in common."""

    width: Width = 64
    """numbers of a vector"""
    max_epochs: Steps = 60
    """passes over the watched pairs at most"""
    patience: Steps = 8
    """epochs without a better NDCG@20 on the validation day that end the fit"""
    seed: Seed = 0
    """of the first vectors and of the order of pairs"""


class DirectAuConfig(FittedVectors, DirectAuOptions):
    """Vectors of users and videos learned by alignment and uniformity, without negatives."""

    kind: Literal["directau"] = "directau"


class LightGcnConfig(FittedVectors, LightGcnOptions):
    """Vectors of users and videos, spread along who watched what."""

    kind: Literal["lightgcn"] = "lightgcn"


class MetricConfig(FittedVectors, MetricOptions):
    """A distance between users and videos, learned from the content of the videos watched: needs features.content."""

    kind: Literal["metric"] = "metric"


TwoHeads = TypeVar("TwoHeads", "SeaterConfig", "SetRecConfig")


class SeaterConfig(Block):
    """A walk down a balanced tree of all videos, from what a user watched last: not validated, off unless asked for."""

    kind: Literal["seater"] = "seater"
    branching: Whole = Field(default=8, ge=2, le=64)
    """children of a node at most; best where a power of it lies close above the number of videos"""
    tree: Literal["directau", "random"] = "directau"
    """what hangs videos side by side: vectors of DirectAU, or chance, which is the control"""
    vectors: DirectAuConfig = DirectAuConfig()
    """the fit of these vectors"""
    width: Width = 64
    """numbers of a token's vector, a multiple of two"""
    history: Whole = Field(default=20, ge=1, le=200)
    """videos watched last that are read"""
    dropout: Dropout = 0.2
    """share of activations dropped in a fit"""
    align: WeightOrNone = 0.05
    """weight of the loss that draws a token to its parent"""
    rank: WeightOrNone = 0.05
    """weight of the loss that orders videos by how much of the path they share"""
    temperature: Weight = 0.2
    """of the loss that draws a token to its parent"""
    learning_rate: StepSize = 0.001
    """size of a step"""
    weight_decay: Decay = 0.00001
    """decoupled decay of all weights"""
    batch_size: BatchRows = 256
    """watches of a step"""
    max_epochs: Steps = 60
    """passes over the watches at most"""
    patience: Steps = 5
    """epochs without a better NDCG@20 on the validation day that end the fit"""
    seed: Seed = 0
    """of the tree, of the first weights and of the order of examples"""

    @model_validator(mode="after")
    def _even(self) -> "SeaterConfig":
        return _of_two_heads(self)


class SasRecConfig(Block):
    """Every video's inner product with a Transformer's state of what a user watched, in order."""

    kind: Literal["sasrec"] = "sasrec"
    width: Width = 64
    """numbers of a video's vector and of a state"""
    items: Literal["none", "joined", "alone"] = Field(default="none", exclude_if=lambda items: items == "none")
    """what a video's vector is made of: a row of its own (none), the rows of its codes under table.items beside it (joined), or these
    alone; with codes videos that came after the fit days are proposed too"""
    blocks: Copies = 2
    """layers of attention"""
    history: Whole = Field(default=50, ge=1, le=200)
    """videos watched last that are read"""
    dropouts: Annotated[tuple[Dropout, ...], Field(min_length=1, max_length=8), distinct("dropouts")] = (0.2, 0.5)
    """shares of activations dropped in a fit, each a fit of its own, among which the validation day chooses"""
    learning_rate: StepSize = 0.001
    """size of a step"""
    batch_size: BatchRows = 128
    """users of a step"""
    max_epochs: Steps = 60
    """passes over the users at most"""
    patience: Steps = 5
    """epochs without a better NDCG@20 on the validation day that end the fit"""
    seed: Seed = 0
    """of the first weights and of the order of users"""


class GacnConfig(FittedVectors, GacnOptions):
    """Vectors that agree between views of the graph of watches: not validated, off unless asked for; needs features.content."""

    kind: Literal["gacn"] = "gacn"


class SetRecConfig(Block):
    """A video as one slot of who watched it and some of its content, asked for by what a user watched last: needs
    features.content. Reaches videos that came after the fit days."""

    kind: Literal["setrec"] = "setrec"
    vectors: Annotated[DirectAuConfig | LightGcnConfig, Field(discriminator="kind")] = LightGcnConfig(loss="bpr")
    """the fit of the vectors of who watched what"""
    semantic: Copies = 4
    """slots of content"""
    alpha: WeightOrNone = 0.7
    """weight of the content that the slots have to give back"""
    betas: Annotated[tuple[Share, ...], Field(min_length=1, max_length=32), distinct("betas")] = (
        0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0,
    )  # fmt: skip
    """shares of content in a score among which the validation day chooses, one for videos that somebody watched and one for all others"""
    permuted: bool = False
    """deal the content to other videos: the control"""
    width: Width = 64
    """numbers of a slot, a multiple of two"""
    hidden: Width = 128
    """neurons between content and slots, and back"""
    history: Whole = Field(default=10, ge=1, le=200)
    """videos watched last that are read"""
    dropout: Dropout = 0.2
    """share of activations dropped in a fit"""
    learning_rate: StepSize = 0.001
    """size of a step"""
    weight_decay: Decay = 0.00001
    """decoupled decay of all weights"""
    batch_size: BatchRows = 512
    """watches of a step"""
    max_epochs: Steps = 30
    """passes over the watches at most"""
    patience: Steps = 4
    """epochs without a better NDCG@20 on the validation day that end the fit"""
    seed: Seed = 0
    """of the first weights and of the order of examples"""

    @model_validator(mode="after")
    def _even(self) -> "SetRecConfig":
        return _of_two_heads(self)


def _of_two_heads(config: TwoHeads) -> TwoHeads:
    if config.width % 2:
        raise ValueError(f"width is {config.width}, which 2 heads do not divide")
    return config


ProposerConfig = Annotated[
    PopularityConfig
    | CoOccurrenceConfig
    | RandomConfig
    | DirectAuConfig
    | LightGcnConfig
    | MetricConfig
    | SasRecConfig
    | SeaterConfig
    | SetRecConfig
    | GacnConfig,
    Field(discriminator="kind"),
]
