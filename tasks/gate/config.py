"""Every margin of the promotion gate. Definitions: docs/methods/metrics.md#promotion-gate."""

from typing import Literal

from pydantic import Field

from models.ranges import Number, Rows, Whole, WindowDays
from tasks.core.settings import Block


class HarmLimit(Block):
    """ "No evidence of harm": what is tolerated where one day is too noisy to show non-inferiority."""

    tolerance: Number = Field(ge=0, le=1)
    """the upper bound of the difference must reach minus this"""
    floor: Number = Field(lt=0, ge=-1)
    """the difference itself must lie above this, whatever its uncertainty"""


class GatePolicy(Block):
    """The `gate` block of `params.yaml`."""

    minimum_rows: Rows = 5000
    """judge rows below which nothing is decided"""
    minimum_users: Rows = 2000
    """judge users below which nothing is decided"""
    bound_z: Number = Field(default=1.645, gt=0, le=10)
    """standard errors between a difference and its one-sided bound (1.645: 5 %)"""

    refresh_xauc_margin: Number = Field(default=0.004, ge=0, le=1)
    """refresh on fewer than `pooled_days` judge days: the lower bound of the XAUC difference must reach minus this"""
    pooled_days: Whole = Field(default=4, ge=2, le=366)
    """judge days from which the pooled margins hold for a refresh"""
    pooled_xauc_margin: Number = Field(default=0.002, ge=0, le=1)
    """pooled judge days: non-inferiority margin of XAUC"""
    pooled_xgauc_margin: Number = Field(default=0.004, ge=0, le=1)
    """pooled judge days: non-inferiority margin of XGAUC"""

    anchor_margin: Number = Field(default=0.004, ge=0, le=1)
    """refresh: the lower bound of the XAUC difference to the reign's anchor must reach minus this"""
    anchor_nights: WindowDays = 91
    """nights after which an entry of the reign shown not to lie half that margin below takes the anchor's place"""
    max_age: WindowDays = 7
    """age of the champion in days beyond which a refresh is judged on all nights since its promotion, and, while those do
    not tell, on no evidence of harm; at twice this age the report warns"""
    age_harm: HarmLimit = HarmLimit(tolerance=0.002, floor=-0.02)
    """refresh of a champion beyond `max_age`: no evidence of harm on XAUC over the nights since its promotion"""

    upgrade_days: WindowDays = 7
    """nights, this one included, from which an upgrade may be decided; guardrails pool as many"""
    autocorrelated_days: WindowDays = 28
    """the same where differences of one night resemble those of the night before"""
    autocorrelation_limit: Number = Field(default=0.3, ge=-1, le=1)
    """autocorrelation of the nightly differences above which they do"""
    upgrade_seeds: Whole = Field(default=3, ge=2, le=100)
    """seeds that challenger and champion need each for an upgrade"""
    significance: Number = Field(default=0.05, gt=0, lt=1)
    """chance that a champion's whole reign promotes any configuration that is not better"""
    error_for: Literal["reign", "lifetime"] = "reign"
    """what has that chance: every reign anew, or all reigns of a source together, the j-th of which then has
    1 / (j (j + 1)) of it"""

    rmse_ratio: Number = Field(default=1.01, gt=0, le=100)
    """guardrail: upper bound of RMSE(watch_mean) over the champion's"""
    mae_seconds: Number = Field(default=0.3, ge=0, le=86_400)
    """guardrail: upper bound of the difference in MAE(watch_median), seconds"""
    tre: Number = Field(default=0.05, ge=0, le=100)
    """guardrail: |tre_signed| of watch_mean"""
    dce_max: Number = Field(default=0.20, ge=0, le=100)
    """guardrail: largest relative calibration error of a duration decile ..."""
    dce_slack: Number = Field(default=0.05, ge=0, le=100)
    """... or, if larger, the champion's plus this"""
    ranking_harm: HarmLimit = HarmLimit(tolerance=0.002, floor=-0.02)
    """guardrail: no evidence of harm on XGAUC, GAUC(long_view) and AUC(skip)"""
    cold_start_harm: HarmLimit = HarmLimit(tolerance=0.005, floor=-0.03)
    """guardrail: no evidence of harm on XAUC of new users and of new videos"""
    sparse_harm: HarmLimit = HarmLimit(tolerance=0.01, floor=-0.05)
    """guardrail: no evidence of harm on the AUC of each sparse task"""
    sparse_positives: Rows = 100
    """positives from which a sparse task is checked"""

    exposure_harm: HarmLimit = HarmLimit(tolerance=0.01, floor=-0.05)
    """guardrail: no evidence of harm under uniform exposure, on XAUC and AUC(long_view), where an estimate is trusted"""

    trivial_baselines: tuple[str, ...] = ("constant", "duration_table", "item_user_effects")
    """baselines that a first champion must beat in XAUC, with its bound"""
    baseline_floor: Literal["none", "not_inferior", "superior"] = "not_inferior"
    """what every challenger owes every enabled baseline in XAUC, over the last `upgrade_days` nights it was judged on"""
    baseline_margin: Number = Field(default=0.002, ge=0, le=1)
    """not inferior to a baseline: the lower bound of the XAUC difference must reach minus this"""

    warn_score_psi: Number = Field(default=0.2, ge=0, le=100)
    """warning: population stability index of the score against the champion's"""
    warn_scene_dce: Number = Field(default=0.20, ge=0, le=100)
    """warning: relative calibration error of a scene"""
    warn_tied_share: Number = Field(default=0.01, ge=0, le=1)
    """warning: share of row pairs with equal score"""
