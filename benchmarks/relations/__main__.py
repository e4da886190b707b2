"""What features of user and author, and of user and video, give: run some parts and write down what came out.

Run it: python -m benchmarks.relations [PART ...] --data ../shared/data [--quick]
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Relation features",
    package="benchmarks.relations",
    parts=("simulated", "r0"),
    seeds=(0, 1, 2, 3, 4),
    about="Models without relation features, with them, and with those of permuted pairs, on simulated worlds and on KuaiRand R0.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
