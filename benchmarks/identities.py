"""Time and peak memory of a log whose users and videos are strings, as the same rows with numbers take them.

Run it: python -m benchmarks.identities 1000000 10000000. A row is a user of its own, so there are as many distinct strings
as rows; the log is one day, the heaviest case for the tables of a day.
"""

import datetime as dt
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.files import write_json, write_text
from tasks.core.identities import SCHEMA, texts_of
from tasks.ingest.config import TableFiles, TableSourceConfig
from tasks.ingest.identities import refuse_collisions
from tasks.ingest.source import NAMES
from tasks.ingest.table import TableSource
from tasks.protocol.record import circumstances

FIRST = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
KINDS = ("numbers", "strings")
_COLUMNS = {"user_id": "user", "video_id": "video", "event_time_ms": "time", "watch_ms": "watch"}


def write_log(rows: int, kind: str, path: Path) -> None:
    """Write a log of one day; of strings, every user is 32 hexadecimal digits and every video a word with a number."""
    rng = np.random.default_rng(0)
    user = rng.permutation(rows)
    frame = pl.DataFrame(
        {
            "user": user,
            "video": rng.integers(0, max(rows // 100, 1), rows),
            "time": int(FIRST.timestamp()) * 1000 + np.sort(rng.integers(1, 86_399_000, rows)),
            "watch": rng.integers(0, 60_000, rows),
        }
    )
    if kind == "strings":
        drawn = rng.bytes(16 * rows)
        digits = pl.Series([drawn[i : i + 16].hex() for i in range(0, 16 * rows, 16)])
        frame = frame.with_columns(user=digits, video=pl.format("video/{}", "video"))
    frame.write_parquet(path)


def measure(rows: int, kind: str, root: Path) -> dict[str, float]:
    """Read such a log as ingest does; return seconds of each step and the peak memory of the process."""
    files = TableFiles(files=("log.parquet",), columns=dict(_COLUMNS))
    source = TableSource(TableSourceConfig(path=str(root), impressions=files))
    found: dict[str, float] = {}

    def note(step: str, began: float) -> None:
        found[step] = round(time.perf_counter() - began, 1)

    began = time.perf_counter()
    days = [source.first_day()]
    note("check every value", began)
    began = time.perf_counter()
    folder = root / "identities"
    folder.mkdir()
    with source.reading(days, root / "scratch") as write:
        write(days[0], root / "part.parquet")
    note("write the day", began)
    names = root / NAMES
    if not names.is_file():
        pl.DataFrame(schema=SCHEMA).write_parquet(names)
    names.replace(folder / NAMES)
    began = time.perf_counter()
    refuse_collisions(folder)
    note("look for collisions", began)
    began = time.perf_counter()
    codes = pl.read_parquet(root / "part.parquet", columns=["user_id"])["user_id"].head(100_000)
    texts_of(folder, "user_id", codes)
    note("write out 100,000 users", began)
    found["MiB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    found["MiB of names on disk"] = round(sum(path.stat().st_size for path in folder.iterdir()) / 2**20, 1)
    return found


def main(sizes: list[int]) -> None:
    """Measure every size and kind, each in a process of its own, and write `identities/results.md` and `results.json`."""
    results: dict[str, dict[str, float]] = {}
    for size in sizes:
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as root:
                write_log(size, kind, Path(root) / "log.parquet")
                command = [sys.executable, "-m", "benchmarks.identities", "--one", str(size), kind, root]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            pairs = (line.split("\t") for line in said.splitlines())
            results[f"{size:,} {kind}"] = {step: float(value) for step, value in pairs}
    where = circumstances()
    folder = Path(__file__).parent / "identities"
    folder.mkdir(exist_ok=True)
    write_json(folder / "results.json", {"circumstances": where, "results": results})
    steps = list(next(iter(results.values())))
    lines = ["# Strings as identifiers", ""]
    lines += [f"Run it: `python -m benchmarks.identities {' '.join(map(str, sizes))}`", ""]
    lines += ["| distinct users | " + " | ".join(steps) + " |", "|" + "---|" * (len(steps) + 1)]
    lines += [
        f"| {name} | " + " | ".join(f"{found[step]:g}" for step in steps) + " |" for name, found in results.items()
    ]
    lines += ["", "Steps in seconds on a machine that others use too; MiB is the peak of the process.", ""]
    lines += [f"Measured {where['date']} at commit `{where['commit']}` on {where['cpu']}, {where['cores']} cores,"]
    lines += [f"{where['memory_gib']} GiB; Python {where['python']}, polars {where['polars']}."]
    write_text(folder / "results.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        for step, value in measure(int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])).items():
            print(step, value, sep="\t")
    else:
        main([int(size) for size in sys.argv[1:]])
