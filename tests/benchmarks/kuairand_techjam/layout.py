"""A small log in KuaiRand's official layout, on the days of the public split."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.kuairand_techjam.rows import Split

USERS, VIDEOS = 12, 9
SMALL = Split(
    "a small split",
    (dt.date(2022, 4, 20), dt.date(2022, 4, 21)),
    (dt.date(2022, 4, 22), dt.date(2022, 4, 22)),
    (dt.date(2022, 4, 29), dt.date(2022, 4, 30)),
    ("log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv"),
)
DATES = {SMALL.files[0]: (20220420, 20220421), SMALL.files[1]: (20220422, 20220429, 20220430)}


def write_layout(folder: Path, rows_per_day: int = 80) -> None:
    """Write both logs and the videos; video 0 is in no catalogue, and every tenth row stands twice."""
    data, rng = folder / "KuaiRand-Pure" / "data", np.random.default_rng(3)
    data.mkdir(parents=True)
    for name, dates in DATES.items():
        parts = []
        for date in dates:
            video = rng.integers(0, VIDEOS, rows_per_day)
            part = pl.DataFrame(
                {
                    "user_id": rng.integers(0, USERS, rows_per_day),
                    "video_id": video,
                    "date": date,
                    "time_ms": 1_650_400_000_000 + rng.permutation(rows_per_day) + date,
                    "long_view": (rng.random(rows_per_day) < 0.2 + 0.06 * video).astype(int),
                    "duration_ms": 4000 * video,
                    "tab": rng.integers(0, 3, rows_per_day),
                }
            )
            parts.append(pl.concat([part, part.gather_every(10)]))
        pl.concat(parts).write_csv(data / name)
    videos = pl.DataFrame({"video_id": range(1, VIDEOS), "author_id": [100 + i % 3 for i in range(1, VIDEOS)]})
    videos.write_csv(data / "video_features_basic_pure.csv")
