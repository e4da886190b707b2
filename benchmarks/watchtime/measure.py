"""What a model predicts, before and after calibration, and what that is worth.

Shapes: B rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tasks.evaluate.catalogue import ACROSS_DAYS
from tasks.evaluate.estimate import Draw, Estimate, average
from tasks.evaluate.metrics import calibration, classification, point
from tasks.evaluate.metrics.grouped import grouped_xauc, xgauc
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import Rows
from tasks.predict import Model

Floats = NDArray[np.float64]
CONFIDENCE = 0.95
TASKS = ("skip", "long_view")
"""Binary tasks whose AUC is reported where a recipe learns them."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """Predictions of one seed.

    Attributes:
        score_B: ranking score.
        mean_B: calibrated mean, seconds.
        median_B: calibrated median, seconds.
        native_mean_B: the head's own mean, seconds; None where it has none.
        native_median_B: the head's own median, seconds; None where it has none.
        probability: binary task -> probability.
    """

    score_B: Floats
    mean_B: Floats
    median_B: Floats
    native_mean_B: Floats | None
    native_median_B: Floats | None
    probability: Mapping[str, Floats]

    @classmethod
    def of(cls, model: Model[Any], rows: Any, seed: int) -> "Outputs":
        """Return what one seed of a model predicts for rows that it encoded."""
        raw = model.predict_raw(rows, seed)
        served = model.calibrations[seed].apply(raw, model.duration_s(rows))
        probability = {name.removeprefix("p_"): value for name, value in raw.items() if name.startswith("p_")}
        mean_B, median_B = served["watch_mean"], served["watch_median"]
        return cls(served["score"], mean_B, median_B, raw.get("mean"), raw.get("median"), probability)

    @classmethod
    def join(cls, parts: Sequence["Outputs"]) -> "Outputs":
        """Append rows to rows."""
        first = parts[0]
        columns: dict[str, Any] = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
            if isinstance(getattr(first, field.name), np.ndarray)
        }
        absent = dict.fromkeys(["native_mean_B", "native_median_B"])
        probability = {task: np.concatenate([part.probability[task] for part in parts]) for task in first.probability}
        return cls(**{**absent, **columns, "probability": probability})

    def take(self, index: NDArray[np.int64]) -> "Outputs":
        """Return some rows."""
        columns: dict[str, Any] = {
            field.name: None if getattr(self, field.name) is None else getattr(self, field.name)[index]
            for field in fields(self)
            if field.name != "probability"
        }
        return Outputs(**columns, probability={task: value[index] for task, value in self.probability.items()})


class Number(BaseModel):
    """One metric: mean over seeds, interval from resampled users, spread between fits."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    value: float
    low: float
    high: float
    seed_sd: float | None
    """None with one seed."""
    per_seed: tuple[float, ...]

    @classmethod
    def of(cls, estimate: Estimate) -> "Number":
        """Return the part of an estimate that is kept."""
        sd = estimate.seed_sd if np.isfinite(estimate.seed_sd) else None
        return cls(value=estimate.value, low=estimate.low, high=estimate.high, seed_sd=sd, per_seed=estimate.per_seed)


class Scored(BaseModel):
    """Metrics of one model by name: `xauc`, `xgauc`, and `xgauc_across_days` where features are frozen; `mae`, `rmse`, `tre`,
    `tre_signed`, `dce_rel` after calibration; `native_mean_*` and `native_median_*` before it; `auc_<task>`."""

    model_config = ConfigDict(frozen=True)

    metrics: dict[str, Number]

    @classmethod
    def of(cls, drawn: Mapping[str, Sequence[Draw]]) -> "Scored":
        """Return the averages of what `draws` returns."""
        return cls(metrics={name: Number.of(average(found, CONFIDENCE)) for name, found in drawn.items()})


def draws(rows: Rows, outputs: Mapping[int, Outputs], resampler: Resampler) -> dict[str, list[Draw]]:
    """Return metric -> one draw per seed, ready to be averaged or compared pair by pair."""
    by_seed = [resampler.draw(statistics(rows, found)) for found in outputs.values()]
    return {name: [of_seed[name] for of_seed in by_seed] for name in by_seed[0]}


def statistics(rows: Rows, outputs: Outputs) -> dict[str, Statistic]:
    """Return every metric of one seed."""
    watch_B, units = rows.watch_B, rows.units
    found: dict[str, Statistic] = {
        "xauc": xauc_influence(watch_B, outputs.score_B, rows.users),
        "xgauc": xgauc(watch_B, outputs.score_B, rows.users, rows.days),
        "mae": point.mae(watch_B, outputs.median_B, units),
        "rmse": point.rmse(watch_B, outputs.mean_B, units),
        "tre": point.tre(watch_B, outputs.mean_B, units),
        "tre_signed": point.tre_signed(watch_B, outputs.mean_B, units),
        "dce_rel": calibration.dce_rel(watch_B, outputs.mean_B, rows.duration_groups, units),
    }
    if rows.frozen:
        found[ACROSS_DAYS] = grouped_xauc(watch_B, outputs.score_B, rows.users)
    for name, native_B in (("native_mean", outputs.native_mean_B), ("native_median", outputs.native_median_B)):
        if native_B is not None:
            found[f"{name}_mae"] = point.mae(watch_B, native_B, units)
            found[f"{name}_rmse"] = point.rmse(watch_B, native_B, units)
            found[f"{name}_tre"] = point.tre(watch_B, native_B, units)
    for task in TASKS:
        if task in outputs.probability:
            found[f"auc_{task}"] = classification.auc_influence(
                rows.labels[task], outputs.probability[task], rows.users
            )
    return found
