"""Which learners an estimate without logged probabilities is held against, and when it is not given."""

from typing import Annotated, Literal

from pydantic import Field

from models.ranges import Number, Rows, Share, Whole, distinct
from tasks.core.settings import Block

PropensityLearner = Literal["logistic", "boosting", "mlp", "constant"]
OutcomeLearner = Literal["ridge", "boosting", "mlp", "constant"]


class NuisanceConfig(Block):
    """How seconds and errors under uniform exposure are estimated by learned propensities and outcomes, every pair of them."""

    propensities: Annotated[tuple[PropensityLearner, ...], distinct("learners")] = Field(
        default=("logistic", "boosting", "mlp"), min_length=2
    )
    """learners of the probability of exposure; constant knows nothing and is a control"""
    outcomes: Annotated[tuple[OutcomeLearner, ...], distinct("learners")] = Field(
        default=("ridge", "boosting", "mlp"), min_length=2
    )
    """learners of the expected outcome; constant knows nothing and is a control"""
    folds: Whole = Field(default=5, ge=2, le=20)
    """parts of the users; each is predicted by what was fitted on the others"""
    clip: Number = Field(default=0.01, gt=0, lt=0.5)
    """least probability that is divided by; the share of rows below it is reported"""
    draws: Whole = Field(default=3, ge=1, le=50)
    """videos drawn uniformly for every row of the log: what it is weighed against"""
    tolerated_errors: Number = Field(default=2.0, ge=0, le=100)
    """standard errors that another learner may move the estimate by"""
    tolerated_share: Share = 0.01
    """share of the estimate that another learner may always move it by"""
    minimum_rows: Rows = 1000
    """rows of the log below which nothing is estimated"""
