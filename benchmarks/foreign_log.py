"""A log as another company would hand it over: one semicolon CSV, compressed; string ids, seconds, ISO times, its own words.

    python -m benchmarks.foreign_log datasets/clips.csv.gz

docs/your_data.md walks from this file to a decision. Whoever watches what, and for how long, follows tastes of viewers and
appeal of clips, so that a model has something to learn.
"""

import argparse
import datetime as dt
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

FIRST = dt.date(2024, 3, 1)
SURFACES = ("home", "following", "search")
COUNTRIES = ("de", "fr", "pl", "nl", "at")


def foreign_log(
    days: int = 15, rows_per_day: int = 6000, viewers: int = 3000, clips: int = 800, seed: int = 0, plain: bool = False
) -> pl.DataFrame:
    """Return the log, in order of time.

    Args:
        days: calendar days in UTC from the first of March 2024 on.
        rows_per_day: impressions on each.
        viewers: accounts.
        clips: videos.
        seed: of everything random.
        plain: numbers where the other company writes words: ids, surfaces and flags.
    """
    draw = np.random.default_rng(seed)
    rows = days * rows_per_day
    taste, appeal = draw.normal(0, 0.6, viewers), draw.normal(0, 0.8, clips)
    length = np.round(np.exp(draw.normal(3.4, 0.7, clips)).clip(6, 300), 1)
    popularity = 1 / np.arange(1, clips + 1) ** 0.6
    viewer = draw.integers(0, viewers, rows)
    clip = draw.choice(clips, rows, p=popularity / popularity.sum())
    midnight = dt.datetime.combine(FIRST, dt.time(), dt.UTC).timestamp()
    second = midnight + np.repeat(np.arange(days), rows_per_day) * 86_400 + draw.integers(0, 86_400, rows)
    second[rows_per_day - 1 :: rows_per_day] = midnight + np.arange(1, days + 1) * 86_400 - 60
    pleasure = taste[viewer] + appeal[clip] + draw.normal(0, 0.7, rows)
    watched = np.round(np.exp(pleasure - 0.8).clip(0, 3) * length[clip], 1)
    watched[draw.random(rows) < 0.08] = 0
    liked, shared = draw.random(rows) < 1 / (1 + np.exp(3 - pleasure)), draw.random(rows) < 0.01
    started = pl.Series(second * 1000).cast(pl.Int64).cast(pl.Datetime("ms")).dt.to_string("%Y-%m-%dT%H:%M:%S")
    surface = draw.choice(3, rows, p=(0.7, 0.2, 0.1))
    columns = {
        "viewer_id": viewer + 1 if plain else _names("v", viewer),
        "clip_id": clip + 1 if plain else _names("clip", clip),
        "started_at": started if plain else started + "Z",
        "watched_seconds": watched,
        "length_seconds": length[clip],
        "surface": surface if plain else np.array(SURFACES)[surface],
        "liked": liked.astype(int) if plain else np.where(liked, "true", "false"),
        "shared": shared.astype(int) if plain else np.where(shared, "true", "false"),
        "country": np.array(COUNTRIES)[viewer % len(COUNTRIES)],
    }
    return pl.DataFrame(columns).sort("started_at", maintain_order=True)


def write(log: pl.DataFrame, file: Path) -> None:
    """Write the log as the other company does; equal logs give equal bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(log.write_csv(separator=";", quote_style="always").encode(), mtime=0))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the log to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--days", type=int, default=15)
    parser.add_argument("--rows-per-day", type=int, default=6000)
    parser.add_argument("--viewers", type=int, default=3000)
    parser.add_argument("--clips", type=int, default=800)
    parser.add_argument(
        "--plain", action="store_true", help="numbers for ids, surfaces and flags; times without a zone"
    )
    chosen = parser.parse_args(arguments)
    log = foreign_log(chosen.days, chosen.rows_per_day, chosen.viewers, chosen.clips, plain=chosen.plain)
    write(log, chosen.file)
    print(f"{chosen.file}: {log.height} rows")


def _names(prefix: str, numbers: np.ndarray) -> list[str]:
    """Return identifiers as hexadecimal hashes behind a prefix."""
    return [f"{prefix}_{(number + 1) * 2654435761 % 2**32:08x}" for number in numbers.tolist()]


if __name__ == "__main__":
    main()
