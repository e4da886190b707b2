"""KuaiRand-Pure's ten days in the layout of KuaiVideo_x1: not its rows, so that its ladder can be neither reached nor missed."""

from dataclasses import replace

from benchmarks.kuairand_techjam.rows import DAYS_AT_HAND
from benchmarks.kuaivideo_x1.comparison import TRAINING, tables
from benchmarks.kuaivideo_x1.from_kuairand import convert
from benchmarks.kuaivideo_x1.rows import read
from benchmarks.parts.part import Options, Table

NOTE = (
    "Clicks of KuaiRand-Pure, 25 to 30 April for train and 1 to 4 May 2022 for test, written in the layout of KuaiVideo_x1: not the public "
    "split. Batches of 512 rows in place of 8,192, for the log is small. Most users have fewer than the 10 rows that the protocol asks of a user "
    "with a vector of its own; an item's share of clicks knows no such threshold."
)


def run(options: Options) -> list[Table]:
    """Convert, fit and judge everything.

    Raises:
        SourceError: if `KuaiRand-Pure/` is not in the data folder.
    """
    days, layout = DAYS_AT_HAND, options.scratch / "layout"
    convert(options.data / "KuaiRand-Pure", days.train[0], days.test[0], days.test[1], layout)
    training = replace(TRAINING, batch_size=512)
    return tables("KuaiRand-Pure in the layout of KuaiVideo_x1", read(layout), options, training, [NOTE])
