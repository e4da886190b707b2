"""XAUC as the code of publications counts pairs, beside ours: only to hold a figure against theirs.

Source: docs/methods/metrics.md#pair-accuracy.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from tasks.core.files import write_json
from tasks.evaluate.metrics.inputs import Array
from tasks.evaluate.metrics.pairwise import xauc_cwm, xauc_sortgt, xauc_strict
from tasks.evaluate.metrics.result import MetricResult
from tasks.evaluate.table import PredictionTable

FILE = "as_published.json"
VARIANTS: Mapping[str, Callable[[Array, Array], MetricResult]] = {
    "xauc_strict": partial(xauc_strict, label_unit="ms"),
    "xauc_cwm": xauc_cwm,
    "xauc_sortgt": partial(xauc_sortgt, label_unit="ms"),
}
"""In the unit of the labels there: whole milliseconds, whole seconds for CWM."""


def write_as_published(predictions: Path, out: Path) -> None:
    """Write each variant's mean over the fits, of the rows that the product's own policy exposed.

    Args:
        predictions: the judge days' table.
        out: folder of `FILE`.

    Raises:
        PredictionError: if a score is NaN or infinite.
    """
    table = PredictionTable.read(out.name, [predictions])
    kept = table.logged
    found = {
        name: float(np.mean([count(table.y[kept], table.score(seed)[kept]).value for seed in table.seeds]))
        for name, count in VARIANTS.items()
    }
    write_json(out / FILE, found)
