"""What evaluation computes: list lengths, groups, segments and how uncertainty is drawn."""

from typing import Annotated, Literal

from pydantic import Field

from models.ranges import Number, Rows, Seed, Share, Whole, distinct
from tasks.core.names import Label
from tasks.core.settings import Block
from tasks.evaluate.nuisance.config import NuisanceConfig

Segment = Literal["duration_decile", "scene", "is_new_user", "is_new_video", "hour_block", "popularity_decile"]

ListLength = Annotated[Whole, Field(ge=1, le=10_000)]


class EvaluationConfig(Block):
    """The `evaluation` block of `params.yaml`."""

    replicates: Whole = Field(default=1000, ge=100, le=100_000)
    """user-bootstrap replicates of every interval"""
    seed: Seed = 20220501
    """seed of the bootstrap weights and of the tie-breaking hash"""
    confidence: Number = Field(default=0.95, gt=0.5, lt=1)
    """two-sided confidence of the printed intervals"""
    list_lengths: Annotated[tuple[ListLength, ...], distinct("list lengths")] = Field(
        default=(3, 10), min_length=1, max_length=20
    )
    """k of NDCG@k, Recall@k, WT@k ..."""
    relevance: tuple[Label, ...] = ("long_view", "valid_play")
    """binary labels that NDCG and Recall rank for"""
    segments: tuple[Segment, ...] = (
        *("duration_decile", "scene", "is_new_user", "is_new_video"),
        *("hour_block", "popularity_decile"),
    )
    """by what the main metrics are broken down"""
    minimum_segment_rows: Rows = 100
    """segments below are counted, but get no numbers"""
    hours_per_block: Whole = Field(default=4, ge=1, le=24)
    """width of an hour block"""
    duration_groups: Whole = Field(default=10, ge=2, le=1000)
    """equal-count duration groups of DCE and Duration-XAUC (edges from fit days)"""
    prediction_bins: Whole = Field(default=10, ge=2, le=1000)
    """equal-count bins of the predicted seconds (PCE, reliability)"""
    probability_bins: Whole = Field(default=15, ge=2, le=1000)
    """equal-count bins of predicted probabilities (ECE, reliability)"""
    sparse_tasks: tuple[Label, ...] = ("like", "follow", "comment", "forward", "profile_enter")
    """binary tasks whose AUC the comparison reports with its number of positives"""
    weight_clip: Number | None = Field(default=None, gt=0, le=10**6)
    """largest importance weight of the off-policy estimates; null: not clipped"""
    minimum_effective_rows: Number = Field(default=100, ge=1, le=10**9)
    """off-policy estimates from fewer effective rows are not given"""
    minimum_positives: Rows = 20
    """nor is one of a binary task from fewer rows with label 1"""
    truth_rows: Whole = Field(default=40_000, ge=1000, le=10**8)
    """simulated sources only: uniformly exposed impressions drawn beside the log, on which the truth is measured"""
    maximum_tied_share: Share = 0.01
    """a score with a larger share of tied pairs gets a warning"""
    nuisance: NuisanceConfig | None = Field(default=None, exclude_if=lambda nuisance: nuisance is None)
    """seconds and errors under uniform exposure by learned propensities and outcomes, where no probability was logged, refused
    where they hinge on one learner; null: not estimated"""
