"""The candidates stage: fit one proposer on the fit days, measure it on the judge day, and propose for tomorrow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import torch

from models.retrieval.watched import NONE, Ids
from tasks.candidates.audience import Audience, Later
from tasks.candidates.config import CandidatesConfig, ProposerConfig
from tasks.candidates.document import JUDGED_FILE, PROPOSALS_FILE, ProposerMetrics
from tasks.candidates.measure import Proposed, estimates, ndcg, statistics
from tasks.candidates.proposers.base import USERS_AT_A_TIME, Judge, Proposer
from tasks.candidates.registry import PROPOSERS
from tasks.core.errors import ConfigError
from tasks.core.files import write_json, writing
from tasks.core.layout import METRICS_FILE
from tasks.evaluate.night import MeasuredNight
from tasks.evaluate.stage import rounded
from tasks.features.state import history_file
from tasks.table.source import FeatureFolder
from tasks.table.training_table import SPLITS, TrainingTable
from tasks.table.watches import Watches, rows

STOPPING_LENGTH = 20
"""K of the NDCG on the validation day that ends a fit."""
STOPPING_USERS = 2000
"""Users that it is taken over at most: after every epoch each is ranked the whole catalogue for."""


@dataclass(frozen=True)
class NamedProposer:
    """A proposer of params.yaml.

    Attributes:
        name: its key there.
        config: its block.
    """

    name: str
    config: ProposerConfig


@dataclass(frozen=True, eq=False)
class FittedProposer:
    """A proposer after its fit.

    Attributes:
        proposer: names codes of videos.
        watches: what it was fitted on, and what codes stand for.
    """

    proposer: Proposer
    watches: Watches


def fit_proposer(
    table: TrainingTable, features: Path, named: NamedProposer, config: CandidatesConfig
) -> FittedProposer:
    """Fit on the fit days; the validation day may end the fit.

    Raises:
        TrainingError: if nothing was watched on the fit days.
        ConfigError: if it reads codes of videos and the table has none.
    """
    proposer = PROPOSERS[named.config.kind]
    watches = Watches.of_table(table, config.watched, servable_videos(features))
    if proposer.reaches_new(named.config):
        watches = with_new_videos(watches, table, features)
    if proposer.reads_codes(named.config):
        watches = with_item_codes(watches, table, features, f"proposers.{named.name}")
    judge = validation_judge(watches, table, config.watched)
    return FittedProposer(proposer.fit(watches, named.config, judge), watches)


def with_new_videos(watches: Watches, table: TrainingTable, features: Path) -> Watches:
    """Return watches whose catalogue ends with the videos that the fit days did not show and that were uploaded, with content and a
    known duration, before the judge day; as they are where the night carries no content."""
    if watches.content_VC is None:
        return watches
    folder = FeatureFolder.open(features)
    uploaded = folder.uploaded(None, table.validation_day)
    servable = pl.Series(servable_videos(features)).implode()
    return watches.with_new(uploaded.filter(pl.col("video_id").is_in(servable)), str(features))


def with_item_codes(watches: Watches, table: TrainingTable, features: Path, asked_by: str) -> Watches:
    """Return watches whose videos, new ones too, have the codes of the night's tokenizer, which learns nothing anew.

    Args:
        watches: on the finished catalogue.
        table: whose tokenizer.
        features: what videos hold.
        asked_by: the block that reads codes, for messages.

    Raises:
        ConfigError: if the table encodes none.
    """
    codes = table.preprocessor.items
    if codes is None:
        raise ConfigError(
            f"params.yaml: {asked_by}.items reads the codes of videos, and table.items.kind is none: set it, or leave items out"
        )
    return watches.with_codes(codes, FeatureFolder.open(features).catalogue)


def validation_judge(watches: Watches, table: TrainingTable, watched: str) -> Judge:
    """Return what says how good a proposer is on the validation day; 0 for all where nothing new was watched on it."""
    later = Later.of(watches, table, watched, "validation", ("fit",)).of_some(STOPPING_USERS)

    def judge(proposer: Proposer) -> float:
        if not len(later.audience):
            return 0.0
        return ndcg(Proposed(proposer.propose(later.audience, STOPPING_LENGTH), later))

    return judge


def candidates(
    night: MeasuredNight, table: Path, named: NamedProposer, config: CandidatesConfig, out: Path
) -> ProposerMetrics:
    """Fit, measure, propose; `tasks.candidates.document` says what is written.

    The judge day selects nothing: the proposer that is measured on it is the one that proposes for tomorrow.

    Args:
        night: its features hold the histories of `days.serve`; everybody in them gets proposals.
        table: data/table.
        named: the proposer.
        config: how many videos, and what a watch is.
        out: artifacts/models/proposers/NAME.

    Raises:
        TrainingError: if nothing was watched on the fit days.
        ConfigError: if the proposer reads codes of videos and the table has none.
    """
    torch.set_num_threads(night.threads)
    opened = TrainingTable.open(table)
    fitted = fit_proposer(opened, night.features, named, config)
    later = Later.of(fitted.watches, opened, config.watched, "judge", ("fit", "validation"))
    proposed = Proposed(fitted.proposer.propose(later.audience, config.length), later)
    with writing(out) as folder:
        folder.mkdir(parents=True)
        served_users = _propose_for_tomorrow(fitted, opened, night, config, folder / PROPOSALS_FILE)
        _judged(proposed).write_parquet(folder / JUDGED_FILE, compression="zstd")
        metrics = _metrics(named, fitted, proposed, night, config, served_users)
        write_json(folder / METRICS_FILE, rounded(metrics.as_json()))
    return metrics


def servable_videos(features: Path) -> Ids:
    """Return the videos that can be scored, which needs their duration."""
    known = pl.scan_parquet(features / "videos.parquet").filter(pl.col("duration_ms") > 0)
    return known.select("video_id").collect()["video_id"].to_numpy()


def _metrics(
    named: NamedProposer,
    fitted: FittedProposer,
    proposed: Proposed,
    night: MeasuredNight,
    config: CandidatesConfig,
    served_users: int,
) -> ProposerMetrics:
    later, watches = proposed.later, fitted.watches
    users = len(later.audience)
    head = round(config.head_share * watches.num_known)
    return ProposerMetrics(
        name=named.name,
        kind=named.config.kind,
        days=tuple(day.isoformat() for day in night.days.judge),
        length=config.length,
        watched=config.watched,
        users=users,
        new_users=int((later.audience.user_N == NONE).sum()),
        relevant=later.row_P.size,
        unreachable=int((later.video_P == NONE).sum()),
        shown_again=later.shown_again,
        catalogue=watches.num_videos,
        metrics=estimates(statistics(proposed, watches, head), users, night.evaluation) if users else {},
        health=fitted.proposer.health,
        chosen=dict(fitted.proposer.chosen),
        served_users=served_users,
    )


def _judged(proposed: Proposed) -> pl.DataFrame:
    user_id_N = proposed.later.audience.user_id_N
    return pl.DataFrame({"user_id": user_id_N, "relevant": proposed.relevant, "hits": proposed.hits})


def _propose_for_tomorrow(
    fitted: FittedProposer, table: TrainingTable, night: MeasuredNight, config: CandidatesConfig, path: Path
) -> int:
    """Write proposals for everybody whom tomorrow's state knows, some users at a time; return how many users."""
    history = history_file(night.features, night.days.state_day(night.days.serve))
    users = pl.scan_parquet(history, hive_partitioning=False).select(pl.col("user_id").unique().sort()).collect()
    shown_user, shown_video, _ = rows(table, SPLITS, config.watched)
    audience = Audience.of(fitted.watches, users["user_id"].to_numpy(), shown_user, shown_video)
    writer: pq.ParquetWriter | None = None
    try:
        for begin in range(0, max(len(audience), 1), USERS_AT_A_TIME):
            part = audience.part(begin, begin + USERS_AT_A_TIME)
            rows_of_part = as_rows(fitted.proposer.propose(part, config.length), part.user_id_N, fitted.watches)
            arrow = rows_of_part.to_arrow()
            writer = writer or pq.ParquetWriter(path, arrow.schema, compression="zstd")
            writer.write_table(arrow)
    finally:
        if writer is not None:
            writer.close()
    return len(audience)


def as_rows(video_NK: Ids, user_id_N: Sequence[int] | Ids, watches: Watches) -> pl.DataFrame:
    """Return proposals as user_id, rank from 1 and video_id; empty places have no row."""
    place_N, rank_K = np.nonzero(video_NK != NONE)
    return pl.DataFrame(
        {
            "user_id": np.asarray(user_id_N)[place_N],
            "rank": (rank_K + 1).astype(np.int16),
            "video_id": watches.video_id_V[video_NK[place_N, rank_K]],
        }
    )
