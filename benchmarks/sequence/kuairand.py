"""KuaiRand-Pure, the ten days of the project's slice: short histories, real skips."""

import datetime as dt

import torch

from benchmarks.parts.part import Options, Table
from benchmarks.sequence.comparison import tables
from benchmarks.sequence.protocol.feedback import feedback_log
from benchmarks.sequence.protocol.read import read_impressions
from benchmarks.sequence.protocol.split import split
from tasks.ingest.config import KuaiRandConfig
from tasks.validate.config import ValidationConfig

FIRST_DAY, NUM_DAYS = dt.date(2022, 4, 25), 10
TRAINING = {"batch_size": 128, "max_epochs": 12}


def run(options: Options) -> list[Table]:
    """Fit and judge everything.

    Raises:
        SourceError: if `KuaiRand-Pure/` is not in the data folder.
    """
    torch.set_num_threads(1)
    source = KuaiRandConfig(path=str(options.data / "KuaiRand-Pure"))
    days = [FIRST_DAY + dt.timedelta(days=day) for day in range(NUM_DAYS)]
    log = feedback_log(read_impressions(source, days, ValidationConfig(), options.scratch))
    return tables("KuaiRand-Pure, 25 April to 4 May 2022", split(log), options, TRAINING)
