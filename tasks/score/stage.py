"""The score stage: predict every candidate pair of the next day, in parts, and keep each user's best."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import torch

from tasks.candidates.document import Proposals
from tasks.core.cluster import HERE, ClusterConfig
from tasks.core.days import HOUR_MS, midnight_ms
from tasks.core.errors import ConfigError
from tasks.core.files import unfinished, write_json, writing
from tasks.evaluate.night import MeasuredNight
from tasks.predict import export_model, load_model
from tasks.score.config import ScoreConfig
from tasks.score.fusion.config import NoFusion
from tasks.score.fusion.stage import fuse
from tasks.score.pairs import active_users, video_pool
from tasks.score.scoring import Scoring
from tasks.score.summary import FILE, ScoreSummary
from tasks.score.written import AsWritten
from tasks.table.source import FeatureFolder

MODEL = "model"
"""Folder of the exported model, below the scores."""


@dataclass(frozen=True)
class Serving:
    """The model that serves.

    Attributes:
        bundle: its folder.
        judged: its prediction table of the judge day, on which a fusion is judged.
    """

    bundle: Path
    judged: Path


def score(
    night: MeasuredNight,
    model: Serving | None,
    config: ScoreConfig,
    out: Path,
    identities: Path,
    proposed: Path | None = None,
    cluster: ClusterConfig = HERE,
) -> ScoreSummary:
    """Write scores of the day after the judge day.

    Below `out`: scores.parquet (user_id, video_id, scene, calibrated `watch_mean` and `watch_median` in seconds, the
    ranking `score`, one `p_<task>` per binary task; users in order, the pool in order), top_k.parquet (the same rows
    for each user's best `top_k` by score, with `rank` from 1), model (the model as a program that runs without
    dwell, `tasks.predict.export`) and summary.json. With a fusion of objectives both
    tables have a column `fused`, which orders the lists, and fusion.json says what it is and what it buys. Memory does
    not grow with the number of pairs. Users, videos and scenes are those of the source: text where it wrote text.

    Args:
        night: its features hold the state of `days.serve`; a fusion is fitted and judged on its days.
        model: what serves; None where no model has ever passed the gate: then only a summary is written.
        config: whom to score with what.
        out: artifacts/scores.
        identities: data/raw/identities.
        proposed: folder of the proposer whose proposals for `days.serve` are scored; None: the pool is.
        cluster: where pairs are scored.

    Raises:
        MachineError: if workers of the cluster are lost, or would give other bytes.
        SourceError: if there is no active user or no video to score.
        ConfigError: if the fusion reads a task that the model does not predict, or seconds are to be served that it does
            not know.
    """
    features, days = night.features, night.days
    if model is None:
        with writing(out) as folder:
            folder.mkdir(parents=True)
            nothing = ScoreSummary(day=days.serve, model=None)
            write_json(folder / FILE, nothing.model_dump(mode="json", include={"day", "model"}))
        return nothing
    torch.set_num_threads(night.threads)
    state_day = days.state_day(days.serve)
    source = FeatureFolder.open(features)
    users = active_users(features, state_day, source.timezone, config.active_days)
    proposals = None if proposed is None else Proposals.read(proposed)
    videos = video_pool(features, state_day, config.pool_size) if proposals is None else proposals.videos
    loaded = load_model(model.bundle)
    if config.serve_population == "uniform" and (reason := loaded.why_not_uniform):
        raise ConfigError(
            f"params.yaml: score.serve_population is uniform, but {loaded.manifest.name} does not know those seconds: {reason}"
        )
    shown_ms = midnight_ms(days.serve, source.timezone) + config.hour * HOUR_MS
    with writing(out) as folder, unfinished(out) as scratch:
        folder.mkdir(parents=True)
        fusion = None
        if not isinstance(config.fusion, NoFusion):
            fusion = fuse(night, model.bundle, model.judged, config.fusion, folder)
        written = AsWritten.of(identities, features, users, videos)
        scoring = Scoring(features, state_day, shown_ms, videos, proposals, fusion, config, night.threads)
        parts = scoring.parts_by(cluster, loaded, model.bundle, users, scratch)
        pairs = _write(parts, folder, config.top_k, written)
        export_model(model.bundle, folder / MODEL)
        summary = ScoreSummary(
            day=days.serve,
            model=loaded.manifest.name,
            users=users.height,
            pool=videos.height,
            pairs=pairs,
            proposer=None if proposals is None else proposals.name,
            top_k=config.top_k,
        )
        summary.write(folder / FILE)
    return summary


def _write(parts: Iterator[pl.DataFrame], folder: Path, top_k: int, written: AsWritten) -> int:
    """Write all pairs and each user's best, part by part (a part holds whole users); return the number of pairs."""
    writers: dict[str, pq.ParquetWriter] = {}
    pairs = 0
    try:
        for part in parts:
            for name, frame in (("scores", part), ("top_k", best(part, top_k))):
                table = written(frame).to_arrow()
                if name not in writers:
                    writers[name] = pq.ParquetWriter(folder / f"{name}.parquet", table.schema, compression="zstd")
                writers[name].write_table(table)
            pairs += part.height
    finally:
        for writer in writers.values():
            writer.close()
    return pairs


def best(scored: pl.DataFrame, top_k: int) -> pl.DataFrame:
    """Return each user's `top_k` rows by fused score, or by score where there is none, with `rank` from 1.

    Among equals the smaller video id comes first.
    """
    by = "fused" if "fused" in scored.columns else "score"
    ordered = scored.sort(["user_id", by, "video_id"], descending=[False, True, False])
    ranked = ordered.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int16).over("user_id"))
    return ranked.filter(pl.col("rank") <= top_k)
