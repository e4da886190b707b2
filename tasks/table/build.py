"""The table stage: fits the preprocessor on fit days and encodes fit, validation and judge rows to columns on disk."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.days import Days, midnight_ms
from tasks.core.errors import ContractError
from tasks.core.files import hash_file, hash_tree, writing
from tasks.core.manifest import code_hash
from tasks.table.candidate_log import CandidateLog
from tasks.table.columns import open_column
from tasks.table.config import TableConfig
from tasks.table.fit import fit_preprocessor, teaching_videos
from tasks.table.items.config import NoItems
from tasks.table.items.report import FOLDER as ITEMS
from tasks.table.items.report import write_items
from tasks.table.selection.config import NoSelection
from tasks.table.selection.select import DRAWN, select_rows
from tasks.table.source import CHUNK_ROWS, FeatureFolder
from tasks.table.split import TASKS, SplitEncoder
from tasks.table.training_table import CONTENTS, LEARNED, PREPROCESSOR, SELECTED, SPLITS, TableMetadata
from tasks.table.unobserved import FOLDER, UnobservedSampler


@dataclass(frozen=True)
class TableResult:
    """What the stage did.

    Attributes:
        rows: rows per split.
        late: rows per split left out because they were not known at the run's cut-off.
        unobserved: pairs drawn per split among those that were not shown; empty where none are asked for.
        features: model inputs: number of categorical fields, packed rows and dense features.
    """

    rows: Mapping[str, int]
    late: Mapping[str, int]
    unobserved: Mapping[str, int]
    features: Mapping[str, int]


def build_table(
    features: Path,
    config: TableConfig,
    days: Days,
    out: Path,
    chunk_rows: int = CHUNK_ROWS,
    splits: Sequence[str] = SPLITS,
    candidates: CandidateLog | None = None,
) -> TableResult:
    """Build the training table of one night.

    Nothing that is fitted here reads a row of the validation or judge days.

    Args:
        features: folder that the features stage wrote.
        config: what to encode.
        days: roles of the days.
        out: folder to write; replaced as a whole.
        chunk_rows: rows encoded at a time; memory follows it, the result does not (up to the last bits of
            the normalisation).
        splits: those that are written: all, or those that a fit sees (`LEARNED`).
        candidates: those that the source's log marks as not shown; None: it marks none.

    Raises:
        ContractError: if a day or column is missing, or the fit or validation days hold no row.
        ConfigError: if the configuration names a field that the features stage does not offer, or content it does not carry.
    """
    source = FeatureFolder.open(features)
    cutoff_ms = midnight_ms(days.judge[0], source.timezone)
    preprocessor = fit_preprocessor(source, config, days.fit, cutoff_ms, chunk_rows)
    split_days = {"fit": days.fit, "validation": (days.validation,), "judge": days.judge}
    with writing(out) as temporary:
        preprocessor.save(temporary / PREPROCESSOR)
        rows, late = {}, {}
        for split in splits:
            cutoff = None if split == "judge" else cutoff_ms
            encoder = SplitEncoder(source, preprocessor, cutoff, chunk_rows)
            rows[split], late[split] = encoder.write(split_days[split], temporary / split)
        _require_rows(rows, split_days)
        populations = {}
        if config.unobserved_per_impression:
            sampler = UnobservedSampler(source, preprocessor, cutoff_ms, chunk_rows, candidates)
            for split in LEARNED:
                count = round(config.unobserved_per_impression * rows[split])
                populations[split] = sampler.write(split_days[split], count, temporary / split / FOLDER)
        shown = pl.Series(
            np.unique(open_column(temporary / "fit", "video_id")) if source.has_content else [], dtype=pl.Int64
        )
        if (codes := preprocessor.items) is not None:
            assert not isinstance(config.items, NoItems)
            if codes.learned is None:
                taught = teaching_videos(source, config.items, shown, days.fit[-1])["video_id"].to_numpy()
            else:
                taught = codes.learned.video_id_V
            write_items(codes, source.catalogue(codes.reads), taught, temporary / ITEMS)
        selection, written = None, (PREPROCESSOR, *splits)
        if not isinstance(config.selection, NoSelection):
            selection = select_rows(
                temporary / "fit",
                config.selection,
                days.fit[-1],
                source.timezone,
                temporary / DRAWN,
                temporary / SELECTED,
            )
            written = (*written, SELECTED)
        hashes = {part: hash_tree(temporary / part) for part in written}
        if source.has_content:
            fitted = source.contents.filter(pl.col("video_id").is_in(shown.implode()))
            fitted.write_parquet(temporary / CONTENTS, compression="zstd")
            hashes[CONTENTS] = hash_file(temporary / CONTENTS)
        schema = preprocessor.schema
        TableMetadata(
            days={split: split_days[split] for split in splits},
            rows=rows,
            late=late,
            populations=populations,
            tasks=TASKS,
            input_schema=schema,
            config=config,
            hashes=hashes,
            code=code_hash("table"),
            selection=selection,
        ).write(temporary)
    sizes = {"fields": schema.num_fields, "packed_rows": schema.num_rows, "dense": schema.num_dense}
    return TableResult(rows, late, {split: drawn.sampled for split, drawn in populations.items()}, sizes)


def _require_rows(rows: Mapping[str, int], split_days: Mapping[str, Sequence[dt.date]]) -> None:
    for split in LEARNED:
        if rows[split] == 0:
            listed = ", ".join(map(str, split_days[split]))
            raise ContractError(f"the {split} days ({listed}) hold no row: choose another as_of or mend the source")
