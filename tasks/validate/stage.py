"""The validate stage: data/raw to data/validated, or an error that says which rules stopped it.

New partitions are made in a staging folder beside the output and moved in only when every table rule has passed, so
the output always is the last state that passed. A run that is stopped leaves its results, Data Docs and quarantined
rows in `<output>.failed` for the person who is called.
"""

import datetime as dt
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core.cluster import HERE, ClusterConfig, Map, partition_map
from tasks.core.days import Days
from tasks.core.files import remove, unfinished, write_json, writing
from tasks.core.layout import partition
from tasks.core.partition_cache import MANIFEST, Manifest
from tasks.core.traits import declared
from tasks.validate.config import ValidationConfig
from tasks.validate.data_docs import write_docs
from tasks.validate.partitions import files_of, plan, stored_manifest, validate_day
from tasks.validate.plausible import judge_plausible
from tasks.validate.profile import add
from tasks.validate.raw import Raw, read_raw
from tasks.validate.side_tables import mend_table
from tasks.validate.suites import SuiteTable, judge_tables, write_result
from tasks.validate.summary import FILE, summarise
from tasks.validate.trailing import judge_against_trailing, judge_counts
from tasks.validate.verdicts import Verdict, accept, stop

SIDE_TABLES = ("users", "videos")


@dataclass(frozen=True)
class ValidationResult:
    """What a run of the stage found.

    Attributes:
        days: the days validated, in order.
        reused: those whose partition was kept from an earlier run.
        rows_in, rows_out: rows over all days; the rest is in quarantine.
        quarantined: rows by reason; those that ingest set aside, which belong to no day, too.
        warnings: one sentence per table rule that warned.
    """

    days: tuple[dt.date, ...]
    reused: tuple[dt.date, ...]
    rows_in: int
    rows_out: int
    quarantined: dict[str, int]
    warnings: tuple[str, ...]


def validate(
    raw: Path, config: ValidationConfig, days: Days, out: Path, cluster: ClusterConfig = HERE
) -> ValidationResult:
    """Clean the raw tables, judge them, and write data/validated.

    Args:
        raw: data/raw as ingest wrote it.
        config: the `validation` block.
        days: the run's days; those of the lookback that lie before the source's first day are not asked for.
        out: data/validated. Partitions that the same inputs, rules and code made are kept as they are.
        cluster: where days are cleaned and judged.

    Raises:
        SourceError: if a file or a day is missing, empty, damaged or there twice.
        ContractError: if a table does not have the contract's columns and types.
        ValidationFailed: if a table rule stops the run; `out` then is as it was.
        StorageError: if the disk is full or a folder cannot be written; `out` then is as it was.
    """
    tables = read_raw(raw, days)
    failed = out.with_name(f"{out.name}.failed")
    with unfinished(out) as folder:
        staging = folder / out.name
        run = _Run(tables, config.model_copy(update={"rows": tables.row_rules(config.rows)}), out, staging)
        staging.mkdir(parents=True)
        with partition_map(cluster, staging) as over_days:
            run.make_partitions(over_days)
            run.mend_side_tables()
            run.judge(over_days)
        run.write_reports()
        failures = run.with_status("failed")
        if failures:
            _move(staging, failed)
            raise stop(failures, failed)
        run.publish()
        remove(failed)
        return run.result()


