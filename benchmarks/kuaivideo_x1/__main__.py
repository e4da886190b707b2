"""Click prediction as BARS has it on KuaiVideo_x1, beside the published ladder, with an honest stop beside the habit.

Run it: python -m benchmarks.kuaivideo_x1 [PART ...] --data ../shared/data
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="KuaiVideo_x1",
    package="benchmarks.kuaivideo_x1",
    parts=("days_at_hand", "public"),
    seeds=range(5),
    about="AUC, gAUC and log loss of clicks: floors and a factorisation machine, stopped on held-out users and on test.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
