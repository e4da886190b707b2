"""Simulate the promotion gate's policy over its life, and the rule before it, and write down what came out.

Run it: make benchmark-gate, or python -m benchmarks.gate [PART ...] --worlds 1000 --processes 2
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.gate import drift, false_promotions, power, prior, restarts, small_logs
from benchmarks.gate.lives import BANKED, Banks
from benchmarks.gate.promotions import Settings
from benchmarks.parts.part import Table
from benchmarks.parts.report import write_part

PARTS: Mapping[str, Callable[[Settings], list[Table]]] = {
    "false_promotions": false_promotions.run,
    "power": power.run,
    "restarts": restarts.run,
    "drift": drift.run,
    "small_logs": small_logs.run,
    "prior": prior.run,
}
QUICK_WORLDS, QUICK_NIGHTS, QUICK_MODELS = 3, 1, 6
HERE = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are named, or all; return the exit status."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.parts) - set(PARTS)):
        parser.error(f"unknown parts {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    with ExitStack() as stack:
        scratch = asked.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dwell-gate-")))
        banks = Banks(scratch, QUICK_NIGHTS, QUICK_MODELS) if asked.quick else Banks(scratch, asked.bank_nights)
        settings = Settings(banks, QUICK_WORLDS if asked.quick else asked.worlds, asked.processes, asked.seed)
        for days in BANKED:
            began = time.perf_counter()
            banks.make(days, asked.processes)
            print(f"bank of {banks.nights} nights ({days}): {time.perf_counter() - began:.0f} s", flush=True)
        for name in asked.parts or PARTS:
            began = time.perf_counter()
            tables = PARTS[name](settings)
            seconds = time.perf_counter() - began
            if asked.quick:
                print(f"{name}: {sum(len(table.rows) for table in tables)} rows", flush=True)
                continue
            command = f"python -m benchmarks.gate {name} --worlds {asked.worlds} --bank-nights {asked.bank_nights}"
            title = f"The gate over its life: {name.replace('_', ' ')}"
            print(write_part(title, name, tables, [asked.seed], command, seconds, asked.out), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all")
    parser.add_argument("--worlds", type=int, default=1000, help="of every cell; drift and small logs take a twentieth")
    parser.add_argument("--bank-nights", type=int, default=12, help="nights of real comparisons that worlds draw from")
    parser.add_argument("--processes", type=int, default=2, help="at work together; they change no figure")
    parser.add_argument("--seed", type=int, default=0, help="of all worlds")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the results")
    parser.add_argument("--scratch", type=Path, help="keep the nights of real comparisons here and take those that are; "
                        "default: a temporary folder. Start with an empty one after a change of code")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="show that the parts run; prints, records nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