class _Run:
    """One run: `out` is read until `publish`, everything new is in `staging`."""

    def __init__(self, raw: Raw, config: ValidationConfig, out: Path, staging: Path) -> None:
        self.raw, self.config, self.out, self.staging = raw, config, out, staging
        self.tasks = plan(raw, config.rows)
        self.reused: list[dt.date] = []
        self.manifests: list[Manifest] = []
        self.side_tables: dict[str, dict[str, Any]] = {}
        self.verdicts: dict[str, list[Verdict]] = {}

    def make_partitions(self, run: Map) -> None:
        manifests = {task.day: stored_manifest(self.out, task) for task in self.tasks}
        self.reused = [day for day, manifest in manifests.items() if manifest is not None]
        pending = [task for task in self.tasks if manifests[task.day] is None]
        made = run(partial(validate_day, folder=self.staging), pending, partial(files_of, folder=self.staging))
        manifests |= {task.day: manifest for task, manifest in zip(pending, made, strict=True)}
        self.manifests = [manifest for manifest in manifests.values() if manifest is not None]

    def mend_side_tables(self) -> None:
        for table in SIDE_TABLES:
            target = self.staging / f"{table}.parquet"
            self.side_tables[table] = mend_table(self.raw.table(table), table, self.config.mend, target)
        if declared(self.raw.source):
            # No suite: where everybody withdraws the table is empty, and that stops no night.
            mend_table(self.raw.table("traits"), "traits", self.config.mend, self.staging / "traits.parquet")
        write_json(self.staging / "source.json", self.raw.source)

    def judge(self, run: Map) -> None:
        """Fill `verdicts` and write the results."""
        limits = self.config.tables
        tables = [SuiteTable(task.day.isoformat(), self._part(task.day), task) for task in self.tasks]
        tables += [SuiteTable(name, self.staging / f"{name}.parquet") for name in SIDE_TABLES]
        judged = judge_tables(tables, self.config, self.out / "results", self.staging / "spill", run)
        for index, table in enumerate(tables):
            counted: list[Verdict] = []
            if table.task is not None:
                day, before = self.manifests[index], self.manifests[max(0, index - limits.trailing_days) : index]
                counted = [
                    *judge_counts(day, limits),
                    *judge_plausible(day, limits.plausible),
                    *judge_against_trailing(day, before, limits),
                ]
            write_result(self.staging / "results", table, self.config, judged[table.name], counted)
            self.verdicts[table.name] = accept([*judged[table.name], *counted], limits.accept)

    def write_reports(self) -> None:
        summary = summarise(self.raw.source, self.config, self.manifests, self.verdicts, self.side_tables)
        summary.write(self.staging / FILE)
        write_docs(self.staging / "docs", summary, self.verdicts)

    def publish(self) -> None:
        """Move what is new into `out` and remove what belongs to no day of this run."""
        kept = set()
        for day in self.raw.days:
            stored, quarantine = (partition(self.out / table, day).parent for table in ("impressions", "quarantine"))
            fresh = partition(self.staging / "impressions", day).parent
            if fresh.exists():
                remove(stored / MANIFEST)  # without its manifest a half-moved day is made again
                _move(partition(self.staging / "quarantine", day).parent, quarantine)
                _move(fresh, stored)
            kept |= {stored / "part.parquet", stored / MANIFEST, quarantine / "part.parquet"}
        for path in sorted(path for path in self.staging.rglob("*") if path.is_file()):
            target = self.out / path.relative_to(self.staging)
            _move(path, target)
            kept.add(target)
        _sweep(self.out, kept)

    def with_status(self, status: str) -> list[Verdict]:
        return [verdict for verdicts in self.verdicts.values() for verdict in verdicts if verdict.status == status]

    def result(self) -> ValidationResult:
        quarantined: dict[str, int] = dict(self.raw.source.get("quarantined", {}))
        for manifest in self.manifests:
            quarantined = add(quarantined, manifest["quarantined"])
        return ValidationResult(
            days=self.raw.days,
            reused=tuple(self.reused),
            rows_in=sum(manifest["rows_in"] for manifest in self.manifests),
            rows_out=sum(manifest["rows_out"] for manifest in self.manifests),
            quarantined=quarantined,
            warnings=tuple(verdict.sentence for verdict in self.with_status("warning")),
        )

    def _part(self, day: dt.date) -> Path:
        fresh = partition(self.staging / "impressions", day)
        return fresh if fresh.exists() else partition(self.out / "impressions", day)


def _move(source: Path, target: Path) -> None:
    with writing(target) as temporary:
        os.replace(source, temporary)


def _sweep(folder: Path, kept: set[Path]) -> None:
    """Remove what an earlier run left and this one has no use for, so that the output never depends on history."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept and path.name != ".gitignore":
            path.unlink()
