"""The few numbers of a night that are kept for good: a page of trends reads them when its archive is long gone."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from tasks.core.document import Document, read_document
from tasks.core.errors import ContractError
from tasks.core.layout import METRICS_FILE, Workspace
from tasks.core.run_key import RunKey
from tasks.evaluate.catalogue import SUMMARY_INTERVALS
from tasks.evaluate.document import MeasuredNumber, ModelMetrics
from tasks.gate.decision import Decision
from tasks.registry.forecast import NightForecast
from tasks.validate.summary import DaySummary


class Headline(Document):
    """`nights/SOURCE/headlines/AS_OF.json`: no clock and no machine, so equal nights leave equal bytes."""

    as_of: dt.date
    verdict: str
    serves: str | None
    """recipe that serves after the night; None: nothing does"""
    metrics: dict[str, MeasuredNumber]
    """of it, or where nothing serves of the first challenger, on the judge day"""
    models: dict[str, dict[str, MeasuredNumber]] = Field(default_factory=dict)
    """the same of every challenger, and of the champion under that name; nights of earlier versions do not say"""
    rows: int
    """that arrived on the judge day"""
    quarantined: int
    """of them"""
    drift: dict[str, float]
    """column -> population stability index of the judge day against the trailing days"""


def write_headline(
    workspace: Workspace, key: RunKey, decision: Decision, forecast: NightForecast, arrived: DaySummary
) -> Path:
    """Keep the numbers of a night that has run in a workspace.

    Args:
        workspace: where it ran.
        key: the night.
        decision: what came of it.
        forecast: what it says of the next day, and who serves then.
        arrived: the rows of its judge day.
    """
    model = decision.winner or ("champion" if forecast.serves is not None else decision.challengers[0].name)
    judged = (*(verdict.name for verdict in decision.challengers), *(["champion"] if decision.champion else []))
    models = {name: _measured(workspace, name) for name in judged}
    headline = Headline(
        as_of=key.as_of,
        verdict=decision.verdict,
        serves=None if forecast.serves is None else forecast.serves.recipe,
        metrics=models[model],
        models=models,
        rows=arrived.rows_in,
        quarantined=arrived.rows_quarantined,
        drift=arrived.drift,
    )
    return headline.write(workspace.headline(key.source, key.as_of))


def _measured(workspace: Workspace, model: str) -> dict[str, MeasuredNumber]:
    found = read_document(workspace.predictions(model) / METRICS_FILE, ModelMetrics, "evaluate").metrics
    return {
        name: MeasuredNumber(value=found[name].value, low=found[name].low, high=found[name].high)
        for name in SUMMARY_INTERVALS
        if name in found
    }


def read_headlines(workspace: Workspace, source: str) -> Iterator[Headline]:
    """Yield the numbers of the nights of a source, oldest first; those of another version are left out."""
    for path in sorted(workspace.headline(source, dt.date.min).parent.glob("*.json")):
        try:
            yield read_document(path, Headline, "publish")
        except ContractError:
            continue
