"""What a second night costs, and the same night again, in CPU-seconds by who spends them.

Run it: make benchmark-night, of the night of params.yaml make benchmark-night PART=default.
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Night",
    package="benchmarks.night",
    parts=("small", "default"),
    seeds=(0,),
    about="CPU time of a second night by stage, and what DVC, Prefect's server and the run itself spend beside the stages.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
