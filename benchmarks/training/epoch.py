"""What the end of an epoch costs where tables are large and few of their rows were read: bringing them up to date, and a checkpoint.

Tables are caught up once as a fit does it and once row by row, as if steps had been taken of all of them.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from benchmarks.gpu import batches, encoded_rows
from benchmarks.parts.part import Options, Table
from benchmarks.training.plain import BATCH, IDS, WIDTH, schema_of
from models.row_sparse import RowSparseAdamW
from tasks.train.checkpoint import Progress, prefixed, save_checkpoint

_STEPS = 20


def run(options: Options) -> list[Table]:
    """Return the table of both sizes."""
    torch.set_num_threads(1)
    rows = [_costs(ids, options.scratch) for ids in (IDS[:1] if options.quick else IDS)]
    return [
        Table(
            title="The end of an epoch",
            columns=[
                "packed rows",
                "of which steps were taken",
                "catching up, CPU-s",
                "catching up every row, CPU-s",
                "checkpoint after the best epoch so far, CPU-s",
                "its MB",
            ],
            rows=rows,
            notes=[
                f"{_STEPS} steps on the ids of `plain` before, embeddings of {WIDTH}. A checkpoint holds the model once, as that of the best epoch too, and the moments "
                "of rows that have any; its CPU time is that of handing pages to the disk.",
            ],
        )
    ]


def _costs(ids: int, scratch: Path) -> list[str]:
    torch.manual_seed(0)
    schema = schema_of(ids)
    table = nn.Parameter(torch.randn(schema.num_rows, WIDTH))
    optimizer = RowSparseAdamW([table], lr=1e-3)
    given = batches(encoded_rows(_STEPS * BATCH, (), "cpu", schema), BATCH)

    def step() -> None:
        ids_BF = next(given).ids_BF
        optimizer.prepare(ids_BF)
        functional.embedding(ids_BF, table, sparse=True).square().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step(optimizer.gradients())

    for _ in range(_STEPS):
        step()
    caught_up = _cpu(optimizer.catch_up_all)
    step()
    every_row = _cpu(lambda: [optimizer.catch_up(part) for part in torch.split(torch.arange(len(table)), 1 << 18)])
    state = optimizer.state_tensors()
    folder = scratch / "checkpoint"
    written = _cpu(
        lambda: save_checkpoint(folder, Progress(1, 0, 0.0, 1, 1, []), {"model": table} | prefixed("optimizer", state))
    )
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    moved = int(state["moved"].sum())
    return [f"{len(table):,}", f"{moved:,}", f"{caught_up:.2f}", f"{every_row:.2f}", f"{written:.2f}", f"{size:,.0f}"]


def _cpu(work: Callable[[], object]) -> float:
    """Return seconds of CPU time."""
    began = time.process_time()
    work()
    return time.process_time() - began
