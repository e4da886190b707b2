"""Forecasts over simulated nights against what came: run it and write down what came out.

Run it: python -m benchmarks.forecast [--quick]
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Forecast of the day to come",
    package="benchmarks.forecast",
    parts=("nights",),
    seeds=(0,),
    about="Coverage and error of forecast and nowcast over simulated nights, against persistence, DLE and CBPE.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
