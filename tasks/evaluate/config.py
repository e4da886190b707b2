"""What evaluation computes: list lengths, groups, segments and how uncertainty is drawn."""

from typing import Literal

from pydantic import Field, field_validator

from tasks.core.settings import Block

Segment = Literal["duration_decile", "scene", "is_new_user", "is_new_video", "hour_block", "popularity_decile"]


class EvaluationConfig(Block):
    """The `evaluation` block of `params.yaml`."""

    replicates: int = Field(default=1000, ge=100)
    """user-bootstrap replicates of every interval"""
    seed: int = Field(default=20220501, ge=0)
    """seed of the bootstrap weights and of the tie-breaking hash"""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """two-sided confidence of the printed intervals"""
    list_lengths: tuple[int, ...] = (3, 10)
    """k of NDCG@k, Recall@k, WT@k ..."""
    relevance: tuple[str, ...] = ("long_view", "valid_play")
    """binary labels that NDCG and Recall rank for"""
    segments: tuple[Segment, ...] = (
        *("duration_decile", "scene", "is_new_user", "is_new_video"),
        *("hour_block", "popularity_decile"),
    )
    """by what the main metrics are broken down"""
    minimum_segment_rows: int = Field(default=100, ge=1)
    """segments below are counted, but get no numbers"""
    hours_per_block: int = Field(default=4, ge=1, le=24)
    """width of an hour block"""
    duration_groups: int = Field(default=10, ge=2)
    """equal-count duration groups of DCE and Duration-XAUC (edges from fit days)"""
    prediction_bins: int = Field(default=10, ge=2)
    """equal-count bins of the predicted seconds (PCE, reliability)"""
    probability_bins: int = Field(default=15, ge=2)
    """equal-count bins of predicted probabilities (ECE, reliability)"""
    sparse_tasks: tuple[str, ...] = ("like", "follow", "comment", "forward", "profile_enter")
    """binary tasks whose AUC the comparison reports with its number of positives"""
    weight_clip: float | None = Field(default=None, gt=0)
    """largest importance weight of the off-policy estimates; null: not clipped"""
    minimum_effective_rows: float = Field(default=100, ge=1)
    """off-policy estimates from fewer effective rows are not given"""
    minimum_positives: int = Field(default=20, ge=1)
    """nor is one of a binary task from fewer rows with label 1"""
    truth_rows: int = Field(default=40_000, ge=1000)
    """simulated sources only: uniformly exposed impressions drawn beside the log, on which the truth is measured"""
    maximum_tied_share: float = Field(default=0.01, ge=0, le=1)
    """a score with a larger share of tied pairs gets a warning"""

    @field_validator("list_lengths")
    @classmethod
    def _positive(cls, lengths: tuple[int, ...]) -> tuple[int, ...]:
        if not lengths or min(lengths) < 1 or len(set(lengths)) != len(lengths):
            raise ValueError(f"list lengths must be distinct and at least 1, got {lengths}")
        return lengths
