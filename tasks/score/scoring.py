"""Scores of the pairs of some users: here, as a stream, or made by workers of a cluster, each a share of the users at a time."""

import datetime as dt
import itertools
import platform
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import torch

from tasks.candidates.document import Proposals
from tasks.core.arithmetic import kernels
from tasks.core.cluster import ClusterConfig, NoCluster, partition_map
from tasks.core.errors import MachineError
from tasks.core.layout import partition
from tasks.core.predictions import MEAN, MEAN_UNIFORM
from tasks.core.remote import Files
from tasks.features.candidates import candidates
from tasks.features.state import history_file
from tasks.predict import Model, Predictions, load_model
from tasks.score.config import ScoreConfig
from tasks.score.fusion.serving import ServingFusion
from tasks.score.pairs import pair_chunks, proposed_chunks, users_at_a_time
from tasks.table.source import FeatureFolder

PARTS_OF_A_SHARE = 8
"""Parts that a worker scores in one task, for which it loads the model once; a worker that is lost loses no more."""


@dataclass(frozen=True, eq=False)
class Scoring:
    """All that the scores of a user's pairs depend on beside the model.

    Attributes:
        features: data/features.
        state_day: day whose morning the features are of.
        shown_ms: when the pairs would be shown.
        videos: the pool, `video_id`; not read where there are proposals.
        proposals: what is proposed to each user; None: the pool is.
        fusion: what orders lists; None: the score does.
        config: whose seconds are served, and how many pairs are held at a time.
        threads: of the processor, in each process.
    """

    features: Path
    state_day: dt.date
    shown_ms: int
    videos: pl.DataFrame
    proposals: Proposals | None
    fusion: ServingFusion | None
    config: ScoreConfig
    threads: int

    def parts(self, model: Model[Any], users: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the scores of some users' pairs, part by part (a part holds whole users)."""
        source = FeatureFolder.open(self.features)
        past, traits = source.past(kept=1), source.traits_told(model.row_columns)
        for pairs in self._pairs(users):
            rows = candidates(self.features, pairs.lazy(), self.state_day, traits).collect()
            predicted = model.predict(rows, past, "the candidates of the next day")
            if self.fusion is not None:
                predicted["fused"] = self.fusion(predicted, rows["duration_ms"].to_numpy() / 1000)
            predicted = served_seconds(predicted, self.config.serve_population)
            columns = [pl.Series(name, values).cast(pl.Float32) for name, values in predicted.items()]
            yield rows.select("user_id", "video_id", "scene").with_columns(columns)

    def parts_by(
        self, cluster: ClusterConfig, model: Model[Any], bundle: Path, users: pl.DataFrame, scratch: Path
    ) -> Iterator[pl.DataFrame]:
        """Yield the same parts, made where the configuration says.

        Args:
            cluster: where.
            model: what is in `bundle`.
            bundle: folder from which workers load it.
            users: user_id, scene and context.
            scratch: folder that every worker sees; what they make passes through it.

        Raises:
            MachineError: if workers are lost, or would give other bytes.
        """
        if isinstance(cluster, NoCluster):
            yield from self.parts(model, users)
            return
        height = PARTS_OF_A_SHARE * users_at_a_time(self.config, self.length)
        shares = [
            _Share(users[begin : begin + height], scratch / f"{begin}.parquet")
            for begin in range(0, users.height, height)
        ]
        files = self.files(model)
        with partition_map(cluster, scratch) as over_shares:
            over_shares(
                partial(_write_share, self, bundle, kernels()),
                shares,
                lambda share: Files((*files, bundle), (share.file,)),
            )
        for share in shares:
            if not share.file.is_file():
                continue
            with pq.ParquetFile(share.file) as file:
                for number in range(file.num_row_groups):
                    yield pl.DataFrame(file.read_row_group(number))

    def files(self, model: Model[Any]) -> tuple[Path, ...]:
        """Return what pairs are made of, and described from for a model."""
        about = FeatureFolder.open(self.features).about(model.row_columns)
        state = partition(self.features / "state", self.state_day).parent
        proposed = () if self.proposals is None else (self.proposals.file,)
        return *about, state, history_file(self.features, self.state_day), *proposed

    @property
    def length(self) -> int:
        """Videos that a user is scored with at most."""
        return self.videos.height if self.proposals is None else self.proposals.length

    def _pairs(self, users: pl.DataFrame) -> Iterator[pl.DataFrame]:
        if self.proposals is None:
            return pair_chunks(users, self.videos, self.shown_ms, self.config)
        return proposed_chunks(users, self.proposals.file, self.shown_ms, self.config, self.length)


@dataclass(frozen=True, eq=False)
class _Share:
    """Users that one task scores, and the file it writes: a row group for each part."""

    users: pl.DataFrame
    file: Path


def _write_share(scoring: Scoring, bundle: Path, expected: str, share: _Share) -> None:
    """Write the scores of a share of the users; nothing where they have no pair.

    Raises:
        MachineError: if this worker does not compute as the stage does.
    """
    if (found := kernels()) != expected:
        raise MachineError(
            f"a worker of the Dask cluster on {platform.node()} computes with {found} kernels, the stage with {expected}, which may give "
            "other bytes: use a machine of its kind, or set cluster: {kind: none}"
        )
    torch.set_num_threads(scoring.threads)
    parts = scoring.parts(load_model(bundle), share.users)
    if (first := next(parts, None)) is None:
        return
    unfinished = share.file.with_suffix(
        f".{uuid.uuid4().hex}"
    )  # beside it: what a killed worker leaves goes with the folder
    with pq.ParquetWriter(unfinished, first.to_arrow().schema, compression="lz4") as file:
        for part in itertools.chain([first], parts):
            file.write_table(part.to_arrow(), row_group_size=part.height)
    unfinished.replace(share.file)


def served_seconds(predicted: Predictions, population: str) -> Predictions:
    """Return predictions whose `watch_mean` is that of the population served, and no other."""
    kept = {name: value for name, value in predicted.items() if name != MEAN_UNIFORM}
    return kept | {MEAN: predicted[MEAN_UNIFORM]} if population == "uniform" else kept
