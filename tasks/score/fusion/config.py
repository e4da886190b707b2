"""How the objectives of the model that serves are fused into one ranking score."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from models.ranges import Groups, Number, Seed, Steps, Weight, WeightOrNone, Whole
from tasks.core.names import Label
from tasks.core.settings import Block


class NoFusion(Block):
    """Lists are ordered by the watch-time score alone."""

    kind: Literal["none"] = "none"


class FusionConfig(Block):
    """What is the same for every fusion: what a list is worth, and what may enter."""

    kind: str
    k: Whole = Field(default=3, ge=1, le=1000)
    """length of the lists whose worth is maximised: the head of a user's rows of one day"""
    long_view: WeightOrNone = 5.0
    """seconds of watch time that a long view is worth (lambda_1)"""
    skip: Weight = 10.0
    """seconds of watch time that a fast skip costs (lambda_2)"""
    tasks: tuple[Label, ...] | None = None
    """binary tasks that enter beside watch time; null: all that the model predicts"""
    watch: Literal["percentile", "relative_mean"] = "percentile"
    """how watch time enters: percentile of the score, or calibrated mean over that of the duration group"""
    duration_groups: Groups = 10
    """equal-count duration groups of relative_mean"""
    search_rows: Whole = Field(default=200_000, ge=1000, le=10**9)
    """rows of the validation day that the fit looks at, whole users at random"""
    seed: Seed = 20230811
    """seed of the search, of the users it looks at and of the tie-breaking hash"""
    sweep: tuple[WeightOrNone, ...] = Field(default=(0.0, 0.5, 1.0, 2.0, 4.0), max_length=20)
    """multiples of `skip` whose trade-offs the report shows; 1 is served"""

    @field_validator("sweep")
    @classmethod
    def _with_what_serves(cls, sweep: tuple[float, ...]) -> tuple[float, ...]:
        if 1.0 not in sweep or len(set(sweep)) != len(sweep):
            raise ValueError(f"multiples are distinct, and 1 is among them; got {sweep}")
        return tuple(sorted(sweep))


class SearchedConfig(FusionConfig):
    """A fusion whose parameters are searched for."""

    trials: Steps = 200
    """points tried on the validation day"""
    caution: Number = Field(default=2.0, ge=0, le=100)
    """standard errors that a gain over the plain score has to exceed, over users; 0 believes every gain"""


class MultiplicativeConfig(SearchedConfig):
    """A product of powers."""

    kind: Literal["multiplicative"] = "multiplicative"


class AdditiveConfig(SearchedConfig):
    """A weighted sum."""

    kind: Literal["additive"] = "additive"
    space: Literal["linear", "log"] = "linear"
    """whether probabilities or their logarithms are summed"""


class RankAdditiveConfig(SearchedConfig):
    """A sum of inverse ranks."""

    kind: Literal["rank_additive"] = "rank_additive"


class MonotoneConfig(FusionConfig):
    """A sum of increasing curves, fitted by regression."""

    kind: Literal["monotone"] = "monotone"


FittedChoice = Annotated[
    MultiplicativeConfig | AdditiveConfig | RankAdditiveConfig | MonotoneConfig, Field(discriminator="kind")
]
FusionChoice = Annotated[NoFusion | FittedChoice, Field(discriminator="kind")]
