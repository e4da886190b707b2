"""Where networks lead boosted trees as the log grows, and where they do not: run some parts and write down what came out.

Run it: python -m benchmarks.growth [PART ...] [--seeds 0 1] [--quick]
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Networks against trees as the log grows",
    package="benchmarks.growth",
    parts=("users", "impressions", "ten_million"),
    seeds=(0, 1),
    about="The default night's network against its trees on simulated logs of 10^5 to 10^6 fit rows: more users, or more of each; 10^7 takes hours.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
