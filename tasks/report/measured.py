"""One model as the judge day measured it: what an evaluation left in its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.core.document import existing, read_document, read_optional, read_rows
from tasks.core.layout import JUDGE_TABLE, METRICS_FILE
from tasks.evaluate.document import (
    DEBIASED_FILE,
    SEGMENTS_FILE,
    SERVED_VALUE_FILE,
    Debiased,
    ExposedMetrics,
    HeadlineMetric,
    MeasuredSegment,
    ModelMetrics,
    ServedValue,
)
from tasks.evaluate.reliability import FILE as RELIABILITY_FILE
from tasks.evaluate.reliability import CalibrationBin
from tasks.oracle.document import TrueMetrics
from tasks.trade_off.curves import FILE as TRADE_OFF_FILE
from tasks.trade_off.curves import TradeOffCurves

ModelKind = Literal["challenger", "champion", "baseline"]


@dataclass(frozen=True)
class MeasuredModel:
    """One model as it was measured on the judge day.

    Attributes:
        name: recipe or baseline, or "champion".
        kind: its part in the night.
        folder: its predictions.
        metrics: `metrics.json`.
        segments: `segments.json`.
        reliability: lines of `reliability.csv`.
        serving_seed: the seed that serves, or would.
        truth: exposure -> metrics of the oracle stage; empty where the truth is not known.
        trade_off: `trade_off.json`; None where the recipe has no dial.
        served_value: `served_value.json`; None where no row logged the probability of its exposure.
        debiased: `debiased.json`; None where `evaluation.nuisance` does not ask for it.
    """

    name: str
    kind: ModelKind
    folder: Path
    metrics: ModelMetrics
    segments: tuple[MeasuredSegment, ...]
    reliability: tuple[CalibrationBin, ...]
    serving_seed: int
    truth: TrueMetrics
    trade_off: TradeOffCurves | None
    served_value: ServedValue | None
    debiased: Debiased | None

    def metric(self, name: str) -> HeadlineMetric | None:
        """Return one metric with its interval; None where the model does not have it."""
        return self.metrics.metrics.get(name)

    @classmethod
    def read(
        cls, folder: Path, name: str, kind: ModelKind, stage: str, serving_seed: int, truth: TrueMetrics
    ) -> "MeasuredModel":
        """Read what an evaluation left in a folder.

        Args:
            folder: its predictions.
            name: the model.
            kind: its part in the night.
            stage: stage that evaluates it.
            serving_seed: the seed of its bundle that serves; where it was not measured, the first one stands for it.
            truth: what the oracle stage says of it.

        Raises:
            MissingArtifact: naming the file and the stage that writes it.
            ContractError: if a file is not what the stage writes today.
        """
        metrics = read_document(folder / METRICS_FILE, ModelMetrics, stage)
        existing(folder / JUDGE_TABLE, stage)
        return cls(
            name,
            kind,
            folder,
            metrics,
            read_document(folder / SEGMENTS_FILE, tuple[MeasuredSegment, ...], stage),
            read_rows(folder / RELIABILITY_FILE, CalibrationBin, stage),
            serving_seed if serving_seed in metrics.seeds else metrics.seeds[0],
            truth,
            read_optional(folder / TRADE_OFF_FILE, TradeOffCurves, stage),
            read_optional(folder / SERVED_VALUE_FILE, ServedValue, stage),
            read_optional(folder / DEBIASED_FILE, Debiased, stage),
        )

    @property
    def exposures(self) -> Mapping[str, ExposedMetrics]:
        """Everything known about the model by exposure, the truth too."""
        return dict([*self.metrics.random_exposure.items(), *self.truth.items()])
