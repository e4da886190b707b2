"""One second moment for every row of an embedding table in the place of one for every number: memory of a fit, and what metrics see.

On KuaiRand R0, and on a planted log of which nothing but the identifiers of users and videos is known: there all that is learned lies in the
rows.
"""

import time
from typing import get_args

import torch

from benchmarks.efficiency.compression import METRICS, RECIPE, planted_arms, quick_or_r0
from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.cells import paired
from benchmarks.watchtime.testbed import Testbed
from models.encoders.packed import PackedConfig
from models.recipe import Recipe
from models.row_sparse import SecondMoment
from tasks.table.training_table import TrainingTable
from tasks.train.table_memory import TableMemory


def run(options: Options) -> list[Table]:
    """Return a table for either log."""
    torch.set_num_threads(1)
    planted = planted_arms(options)
    return [
        _measured("KuaiRand-Pure, protocol R0", quick_or_r0(options), RECIPE),
        _measured("Planted log, identifiers alone", planted.testbed, planted.recipe),
    ]


def _measured(world: str, testbed: Testbed, recipe: Recipe) -> Table:
    assert isinstance(recipe.encoder, PackedConfig)
    width, number_of_rows = recipe.encoder.embedding_dim, TrainingTable.open(testbed.table).schema.num_rows
    draws, mib, cpu_s = {}, {}, {}
    for kept in get_args(SecondMoment):
        training = testbed.training.model_copy(update={"second_moment": kept})
        memory, begun = TableMemory(training), time.process_time()
        memory.admit(number_of_rows, width)
        bundle = testbed.fit(f"second_moment_{kept}", recipe, training)
        cpu_s[kept] = (time.process_time() - begun) / len(training.seeds)
        draws[kept], mib[kept] = testbed.draws(testbed.outputs(bundle)), memory.mib
    of_numbers = draws["number"]
    shown = [metric for metric in METRICS if metric in of_numbers]
    values = {kept: {m: [draw.result.value for draw in found[m]] for m in shown} for kept, found in draws.items()}
    rows = [
        ["number", f"{mib['number']:.2f}", f"{cpu_s['number']:.0f}", *(mean_sd(values["number"][m]) for m in shown)],
        ["row", f"{mib['row']:.2f}", f"{cpu_s['row']:.0f}", *(paired(draws["row"][m], of_numbers[m]) for m in shown)],
    ]
    return Table(
        title=world,
        columns=[
            "what has a second moment",
            "tables in a fit, MiB",
            "CPU-s a fit",
            *(METRICS[metric] for metric in shown),
        ],
        rows=rows,
        notes=[
            f"{number_of_rows:,} rows of width {width}, {len(testbed.rows):,} judge rows. Tables in a fit: rows, moments, and rows after the "
            "best epoch. First row: mean ± standard deviation between fits. Second: mean over fits of the paired difference [95 % user-bootstrap interval].",
        ],
        numbers={kept: {"mib": mib[kept], **found} for kept, found in values.items()},
    )
