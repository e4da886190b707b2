"""`dwell check`: ingest and validate a sample of a source in a scratch folder; nothing of the workspace is touched."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.config import Window
from tasks.core.days import Days
from tasks.core.errors import ValidationFailed
from tasks.core.files import remove
from tasks.core.temporaries import scratch_folder
from tasks.ingest.config import SourceConfig
from tasks.ingest.logs import FileSource
from tasks.ingest.stage import adapt, open_source
from tasks.validate.config import ValidationConfig
from tasks.validate.row_rules import ROW_RULES
from tasks.validate.stage import ValidationResult, validate

ROWS = 200_000
"""Rows that a sample has at most; of a source with fewer all are read."""


@dataclass(frozen=True)
class Checked:
    """What a night would read.

    Attributes:
        as_of: the night.
        every: 1 in so many rows was read.
        result: what validation found.
    """

    as_of: dt.date
    every: int
    result: ValidationResult

    def lines(self) -> Iterator[str]:
        """Yield what a person reads."""
        found, sample = self.result, f" (1 row in {self.every})" if self.every > 1 else ""
        yield f"night {self.as_of}: {len(found.days)} days from {found.days[0]} on, {found.rows_in} rows{sample}"
        for rule, count in found.quarantined.items():
            if count:
                yield f"  set aside: {count} rows, {rule} ({ROW_RULES[rule].why})"
        yield from (f"  warning: {warning}" for warning in found.warnings)
        yield "nothing stops it"


def check(
    source: SourceConfig, window: Window, validation: ValidationConfig, scratch: Path, as_of: dt.date | None = None
) -> Checked:
    """Try what the first two stages of a night would say of a source.

    Every file is read once, as a night does to learn its days, so that all of its problems are told; of its rows a sample
    is parted into days and validated. Rules on the number of rows count as many as the sample would have.

    Args:
        source: where to read.
        window: which days a night reads.
        validation: the rules.
        scratch: folder that a folder is made in and removed from.
        as_of: the night; None: the last day of the source.

    Raises:
        SourceError, ContractError, ConfigError: if a night could not read the source.
        ValidationFailed: if a rule would stop it.
    """
    folder = scratch_folder(scratch, "check")
    try:
        adapter = open_source(source)
        night = as_of or adapter.latest_day()
        days = window.days(night)
        every = adapter.thin_out(ROWS) if isinstance(adapter, FileSource) else 1
        adapt(adapter, days, folder / "raw")
        fewest = max(1, validation.tables.min_rows // every)
        rules = validation.model_copy(update={"tables": validation.tables.model_copy(update={"min_rows": fewest})})
        return Checked(night, every, _validated(folder, rules, days.since(adapter.first_day())))
    finally:
        remove(folder)


def _validated(folder: Path, rules: ValidationConfig, days: Days) -> ValidationResult:
    try:
        return validate(folder / "raw", rules, days, folder / "validated")
    except ValidationFailed as error:
        first, *failures = str(error).splitlines()
        raise ValidationFailed("\n".join([first.partition(";")[0], *failures])) from error
