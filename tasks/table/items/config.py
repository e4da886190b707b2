"""What of a video's content, or of who watched it, the table encodes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from models.ranges import Number, Rows, Seed, Steps, Whole, Width
from models.retrieval.config import LightGcnOptions
from tasks.core.names import Label
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


class TreeTokenizer(Block):
    """Nodes on the way down a tree of equal shares: `levels` splits, each into as many parts, at most `codewords`, as leave a node of
    the last level `videos_per_codeword` videos."""

    kind: Literal["tree"] = "tree"


class ClusterTokenizer(Block):
    """One code, the nearest of as many centres as there are codewords; `levels` is 1."""

    kind: Literal["cluster"] = "cluster"


TokenizerConfig = Annotated[
    RqKMeansTokenizer | FsqTokenizer | RqVaeTokenizer | TreeTokenizer | ClusterTokenizer, Field(discriminator="kind")
]


class ContentVectors(Block):
    """The content of videos, which those have that nobody has seen."""

    kind: Literal["content"] = "content"


class WatchedVectors(Block):
    """What vectors that are learned from who watched what on the fit days have in common."""

    watched: Label = "long_view"
    """binary label that makes an impression a watch"""
    min_watchers: Rows = 2
    """users who watched a video, before it has a vector; others have no codes, like videos that came later"""


class CollaborativeVectors(LightGcnOptions, WatchedVectors):
    """Vectors of LightGCN, or of DirectAU where `layers` is 0; the number of epochs is fixed, since no later day may end the fit."""

    kind: Literal["collaborative"] = "collaborative"
    width: Width = 16
    """numbers of a vector"""
    epochs: Steps = 30
    """passes over the watched pairs"""
    seed: Seed = 0
    """of the first vectors and of the order of pairs"""


class CoWatchVectors(WatchedVectors):
    """Spectral embedding of the graph of videos that the same users watched: with `cluster` or `tree`, collaborative indexing (CID)."""

    kind: Literal["co_watch"] = "co_watch"
    width: Width = 16
    """eigenvectors of the graph, and so numbers of a vector"""
    seed: Seed = 0
    """of the vector that the search for eigenvectors begins with"""


VectorsConfig = Annotated[ContentVectors | CollaborativeVectors | CoWatchVectors, Field(discriminator="kind")]


class CodedItems(Block):
    """Codes of content, or of who watched what, learned from videos of the past, beside the video's own row."""

    kind: Literal["rq", "prefix", "bigram", "bpe"]
    """what is looked up: every level's code (rq), the first code, the first two ... (prefix), two levels at a time (bigram), or the pieces
    that codes of videos of the fit days often make together (bpe)"""
    control: Literal["shuffled", "random"] | None = Field(default=None, exclude_if=lambda control: control is None)
    """codes to look up in place of a video's own, to hold a gain against: those of another video, drawn at random (shuffled), or codes
    drawn at random (random); null: its own"""
    history: bool = Field(default=False, exclude_if=lambda read: not read)
    """whether past events carry the codes of their videos too, beside those of the row's own"""
    vectors: VectorsConfig = Field(
        default=ContentVectors(), exclude_if=lambda vectors: isinstance(vectors, ContentVectors)
    )
    """what codes are found for"""
    tokenizer: TokenizerConfig = RqKMeansTokenizer()
    """what finds the codes"""
    levels: Whole = Field(default=3, ge=1, le=8)
    """codes of a video, each of what the ones before it left over (of fsq: chunks beside each other, of tree: splits)"""
    codewords: Whole = Field(default=32, ge=2, le=4096)
    """codes of a level at most"""
    videos_per_codeword: Whole = Field(default=20, ge=1, le=10_000)
    """videos of the fit days that a codeword needs; fewer videos make fewer codewords, or nothing would be shared"""
    seed: Seed = 0
    """of the first centres, or of what the network begins with"""
    until: Day | None = None
    """day, in quotes: codes are learned from the catalogue's videos uploaded up to its end, or up to the last fit day where that
    comes first, and so are the same night after night while the catalogue keeps those videos (`weekly` says when they are out of
    date); null: every night learns them anew from the videos of its fit days"""

    @model_validator(mode="before")
    @classmethod
    def _one_code_of_a_cluster(cls, given: Any) -> Any:
        """Say what `levels` is where it is left out."""
        if not isinstance(given, Mapping) or "levels" in given:
            return given
        tokenizer = given.get("tokenizer")
        kind = tokenizer.get("kind") if isinstance(tokenizer, Mapping) else getattr(tokenizer, "kind", None)
        return {**given, "levels": 1} if kind == "cluster" else given

    @model_validator(mode="after")
    def _fits_together(self) -> "CodedItems":
        if self.kind == "prefix" and self.tokenizer.kind == "fsq":
            raise ValueError(
                "kind 'prefix' looks up paths, and the chunks of fsq lead nowhere: set kind to 'rq', or another tokenizer"
            )
        if self.kind in ("bigram", "bpe") and self.tokenizer.kind == "tree":
            raise ValueError(
                f"kind {self.kind!r} joins levels, and a node of a tree says those above it: set kind to 'rq'"
            )
        if self.tokenizer.kind == "cluster" and self.levels != 1:
            raise ValueError(
                f"tokenizer 'cluster' makes one code, not {self.levels}: leave levels out, or set another tokenizer"
            )
        if self.until is not None and self.vectors.kind != "content":
            raise ValueError(
                f"until keeps codes of content; vectors {self.vectors.kind!r} are learned anew from the fit days of every night: leave until out"
            )
        return self


ItemsConfig = Annotated[NoItems | CodedItems, Field(discriminator="kind")]
