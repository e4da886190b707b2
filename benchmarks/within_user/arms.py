"""One recipe under several ranking terms on the same rows, and how far each lies from the recipe without one.

The rule of every verdict stands in `RULES`, written before anything was run that is recorded.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Table
from benchmarks.watchtime.measure import CONFIDENCE, Scored
from benchmarks.watchtime.testbed import Testbed
from models.recipe import Recipe
from tasks.evaluate.estimate import Draw, difference
from tasks.train.config import TrainingConfig
from tasks.train.curves import FILE, read_curves

PLAIN, LISTS = "point loss", "point loss, lists kept together"
Terms = Mapping[str, Mapping[str, Any]]
CONTROLS: Terms = {PLAIN: {"kind": "none"}, LISTS: {"kind": "none", "keep_lists": True}}
METRICS = {"xauc": "XAUC", "xgauc": "XGAUC"}
RULES = {
    "planted": "Rule, set before the run: a term holds if its XGAUC is at least .010 above that of the point loss on either order of "
    "batches, with the interval of the difference above 0.",
    "permuted": "Rule, set before the run: nothing can be known of the order inside a list here, so every XGAUC lies within 3 standard "
    "errors (users and fits) of .5.",
    "r0": "Rule, set before the run: a term becomes the default only if the interval of its XGAUC over the point loss lies above 0, "
    "that of XAUC above -.001, and the signed TRE moves by .01 at most.",
}
ABOUT = (
    "Mean over the fits ± their standard deviation; in brackets the paired difference with its 95 % interval (users of the judge days "
    "and fits of both sides). Share: of the gradient on the head's outputs, in the best epoch."
)
_Z = 1.959964


@dataclass(frozen=True)
class Arm:
    """One fitted arm.

    Attributes:
        draws: metric -> one draw per fit.
        scored: what they average to.
        share: the term's share of the gradient in the best epochs, mean over fits; NaN without a term.
        epoch_s: CPU seconds of an epoch, everything around the fits included.
    """

    draws: Mapping[str, Sequence[Draw]]
    scored: Scored
    share: float
    epoch_s: float

    def numbers(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return {"share": self.share, "epoch_s": self.epoch_s, **self.scored.model_dump(mode="json")["metrics"]}


def fitted(
    fits: Testbed, judged: Testbed, base: Mapping[str, Any], terms: Terms, training: TrainingConfig
) -> dict[str, Arm]:
    """Fit a recipe under every term and measure it.

    Args:
        fits: where it is fitted.
        judged: rows and features that it is measured on.
        base: the recipe without a term.
        terms: arm -> `ranking` of the recipe.
        training: seeds and settings.
    """
    found = {}
    for name, ranking in terms.items():
        began = time.process_time()
        bundle = fits.fit(name.replace(" ", "_"), Recipe.model_validate({**base, "ranking": ranking}), training)
        spent = time.process_time() - began
        curves = read_curves(bundle / FILE, "train")
        best = {epoch.seed: epoch.measured for epoch in curves if epoch.best}
        shares = [measured.get("watch_time/ranking_share", math.nan) for measured in best.values()]
        drawn = judged.draws(judged.outputs(bundle))
        found[name] = Arm(drawn, Scored.of(drawn), sum(shares) / len(shares), spent / len(curves))
    return found


def gap(arm: Arm, other: Arm, metric: str) -> tuple[float, float, float]:
    """Return a paired difference and the ends of its interval over users and fits."""
    users = difference(arm.draws[metric], other.draws[metric], CONFIDENCE)
    return users.value, *_ends(users.value, (users.high - users.low) / (2 * _Z), arm, other, metric=metric)


def standard_error(arm: Arm, metric: str) -> float:
    """Return the s.e. of one arm's mean over users and fits."""
    number = arm.scored.metrics[metric]
    return math.hypot((number.high - number.low) / (2 * _Z), _fit_error(arm, metric))


def table(title: str, arms: Mapping[str, Arm], verdicts: Mapping[str, str], notes: Sequence[str]) -> Table:
    """Return one table of arms against both controls."""
    rows = []
    for name, arm in arms.items():
        cells = [name]
        for metric in METRICS:
            against = [] if name in CONTROLS else [_text(*gap(arm, arms[control], metric)) for control in CONTROLS]
            cells += [_mean(arm, metric, 4), *(against or ["", ""])]
        share = "" if math.isnan(arm.share) else f"{arm.share:.2f}"
        cells += [
            _mean(arm, "rmse", 2),
            _mean(arm, "tre_signed", 3),
            share,
            f"{arm.epoch_s:.1f}",
            verdicts.get(name, ""),
        ]
        rows.append(cells)
    against = ["against the point loss", "against lists kept"]
    metrics = [column for label in METRICS.values() for column in (label, *against)]
    columns = ["recipe", *metrics, "RMSE, s", "signed TRE", "share", "CPU s an epoch", "verdict"]
    return Table(title, columns, rows, [*notes, ABOUT], {name: arm.numbers() for name, arm in arms.items()})


def _mean(arm: Arm, metric: str, digits: int) -> str:
    return mean_sd(arm.scored.metrics[metric].per_seed, digits)


def _ends(value: float, error: float, *sides: Arm, metric: str) -> tuple[float, float]:
    reach = _Z * math.hypot(error, *(_fit_error(side, metric) for side in sides))
    return value - reach, value + reach


def _fit_error(arm: Arm, metric: str) -> float:
    """Return the part of the s.e. of a mean over fits that comes from fits; 0 for one fit, which cannot tell."""
    number = arm.scored.metrics[metric]
    return (number.seed_sd or 0.0) / math.sqrt(len(number.per_seed))


def _text(value: float, low: float, high: float) -> str:
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
