"""Gates by scene and user, and sequences with the candidate inside: run some parts and write down what came out.

Run it: make benchmark-backbones DATA=../shared/data, or python -m benchmarks.backbones [PART ...] --data ... --seeds ...
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Backbones, trunks and histories",
    package="benchmarks.backbones",
    parts=("planted", "r0"),
    seeds=range(5),
    about="PEPNet where a scene turns the order and where it does not; PEPNet, BST, HSTU and OneTrans on KuaiRand R0 at equal CPU.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
