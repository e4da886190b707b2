"""What of a video's content the table encodes."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.ranges import Number, Seed, Whole
from tasks.core.settings import Block, Day


class NoItems(Block):
    """No codes: a video is its own row and nothing else."""

    kind: Literal["none"] = "none"


class RqKMeansTokenizer(Block):
    """K-means of the content, then of what is left of it."""

    kind: Literal["rq_kmeans"] = "rq_kmeans"


class FsqTokenizer(Block):
    """Principal components of the content, rounded; levels are chunks of them beside each other, so there are no prefixes."""

    kind: Literal["fsq"] = "fsq"
    numbers: Whole = Field(default=2, ge=1, le=8)
    """components of a chunk; each is rounded to the numbers-th root of the codewords, to 3 values at least"""


class RqVaeTokenizer(Block):
    """Residual codes of what a small network makes of the content, learned together with it."""

    kind: Literal["rq_vae"] = "rq_vae"
    hidden: Whole = Field(default=64, ge=1, le=4096)
    """units of the one hidden layer of encoder and decoder"""
    latent: Whole = Field(default=16, ge=1, le=1024)
    """numbers of the vector that is coded"""
    epochs: Whole = Field(default=60, ge=2, le=10_000)
    """passes over the videos; in the first third there are no codebooks yet"""
    batch_size: Whole = Field(default=64, ge=1, le=65_536)
    """videos of a step"""
    learning_rate: Number = Field(default=1e-3, gt=0, le=1)
    """of AdamW"""
    beta: Number = Field(default=0.25, ge=0, le=100)
    """weight of the loss that keeps latent vectors near their codewords"""


TokenizerConfig = Annotated[RqKMeansTokenizer | FsqTokenizer | RqVaeTokenizer, Field(discriminator="kind")]


class CodedItems(Block):
    """Codes of content, learned from videos of the past, beside the video's own row."""

    kind: Literal["rq", "prefix", "random"]
    """what is looked up: every level's code (rq), the first code, the first two ... (prefix), or the codes of another video,
    drawn at random, which is the control (random)"""
    tokenizer: TokenizerConfig = RqKMeansTokenizer()
    """what finds the codes"""
    levels: Whole = Field(default=3, ge=1, le=8)
    """codes of a video, each of what the ones before it left over (of fsq: chunks beside each other)"""
    codewords: Whole = Field(default=32, ge=2, le=4096)
    """codes of a level at most"""
    videos_per_codeword: Whole = Field(default=20, ge=1, le=10_000)
    """videos of the fit days that a codeword needs; fewer videos make fewer codewords, or nothing would be shared"""
    seed: Seed = 0
    """of the first centres"""
    until: Day | None = None
    """day, in quotes: codes are learned from the catalogue's videos uploaded up to its end, or up to the last fit day where that
    comes first, and so are the same night after night (`weekly` says when they are out of date); null: every night learns
    them anew from the videos of its fit days"""

    @model_validator(mode="after")
    def _paths_mean_something(self) -> "CodedItems":
        if self.kind == "prefix" and self.tokenizer.kind == "fsq":
            raise ValueError(
                "kind 'prefix' looks up paths, and the chunks of fsq lead nowhere: set kind to 'rq', or another tokenizer"
            )
        return self


ItemsConfig = Annotated[NoItems | CodedItems, Field(discriminator="kind")]
