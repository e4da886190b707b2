"""The oracle stage: what every model's metrics would be had everything been exposed at random, which a simulator knows.

It comes after the models and before the report; nothing that decides reads it. For any other source it says that the
truth is not known.
"""

from collections.abc import Mapping
from pathlib import Path

from tasks.core.files import writing
from tasks.evaluate.night import MeasuredNight
from tasks.ingest.config import SourceConfig
from tasks.oracle.document import SUMMARY, OracleResult
from tasks.simulate.config import SimulatorConfig


def oracle(
    night: MeasuredNight,
    source: SourceConfig,
    bundles: Mapping[str, Path],
    duration_ms: tuple[int, int] | None,
    out: Path,
) -> OracleResult:
    """Write `NAME.json` of every model (exposure -> metrics, as in `metrics.json`) and `oracle.json` below `out`.

    Args:
        night: its judge day is drawn anew; how many rows, and how uncertainty is drawn.
        source: where the night's rows come from.
        bundles: name -> bundle.
        duration_ms: shortest and longest duration that validation keeps; None: all.
        out: artifacts/oracle.
    """
    with writing(out) as folder:
        folder.mkdir(parents=True)
        rows = 0
        if isinstance(source, SimulatorConfig):
            rows = _measured(night, source, bundles, duration_ms, folder)
        known = isinstance(source, SimulatorConfig)
        result = OracleResult(known=known, rows=rows, models=tuple(bundles) if rows else ())
        result.write(folder / SUMMARY)
    return result


def _measured(
    night: MeasuredNight,
    source: SimulatorConfig,
    bundles: Mapping[str, Path],
    duration_ms: tuple[int, int] | None,
    folder: Path,
) -> int:
    import torch

    from tasks.oracle.experiment import exposed_rows, measure_bundle

    torch.set_num_threads(night.threads)
    rows = exposed_rows(source, night.features, night.days, night.evaluation.truth_rows, duration_ms)
    for name, bundle in bundles.items():
        measure_bundle(night, name, bundle, rows, folder)
    return rows.height
