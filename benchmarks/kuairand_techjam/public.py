"""The public split, where the whole of KuaiRand-Pure lies."""

from benchmarks.kuairand_techjam.comparison import tables
from benchmarks.kuairand_techjam.rows import PUBLIC
from benchmarks.parts.part import Options, Table


def run(options: Options) -> list[Table]:
    """Fit and judge everything.

    Raises:
        SourceError: if a log is missing.
    """
    return tables(PUBLIC, options)
