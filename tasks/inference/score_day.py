"""The scores of a served day by any fitted model: after a rollback, for an experiment, or of a day that is over."""

import datetime as dt
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import ConfigError, SourceError
from tasks.core.layout import JUDGE_TABLE, partition_days
from tasks.evaluate.night import MeasuredNight
from tasks.inference.named import named_bundle
from tasks.ingest import first_day
from tasks.night.belonging import refuse_others
from tasks.predict import predict_days
from tasks.score.fusion.config import NoFusion
from tasks.score.stage import Serving, score
from tasks.score.summary import ScoreSummary
from tasks.stages import Night

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class DayScores:
    """Scores that were written.

    Attributes:
        model: who made them.
        summary: of how much.
        folder: where they lie, as those of a night do.
    """

    model: str
    summary: ScoreSummary
    folder: Path


def score_day(night: Night, name: str, day: dt.date | None = None, out: Path | None = None) -> DayScores:
    """Write scores, lists and program of a day as the night's stage `score` does; nothing else changes.

    Args:
        night: the night whose features lie in the workspace.
        name: the model, as for `named_bundle`.
        day: which day's candidates; None: the day that the night serves. Earlier ones need a night of features before them.
        out: folder to write; None: scored/DAY/MODEL.

    Raises:
        ConfigError: if there is no such model, or proposals are to be scored and the night made them for another day.
        SourceError: if the features hold no state for the day.
        NightError: if the features belong to another night than run.yaml.
    """
    workspace, settings = night.workspace, night.params.score
    read = ["data/raw", "data/features"]
    proposed = None if settings.proposer is None else workspace.proposer(settings.proposer)
    if proposed is not None:
        read.append(proposed.relative_to(workspace.root).as_posix())
    refuse_others(workspace, night.params, night.key, read, "dwell score")
    found = named_bundle(night, name)
    days, served = night.days, day or night.days.serve
    have = partition_days(workspace.features / "state")
    if days.state_day(served) not in have:
        raise SourceError(
            f"the features hold no state for {served}: they have {have[0]} to {have[-1]}; `dwell nightly` makes the next"
        )
    if served != days.serve:
        if settings.proposer is not None:
            raise ConfigError(
                f"params.yaml: score.proposer {settings.proposer} has proposed videos for {days.serve}, not for {served}: "
                "set it to null to score the pool"
            )
        days = night.params.window.days(served - _DAY).since(first_day(workspace.raw))
    folder = out or workspace.scored(served, found.entry or found.name)
    measured = MeasuredNight(workspace.features, days, night.params.evaluation, settings.threads)
    workspace.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as scratch:
        judged = Path(scratch) / JUDGE_TABLE
        if not isinstance(settings.fusion, NoFusion):
            predict_days(found.path, measured.judge, judged, measured.threads)
        model, cluster = Serving(found.path, judged), night.params.cluster
        summary = score(measured, model, settings, folder, workspace.identities, proposed, cluster)
    return DayScores(str(found), summary, folder)
