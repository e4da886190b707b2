"""The oracle stage: what every model's metrics would be had everything been exposed at random, which a simulator knows.

It comes after the models and before the report; nothing that decides reads it. For any other source it says that the
truth is not known.
"""

from collections.abc import Mapping
from pathlib import Path

from tasks.core.days import Days
from tasks.core.files import writing
from tasks.evaluate.config import EvaluationConfig
from tasks.ingest.config import SourceConfig
from tasks.oracle.document import SUMMARY, OracleResult
from tasks.simulate.config import SimulatorConfig


def oracle(
    source: SourceConfig,
    bundles: Mapping[str, Path],
    features: Path,
    days: Days,
    config: EvaluationConfig,
    duration_ms: tuple[int, int] | None,
    out: Path,
    threads: int = 1,
) -> OracleResult:
    """Write `NAME.json` of every model (exposure -> metrics, as in `metrics.json`) and `oracle.json` below `out`.

    Args:
        source: where the night's rows come from.
        bundles: name -> bundle.
        features: folder of the features stage.
        days: roles of the days.
        config: rows to draw, and how uncertainty is drawn.
        duration_ms: shortest and longest duration that validation keeps; None: all.
        out: artifacts/oracle.
        threads: CPU threads; a fixed number gives fixed bits.
    """
    with writing(out) as folder:
        folder.mkdir(parents=True)
        rows = 0
        if isinstance(source, SimulatorConfig):
            rows = _measured(source, bundles, features, days, config, duration_ms, folder, threads)
        known = isinstance(source, SimulatorConfig)
        result = OracleResult(known=known, rows=rows, models=tuple(bundles) if rows else ())
        result.write(folder / SUMMARY)
    return result


def _measured(
    source: SimulatorConfig,
    bundles: Mapping[str, Path],
    features: Path,
    days: Days,
    config: EvaluationConfig,
    duration_ms: tuple[int, int] | None,
    folder: Path,
    threads: int,
) -> int:
    import torch

    from tasks.oracle.experiment import exposed_rows, measure_bundle

    torch.set_num_threads(threads)
    rows = exposed_rows(source, features, days, config.truth_rows, duration_ms)
    for name, bundle in bundles.items():
        measure_bundle(name, bundle, features, rows, config, folder)
    return rows.height
