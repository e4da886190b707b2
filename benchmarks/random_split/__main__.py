"""Deal a published log at random onto days, for the protocols that are published with a random split.

Run it: python -m benchmarks.random_split kuairec --data path/to/KuaiRec --out path/to/assigned
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.random_split import kuairec, wechat
from benchmarks.random_split.split import Log, write
from tasks.core.errors import DwellError

LOGS: Mapping[str, Callable[[Path], Log]] = {"kuairec": kuairec.read, "wechat": wechat.read}
SEED = 312
"""P-DADF shuffles twice, with 312 and 1234; its shuffle is pandas', so these are not its rows."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Assign the rows of one log to days; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.random_split", description=__doc__)
    parser.add_argument("log", choices=LOGS, help="which log")
    parser.add_argument("--data", type=Path, required=True, help="where it lies, in its official layout")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the assigned log to")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the assignment (default {SEED})")
    asked = parser.parse_args(arguments)
    try:
        log = LOGS[asked.log](asked.data)
        write(log, asked.seed, asked.out)
    except DwellError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{log.impressions.height:,} rows of {log.users.height:,} users and {log.videos.height:,} videos assigned to {asked.out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
