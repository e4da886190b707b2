"""What a run in MLflow says of an archived night."""

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tasks.core.document import read_optional
from tasks.core.files import hash_file, hash_value
from tasks.core.layout import Workspace
from tasks.core.run_key import load_run_key
from tasks.core.yaml_file import read_yaml
from tasks.gate.decision import Decision, load_decision
from tasks.night.headline import Headline
from tasks.report import FILE as REPORT
from tasks.report.operations import FILE as OPERATIONS
from tasks.report.operations import Operations

NIGHT = "dwell.night"
CONTENT = "dwell.content"
CURRENT = "dwell.current"
"""Tags by which a night's runs are found, and told apart: a night that was run again with other numbers has another run."""
_LONGEST_PARAM, _LONGEST_TAG = 500, 5000
"""Signs that every version of MLflow takes."""


@dataclass(frozen=True)
class NightRun:
    """One archived night.

    Attributes:
        as_of: it, the run's name.
        params: what it was made from; MLflow lets nobody change them.
        metrics: model/metric with the ends of its interval, and counts of rows; likewise.
        tags: what came of it; a person may overrule a decision, so they change.
        began: milliseconds since 1970.
        ended: likewise.
    """

    as_of: dt.date
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    began: int
    ended: int

    @cached_property
    def content(self) -> str:
        """Name of all that cannot be changed in MLflow."""
        return hash_value([self.params, self.metrics])[:16]

    @property
    def midnight(self) -> int:
        """Milliseconds since 1970 at which its metrics stand: the same whenever they are sent."""
        return _milliseconds(dt.datetime.combine(self.as_of, dt.time(), dt.UTC))

    @property
    def all_tags(self) -> dict[str, str]:
        """Its tags with those by which it is found."""
        return {**self.tags, NIGHT: self.as_of.isoformat(), CONTENT: self.content, CURRENT: "true"}


def read_night(workspace: Workspace, source: str, as_of: dt.date, site_url: str | None) -> NightRun:
    """Read an archived night.

    Args:
        workspace: where it is archived.
        source: its source.
        as_of: it.
        site_url: where a web server shows the pages of nights; None: nowhere.

    Raises:
        ContractError: if another version archived it, or it is not archived.
        ConfigError: if its run.yaml or params.yaml cannot be read.
    """
    archive = workspace.night(source, as_of)
    decision, operations = load_decision(archive), read_optional(archive / OPERATIONS, Operations, "publish")
    headline = read_optional(workspace.headline(source, as_of), Headline, "publish")
    key, written = load_run_key(archive / "run.yaml"), read_yaml(archive / "params.yaml").value
    params = {
        "source": source,
        "data": key.data,
        "arithmetic": key.arithmetic,
        "champion": key.champion,
        "config": hash_file(archive / "params.yaml"),
        "recipes": ", ".join(verdict.name for verdict in decision.challengers),
        **dict(_recipes(decision, written)),
    }
    spans = list(operations.spans.values()) if operations else []
    midnight = dt.datetime.combine(as_of, dt.time(), dt.UTC)
    page = f"{source}/{as_of}/{REPORT}"
    link = f"nights/{page}" if site_url is None else f"{site_url.rstrip('/')}/{page}"
    return NightRun(
        as_of,
        {name: _cut(value, _LONGEST_PARAM) for name, value in params.items()},
        {} if headline is None else dict(_metrics(headline, decision.winner)),
        {name: _cut(value, _LONGEST_TAG) for name, value in _tags(decision, operations, link) if value},
        _milliseconds(min((span.began for span in spans), default=midnight)),
        _milliseconds(max((span.ended for span in spans), default=midnight)),
    )


def _recipes(decision: Decision, written: Any) -> Iterator[tuple[str, str]]:
    """Yield the hash of every model that was judged, and its composition as params.yaml has it."""
    for verdict in decision.challengers:
        yield f"recipe_hash/{verdict.name}", verdict.recipe_hash
        for block in ("recipes", "ensembles"):
            if verdict.name in (written.get(block) or {}):
                yield f"recipe/{verdict.name}", json.dumps(written[block][verdict.name], sort_keys=True, default=str)


def _metrics(headline: Headline, winner: str | None) -> Iterator[tuple[str, float]]:
    """Yield the headline of every model; archives of earlier versions have that of what serves alone, which is the champion unless it won."""
    yield "rows", float(headline.rows)
    yield "quarantined", float(headline.quarantined)
    serves = winner if winner is not None and headline.serves == winner else "champion"
    models = headline.models or ({serves: headline.metrics} if headline.serves else {})
    for model, metrics in sorted(models.items()):
        for name, number in sorted(metrics.items()):
            for suffix, value in (("", number.value), ("_low", number.low), ("_high", number.high)):
                if value is not None and math.isfinite(value):
                    yield f"{model}/{name}{suffix}", value


def _tags(decision: Decision, operations: Operations | None, link: str) -> Iterator[tuple[str, str | None]]:
    yield "mlflow.note.content", decision.reason
    yield "mlflow.source.name", "dwell nightly"
    yield "mlflow.source.type", "JOB"
    yield "dwell.decision", decision.verdict
    yield "dwell.decision_id", decision.id
    yield "dwell.kind", decision.kind
    yield "dwell.winner", decision.winner
    yield "dwell.forced_reason", decision.forced_reason
    yield "dwell.report", link
    if operations is not None:
        yield "dwell.code", operations.code
        yield "dwell.version", operations.version
        yield "dwell.commit", operations.commit
        yield "mlflow.source.git.commit", operations.commit


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _milliseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)
