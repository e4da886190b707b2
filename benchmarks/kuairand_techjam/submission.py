"""A submission: `row_id,user_id,video_id,score`, one line per row of a part in file order; written, and checked as the organisers do.

Run it: python -m benchmarks.kuairand_techjam.submission write fm submission.csv --data ../shared/data
        python -m benchmarks.kuairand_techjam.submission check submission.csv --data ../shared/data
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.kuairand_techjam.methods import METHODS
from benchmarks.kuairand_techjam.rows import PARTS, SPLITS, TaskRows, read
from tasks.core.errors import DwellError
from tasks.core.files import writing
from tasks.evaluate.metrics.inputs import FloatArray, finite
from tasks.ingest.forms.delimited import Delimited

HEADER = ("row_id", "user_id", "video_id", "score")


class SubmissionError(DwellError):
    """A submission that the organisers' check would reject."""


def write(rows: TaskRows, score_B: FloatArray, path: Path) -> Path:
    """Write the scores of a part's rows; return the path.

    Raises:
        ValueError: if a score is not finite, or there is not one per row.
    """
    if len(score_B) != len(rows):
        raise ValueError(f"{len(score_B):,} scores for {len(rows):,} rows")
    frame = rows.frame.select(HEADER[:-1]).with_columns(score=pl.Series(finite("score", score_B)))
    with writing(path) as temporary:
        frame.write_csv(temporary)
    return path


def read_scores(path: Path, rows: TaskRows) -> FloatArray:
    """Return the [B] scores of a submission.

    Args:
        path: of the file.
        rows: of the part it is for.

    Raises:
        SubmissionError: naming the first line that is wrong: header, number of rows, gap, pair of another row, no finite score.
    """
    file = Delimited(path)
    if tuple(file.names) != HEADER:
        raise SubmissionError(f"{path}: its header is {','.join(file.names)!r}; write {','.join(HEADER)!r}")
    found = file.frame.collect()
    if found.height != len(rows):
        raise SubmissionError(f"{path} has {found.height:,} rows, the part has {len(rows):,}: write one line for each")
    expected = rows.frame.select(pl.col(name).cast(pl.String()) for name in HEADER[:-1])
    for name, remedy in (
        ("row_id", "row ids are 0, 1, ... in file order, without a gap"),
        ("user_id", "keep the order of the log: the row id is the key, pairs repeat"),
        ("video_id", "keep the order of the log: the row id is the key, pairs repeat"),
    ):
        wrong = found[name].ne_missing(expected[name]).arg_true()
        if len(wrong):
            row = wrong[0]
            raise SubmissionError(
                f"{path}, {file.place(row)}: {name} is {found[name][row]!r} where the log has {expected[name][row]!r}; {remedy}"
            )
    scores = found["score"].str.strip_chars().cast(pl.Float64(), strict=False)
    unfit = np.flatnonzero(~np.isfinite(scores.fill_null(float("nan")).to_numpy()))
    if unfit.size:
        row = int(unfit[0])
        raise SubmissionError(f"{path}, {file.place(row)}: score is {found['score'][row]!r}; write a finite number")
    return scores.to_numpy()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check one file; return the exit status."""
    asked = _parser().parse_args(arguments)
    try:
        parts = read(asked.data / "KuaiRand-Pure", SPLITS[asked.split])
        rows = parts[asked.part]
        if asked.action == "write":
            scored = METHODS[asked.method](parts, asked.seed)
            write(rows, scored.of(asked.part), asked.file)
        read_scores(asked.file, rows)
    except DwellError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{asked.file}: {len(rows):,} rows of {asked.part}, as they should be")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kuairand_techjam.submission", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    write_, check = (
        actions.add_parser("write", help="fit a method and write"),
        actions.add_parser("check", help="read back"),
    )
    write_.add_argument("method", choices=[name for name in METHODS if name != "oracle"])
    write_.add_argument("--seed", type=int, default=0, help="of the fit")
    for action in (write_, check):
        action.add_argument("file", type=Path, help="the submission")
        action.add_argument("--split", choices=SPLITS, default="public", help="whose rows")
        action.add_argument("--part", choices=PARTS[1:], default="test", help="which rows")
        action.add_argument(
            "--data", type=Path, default=Path("../shared/data"), help="folder that holds KuaiRand-Pure/"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
