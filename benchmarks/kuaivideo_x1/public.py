"""KuaiVideo_x1 itself, where it lies."""

from benchmarks.kuaivideo_x1.comparison import TRAINING, tables
from benchmarks.kuaivideo_x1.rows import NUM_ROWS, read
from benchmarks.parts.part import Options, Table


def run(options: Options) -> list[Table]:
    """Fit and judge everything.

    Raises:
        SourceError: if train.csv or test.csv is not in `KuaiVideo_x1/` of the data folder, or has another number of rows.
    """
    return tables("KuaiVideo_x1", read(options.data / "KuaiVideo_x1", NUM_ROWS), options, TRAINING, [])
