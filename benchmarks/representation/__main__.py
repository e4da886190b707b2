"""What codes of content give to videos that nobody has seen, and who proposes best: run some parts and write down what came out.

Run it: make benchmark-representation, or python -m benchmarks.representation [PART ...] --seeds ... [--quick]
"""

import sys

from benchmarks.parts.command import Benchmark

BENCHMARK = Benchmark(
    title="Item codes, proposers and vectors learned before a fit",
    package="benchmarks.representation",
    parts=(
        *("cold_start", "cold_start_kuairand", "history_codes", "retrieval", "retrieval_kuairand", "setrec", "gacn"),
        *("pretraining", "distillation", "distillation_kuairand"),
    ),
    seeds=(0, 1, 2),
    about="Own rows of videos alone, beside codes of their content, and beside codes of other videos, in a world of known effect; "
    "codes of past events beside those of the row's own video, in a world of planted taste; "
    "proposers of videos against floors and controls, by recall of later watches over the whole catalogue; "
    "slots of content beside who watched a video, over the share of content in a score; "
    "views of the graph of watches that a generator draws, against LightGCN and simpler views; "
    "rankers that begin with the vectors of such proposers or read them, against none and dealt ones; "
    "vectors of users whom few rows are known of, by a student of histories cut short, against the teacher's own, their mean and permuted teachers.",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
