"""How a pair model is trained."""

from typing import Literal

from pydantic import Field

from benchmarks.pairs.models.model import PairRecipe
from benchmarks.pairs.propensity import PropensityName
from tasks.core.settings import Block


class PairTraining(Block):
    """One way of fitting, apart from the data."""

    learning_rate: float = Field(default=1e-2, gt=0)
    decay: float = Field(default=1e-3, ge=0)
    """L2 of Adam, added to the gradient; it does not carry over between loss scales, so tune it per method."""
    batch_size: int = Field(default=128, gt=0)
    """Observed ratings in a batch; pairs of D where sampling is uniform."""
    sampling: Literal["auto", "observed", "stratified", "uniform"] = "auto"
    """`observed`: batches of O alone, D = O. `stratified`: beside them pairs of N = D without O, weighted by |O|/|D| and
    |N|/|D|. `uniform`: pairs of D. `auto`: observed, or stratified where the objective needs unobserved rows."""
    per_observed: float = Field(default=2.0, gt=0)
    """Unobserved pairs in a batch for every observed one."""
    max_epochs: int = Field(default=200, gt=0)
    patience: int = Field(default=10, gt=0)
    """Epochs without a better criterion before the fit stops; with `train_loss` epochs in all, as in public code."""
    stop: Literal["log_loss", "auc", "train_loss"] = "log_loss"
    """Criterion: log-loss or (negative) AUC of the validation ratings, whose best epoch is kept; or the training loss
    of public code, which stops after more than `patience` epochs in total that lowered it by less than `tolerance`."""
    tolerance: float = Field(default=1e-5, ge=0)


class PairMethod(Block):
    """A pair model and how it is trained."""

    recipe: PairRecipe = PairRecipe()
    training: PairTraining = PairTraining()
    propensity: PropensityName = "logistic"
