"""Gives a ranker, before its first step, what the watches of the fit days tell of users and videos
(docs/methods/representation.md#pre-training).

Shapes: U users, V videos, N rows of the packed table, K known users or videos, D embedding width.
"""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.encoders.base import packed_tables
from models.encoders.history.base import EMBEDDING_STD
from models.encoders.pretrained import PRETRAINED, PretrainedFields
from models.encoders.sharded import put_rows
from models.pretraining import PRETRAININGS
from models.ranker import Ranker
from models.recipe import Recipe
from tasks.core.errors import TrainingError
from tasks.table.training_table import TrainingTable
from tasks.table.watches import Watches

log = logging.getLogger(__name__)

JOINED_RMS = 1.0
"""Root mean square of the numbers of joined vectors: that of standardised dense features, since no step can stretch them."""


@dataclass(frozen=True, eq=False)
class WatchedRows:
    """What a recipe learns vectors from, and where they belong.

    Attributes:
        watches: who watched what on the fit days.
        rows: packed rows of all users, by code, and of all videos; the row of a field's unknown level where the vocabulary left
            the user or the video out.
        unknown: packed rows of both unknown levels.
    """

    watches: Watches
    rows: tuple[Tensor, Tensor]
    unknown: tuple[int, int]

    @classmethod
    def of(cls, table: TrainingTable, recipe: Recipe) -> "WatchedRows | None":
        """Read the fit split; None for a recipe without pre-training.

        Raises:
            TrainingError: if the table does not encode users or videos or hold content, or nothing was watched.
        """
        if recipe.pretraining is None:
            return None
        schema = table.schema
        for name in PRETRAINED:
            if name not in schema.names:
                raise TrainingError(
                    f"pretraining learns vectors of users and videos, but {table.folder} does not encode {name!r}: add it to "
                    "table.categorical, or leave pretraining out"
                )
        watches = Watches.of_table(table, recipe.pretraining.watched, asked_by="pretraining.watched")
        pretraining = PRETRAININGS[recipe.pretraining.kind]
        if pretraining.reads_content(recipe.pretraining):
            watches = watches.with_content(f"pretraining by {recipe.pretraining.kind!r}")
        if pretraining.reads_rows:
            watches = watches.with_shown(table, recipe.pretraining.watched)
        ids, columns = table.column("fit", "ids"), [schema.names.index(name) for name in PRETRAINED]
        rows = []
        for name, column, id_N in zip(PRETRAINED, columns, (watches.user_id_U, watches.video_id_V), strict=True):
            known, first = np.unique(table.column("fit", name), return_index=True)
            place_N = first[np.searchsorted(known, id_N)]
            rows.append(torch.from_numpy(ids[place_N, column].astype(np.int64)))
        user, video = (schema.offsets[column] for column in columns)
        return cls(watches, (rows[0], rows[1]), (user, video))


def pretrain(ranker: Ranker, watched: WatchedRows, seed: int) -> None:
    """Learn vectors from the watches, and let the ranker begin with them.

    Torch's own generator is not moved, so that all else begins as it would without.

    Args:
        ranker: as it was drawn; its recipe has a `pretraining`.
        watched: what is learned from.
        seed: of the fit.

    Raises:
        TrainingError: if there is nothing to learn them from.
    """
    config = ranker.recipe.pretraining
    assert config is not None
    spread = config.spread or (JOINED_RMS if config.use == "join" else EMBEDDING_STD)
    try:
        learned = PRETRAININGS[config.kind](config).learn(watched.watches, ranker.encoder.shape.embedding_dim, seed)
    except ValueError as error:
        raise TrainingError(f"pretraining: {error}; nothing was written") from error
    for vectors, row_of, unknown in zip(learned, watched.rows, watched.unknown, strict=True):
        row_K = row_of[vectors.code_K]
        kept_K = row_K != unknown
        hidden_K = torch.zeros(len(row_K), dtype=torch.bool) if vectors.hidden_K is None else vectors.hidden_K
        vector_KD = vectors.scaled(spread).vector_KD
        _put(ranker, row_K[kept_K], vector_KD[kept_K], hidden_K[kept_K])
        log.info("seed %d: %s learned %d vectors of %d", seed, config.kind, int(kept_K.sum()), len(row_of))


def _put(ranker: Ranker, row_N: Tensor, vector_ND: Tensor, hidden_N: Tensor) -> None:
    """Put vectors into the further fields, where there are some, or else into every table that tasks read."""
    joined = [module for module in ranker.modules() if isinstance(module, PretrainedFields)]
    for fields in joined:
        fields.place(row_N, vector_ND, hidden_N)
    for encoder in ranker.task_readers if not joined else ():
        for table in packed_tables(encoder).values():
            put_rows(table, row_N, vector_ND)
