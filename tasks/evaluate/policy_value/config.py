"""How the value of a policy is estimated: grids of the regularised estimators, folds, resamples, and when to say nothing."""

import math
from typing import Literal

from pydantic import Field, field_validator

from tasks.core.settings import Block

GRID = (math.inf, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0)


class PolicyValueConfig(Block):
    """Settings of `estimate_value`."""

    replicates: int = Field(default=2000, ge=100)
    """bootstrap resamples of the randomised units"""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """two-sided coverage of the percentile intervals"""
    seed: int = Field(default=20191124, ge=0)
    """seed of the resamples and of the folds"""
    folds: int = Field(default=5, ge=3, le=5)
    """folds of the cross-fitted reward model"""
    choice: Literal["mse", "overlap"] = "mse"
    """how clip, tau and lambda are chosen from their grids: estimated mean squared error, or overlap of intervals"""
    clips: tuple[float, ...] = GRID
    """largest weights tried for clipped IPS and SNIPS"""
    taus: tuple[float, ...] = GRID
    """weights above which Switch-DR trusts the reward model alone"""
    shrinkages: tuple[float, ...] = (math.inf, 10_000.0, 2_500.0, 400.0, 100.0, 25.0, 4.0)
    """lambdas tried for DRos"""
    minimum_effective_rows: float = Field(default=100, ge=1)
    """no verdict from fewer effective rows"""
    minimum_positives: int = Field(default=20, ge=1)
    """no verdict from fewer rows with a positive reward"""

    @field_validator("clips", "taus", "shrinkages")
    @classmethod
    def _from_least_biased(cls, grid: tuple[float, ...]) -> tuple[float, ...]:
        if not grid or min(grid) <= 0 or list(grid) != sorted(set(grid), reverse=True):
            raise ValueError(f"a grid runs from the least biased (largest) value down and is positive, got {grid}")
        return grid
