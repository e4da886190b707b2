"""Rank every user's own rows by long view, as TechJam 2026 (track 2) does, and lay it beside the published ladder.

Run it: python -m benchmarks.kuairand_techjam [PART ...] --data ../shared/data
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="TechJam 2026, track 2",
    package="benchmarks.kuairand_techjam",
    parts=("days_at_hand", "public"),
    seeds=range(5),
    about="Long views of KuaiRand-Pure by the public metric: floors, the official machine, dwell's network, the ceiling.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
