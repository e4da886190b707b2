"""Cells of this benchmark's tables."""

from collections.abc import Sequence

from benchmarks.parts.cells import spread
from benchmarks.watchtime.measure import CONFIDENCE, Number, Scored
from tasks.evaluate.estimate import Draw, difference

COLUMNS = (
    *("XAUC", "XGAUC", "own mean: MAE / RMSE / TRE", "own median: MAE / RMSE / TRE"),
    *("calibrated: MAE", "RMSE", "signed TRE", "DCE_rel"),
)


def row(name: str, scored: Scored) -> list[str]:
    """Return one model's cells, its name first, in the order of `COLUMNS`."""
    metrics = scored.metrics
    return [
        name,
        ranked(metrics["xauc"]),
        ranked(metrics["xgauc"]),
        native(scored, "native_mean"),
        native(scored, "native_median"),
        seconds(metrics["mae"]),
        seconds(metrics["rmse"]),
        f"{metrics['tre_signed'].value:+.3f}",
        f"{metrics['dce_rel'].value:.3f}",
    ]


def paired(candidate: Sequence[Draw], reference: Sequence[Draw]) -> str:
    """Return a paired difference [interval]; draws of one metric, one per seed."""
    gap = difference(candidate, reference, CONFIDENCE)
    return f"{gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"


def ranked(number: Number) -> str:
    """Return mean ± sd between fits [interval]."""
    return f"{spread(number.value, number.seed_sd, lambda v: f'{v:.4f}')} [{number.low:.4f}, {number.high:.4f}]"


def seconds(number: Number) -> str:
    """Return mean ± sd between fits."""
    return spread(number.value, number.seed_sd, lambda v: f"{v:.2f}")


def native(scored: Scored, decode: str) -> str:
    """Return what the head says by itself, before calibration; a dash where it has no such decode."""
    if f"{decode}_mae" not in scored.metrics:
        return "-"
    mae, rmse, tre = (scored.metrics[f"{decode}_{metric}"] for metric in ("mae", "rmse", "tre"))
    return f"{mae.value:.2f} / {rmse.value:.2f} / {tre.value:.2f}"
