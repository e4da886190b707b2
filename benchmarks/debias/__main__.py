"""Run parts of the debiasing benchmark and write down what came out.

Run it: make benchmark-debias DATA=../shared/data, or python -m benchmarks.debias [PART ...] --data ... --seeds ...
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Debiasing benchmark",
    package="benchmarks.debias",
    parts=(
        "coat",
        "synthetic",
        "semi_synthetic",
        "low_variance",
        "open_bandit",
        "nights",
        "rho",
        "random_slice",
        "nuisance",
    ),
    seeds=range(10),
    about="Debiasing on Coat, Open Bandit, simulated and real logs.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
