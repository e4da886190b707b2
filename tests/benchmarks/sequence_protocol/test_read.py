import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.sequence.protocol.feedback import POSITIVE, SKIP, feedback_log
from benchmarks.sequence.protocol.read import COLUMNS, read_impressions
from tasks.ingest.config import KuaiRandConfig
from tasks.validate.config import ValidationConfig

pytestmark = pytest.mark.slow


def test_the_rows_and_rates_of_kuairand(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Rows as in docs/methods/watch_time.md#cleaning-and-row-filters, rates as in docs/methods/watch_time.md#labels."""
    source = KuaiRandConfig(path=str(shared_data("KuaiRand-Pure")))
    days = [dt.date(2022, 4, 25) + dt.timedelta(days=day) for day in range(10)]
    frame = read_impressions(source, days, ValidationConfig(), tmp_path)
    assert frame.columns == list(COLUMNS)
    log = feedback_log(frame)
    assert len(log) == 161_468
    assert abs((log.kind_B == POSITIVE).mean() - 0.4414) < 1e-3
    assert abs((log.kind_B == SKIP).mean() - 0.4028) < 1e-3
