"""Ten of the released days, split likewise: not the public split, and no figure of its ladder can be reached or missed here."""

from benchmarks.kuairand_techjam.comparison import tables
from benchmarks.kuairand_techjam.rows import DAYS_AT_HAND
from benchmarks.parts.part import Options, Table


def run(options: Options) -> list[Table]:
    """Fit and judge everything.

    Raises:
        SourceError: if a log is missing.
    """
    return tables(DAYS_AT_HAND, options)
