"""What a process holds and how fast it reads: one kind of table, in a process of its own.

python -m benchmarks.efficiency.reader TABLES|WEIGHTS prints JSON. A folder of tables is read as a bundle's, a file of weights as an
`nn.Embedding` from safetensors, as a bundle without compression is.
"""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel
from safetensors.torch import load_file
from torch import Tensor, nn

from models.compression.table import CompressedTable, StoredTable
from tasks.train.tables import read_tables

ID_MAP = "0" * 64
TABLE = "encoder.table"
BATCH, REPEATS = 8_192, 200
_MIB = 2**20


class Reading(BaseModel):
    """What reading one table took.

    Attributes:
        opened_s: seconds of CPU time until the table was open, hashes compared.
        batch_mib: resident memory that the table has added once one batch was read, MiB.
        all_mib: the same once every row was read.
        rows_per_s: rows of that batch per second of CPU time, read again and again.
    """

    opened_s: float
    batch_mib: float
    all_mib: float
    rows_per_s: float


def measure(path: Path) -> Reading:
    """Measure a table in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.efficiency.reader", str(path)]
    return Reading.model_validate_json(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(path: Path) -> None:
    """Print what reading a table took."""
    torch.set_num_threads(1)
    _warm_up()
    asked = torch.from_numpy(np.random.default_rng(5).integers(0, 2**31, BATCH))
    empty = _resident_mib()
    began = time.process_time()
    read, rows = _open(path)
    opened_s = time.process_time() - began
    ids = asked % rows
    with torch.no_grad():
        read(ids)
        batch_mib = _resident_mib() - empty
        began = time.process_time()
        for _ in range(REPEATS):
            read(ids)
        rows_per_s = BATCH * REPEATS / (time.process_time() - began)
        for begin in range(0, rows, BATCH):
            read(torch.arange(begin, min(begin + BATCH, rows)))
        all_mib = _resident_mib() - empty
    print(json.dumps({"opened_s": opened_s, "batch_mib": batch_mib, "all_mib": all_mib, "rows_per_s": rows_per_s}))


def _open(path: Path) -> tuple[Callable[[Tensor], Tensor], int]:
    if path.is_dir():
        table = CompressedTable(read_tables(path, ID_MAP)[TABLE])
        return table, table.stored.num_rows
    weight = load_file(path)[f"{TABLE}.weight"]
    embedding = nn.Embedding(weight.shape[0], weight.shape[1])
    embedding.load_state_dict({"weight": weight})
    del weight
    gc.collect()
    return embedding, embedding.num_embeddings


def _warm_up() -> None:
    """Load what reading needs besides the table: its memory is not the table's."""
    weight_ND = np.ones((64, 2), dtype=np.float32)
    CompressedTable(StoredTable.of(weight_ND, np.arange(64, dtype=np.uint8) % 3))(torch.arange(BATCH) % 64)
    nn.Embedding(64, 2)(torch.arange(BATCH) % 64)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


if __name__ == "__main__":
    main(Path(sys.argv[1]))
