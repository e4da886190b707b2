"""Is a step still as fast beside plain torch as it was? A ratio of CPU times of one process, so that a slow machine is no regression.

Run it: python -m benchmarks.training.guard; it ends with 1 where dwell has become more than 1.3 times slower.
"""

import re
import sys
from pathlib import Path

from benchmarks.parts.turns import DWELL
from benchmarks.training.plain import DENSE, IDS, pace, schema_of

RECORD = Path(__file__).parent / "results/plain.md"
MOST = 1.3
"""Times slower that is a regression: turns of a shared machine differ by less."""
_ATTEMPTS = 3


def recorded() -> float:
    """Return the recorded ratio of a night's number of rows."""
    row = re.search(
        rf"^\| {IDS[0]:,} \| {re.escape(DENSE)} \|[^|]*\| ([\d.]+)[^|]*\|$",
        RECORD.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    if row is None:
        raise ValueError(
            f"{RECORD} holds no row of {DENSE} at {IDS[0]:,} rows: python -m benchmarks.training plain makes it"
        )
    return float(row[1])


def main() -> int:
    """Measure, at most three times; return the exit status."""
    wanted = recorded() / MOST
    for _ in range(_ATTEMPTS):
        found = pace(schema_of(IDS[0]), (DWELL, DENSE), turns=5, steps=20).ratio(DENSE)
        print(
            f"a step of dwell is {found:.2f} times as fast as one of plain torch (recorded {recorded():.2f}, at least {wanted:.2f})"
        )
        if found >= wanted:
            return 0
    print(
        "error: training has become slower beside plain torch: profile a step, or record again why it has to be",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
