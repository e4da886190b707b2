"""The table stage: fits the preprocessor on fit days and encodes fit, validation and judge rows to columns on disk."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.cluster import HERE, ClusterConfig
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
from tasks.table.over_days import OverDays, Work, over_days
from tasks.table.pairs import proportional
from tasks.table.selection.config import NoSelection
from tasks.table.selection.select import DRAWN, select_rows
from tasks.table.source import CHUNK_ROWS, FeatureFolder
from tasks.table.split import TASKS, Encoding, SplitEncoder
from tasks.table.training_table import CONTENTS, LEARNED, PREPROCESSOR, SELECTED, SPLITS, TableMetadata
from tasks.table.unobserved import FOLDER, PairPopulation, UnobservedSampler


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
    cluster: ClusterConfig = HERE,
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
        cluster: where days are counted and encoded.

    Raises:
        MachineError: if workers of the cluster are lost, or would give other bytes.
        ContractError: if a day or column is missing, or the fit or validation days hold no row.
        ConfigError: if the configuration names a field that the features stage does not offer, or content it does not carry.
    """
    source = FeatureFolder.open(features)
    cutoff_ms = midnight_ms(days.judge[0], source.timezone)
    split_days = {"fit": days.fit, "validation": (days.validation,), "judge": days.judge}
    with writing(out) as temporary, over_days(cluster, out) as over:
        preprocessor = fit_preprocessor(source, config, days.fit, cutoff_ms, chunk_rows, over)
        preprocessor.save(temporary / PREPROCESSOR)
        encoding = Encoding(features.absolute(), temporary.absolute() / PREPROCESSOR)
        works = []
        for split in splits:
            encoder = SplitEncoder(encoding, None if split == "judge" else cutoff_ms, chunk_rows)
            works.append(Work(encoder.write, split_days[split], temporary / split, encoder.files))
        rows, late = {}, {}
        for split, counted in zip(splits, over.columns(works), strict=True):
            rows[split], late[split] = (sum(numbers) for numbers in zip(*counted, strict=True))
        _require_rows(rows, split_days)
        populations = {}
        if config.unobserved_per_impression:
            sampler = UnobservedSampler(encoding, cutoff_ms, chunk_rows, candidates)
            wanted = {split: round(config.unobserved_per_impression * rows[split]) for split in LEARNED}
            populations = _draw(sampler, over, {split: split_days[split] for split in LEARNED}, wanted, temporary)
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


def _draw(
    sampler: UnobservedSampler,
    over: OverDays,
    split_days: Mapping[str, Sequence[dt.date]],
    wanted: Mapping[str, int],
    table: Path,
) -> dict[str, PairPopulation]:
    """Draw the unobserved pairs of splits, over the days of each in proportion to those that it has."""
    counted = iter(over.apply(sampler.count, [day for days in split_days.values() for day in days], sampler.files))
    sizes = {split: [next(counted) for _ in days] for split, days in split_days.items()}
    works = []
    for split, days in split_days.items():
        drawn = proportional(wanted[split], [unshown for _, unshown in sizes[split]])
        works.append(
            Work(sampler.write, list(zip(days, drawn, strict=True)), table / split / FOLDER, sampler.files_of_drawn)
        )
    populations = {}
    for split, numbers in zip(split_days, over.columns(works), strict=True):
        shown, unshown = (sum(of_days) for of_days in zip(*sizes[split], strict=True))
        populations[split] = PairPopulation(pairs=shown + unshown, observed=shown, sampled=sum(numbers))
    return populations


def _require_rows(rows: Mapping[str, int], split_days: Mapping[str, Sequence[dt.date]]) -> None:
    for split in LEARNED:
        if rows[split] == 0:
            listed = ", ".join(map(str, split_days[split]))
            raise ContractError(f"the {split} days ({listed}) hold no row: choose another as_of or mend the source")
