"""Samples per second of the nightly MMoE on a card, beside what its memory and its multipliers would allow.

Run it: make benchmark-gpu, or python -m benchmarks.gpu --device cpu --rows 20000 --batch 1024: the same steps on the CPU.

Shape legend: B rows of a batch, F fields, N dense features, L events.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from models.batch import Batch
from models.heads.base import TrainLabels
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.core.files import write_json, write_text
from tasks.protocol.record import circumstances
from tasks.train.batches import EncodedRows
from tasks.train.config import TrainingBlock, TrainingConfig
from tasks.train.device import Device
from tasks.train.step import LOOK_STEPS, Step, StepRecord

REPOSITORY = Path(__file__).resolve().parents[1]
RECIPE = "wlr_mmoe"
ROWS, BATCHES, STEPS, REPEATS = 1 << 20, (1024, 8192, 65_536), 200, 5
SCHEMA = InputSchema(
    fields=(
        *(("user_id", 1_000_000), ("video_id", 500_000), ("author_id", 200_000), ("music_id", 100_000)),
        *(("tag", 70), ("scene", 8), ("hour", 25), ("day_of_week", 8), ("duration_bucket", 31), ("video_type", 4)),
        *(("upload_type", 12), ("user_active_degree", 9), ("follow_range", 9), ("fans_range", 9), ("friend_range", 8)),
    ),
    num_dense=186,
    history_fields=("video_id", "author_id", "tag", "scene"),
    history_length=20,
)
"""As wide as the table of a night: 15 fields, 186 dense features, 20 events."""
_SMALL = 64
"""Rows whose operations are counted: they grow with the rows, exactly."""


@dataclass(frozen=True)
class Measured:
    """One batch size.

    Attributes:
        batch: B.
        samples_per_second: median of the repeats.
        slowest: of the repeats.
        fastest: of the repeats.
        megabytes: least that a step has to read and write (`least_bytes`), 10^6 bytes.
        bandwidth_share: time in which the memory copies that much, over the time of a step.
        flops_share: time in which a large product of matrices takes the operations of a step, over the time of a step (MFU).
    """

    batch: int
    samples_per_second: float
    slowest: float
    fastest: float
    megabytes: float
    bandwidth_share: float
    flops_share: float


def encoded_rows(count: int, tasks: tuple[str, ...], device: str, schema: InputSchema = SCHEMA) -> EncodedRows:
    """Return rows drawn at random, the same in every run; ids follow a power law, as those of a log do."""
    rng = np.random.default_rng(0)

    def ids(field: int, *shape: int) -> np.ndarray[Any, Any]:
        number = schema.fields[field][1]
        skewed = np.floor(number ** rng.random(shape)).astype(np.int64) - 1
        return (schema.offsets[field] + skewed).astype(np.int32)

    duration_s = rng.integers(5, 120, count).astype(np.float32)
    sequences, length = max(count // 20, 1), schema.history_length
    names = schema.names
    history: dict[str, np.ndarray[Any, Any]] = {
        name: ids(names.index(name), sequences, length) for name in schema.history_fields
    }
    sizes = {"feedback": schema.num_feedback_codes, "ratio": schema.num_ratio_codes, "gap": schema.num_gap_codes}
    history |= {name: rng.integers(0, size, (sequences, length), dtype=np.uint8) for name, size in sizes.items()}
    columns = {
        "ids": np.stack([ids(field, count) for field in range(schema.num_fields)], axis=1),
        "dense": rng.standard_normal((count, schema.num_dense), dtype=np.float32),
        "duration_s": duration_s,
        "watch_s": (duration_s * rng.random(count)).astype(np.float32),
        "labels": (rng.random((count, len(tasks))) < 0.3).astype(np.uint8),
        "random": np.zeros(count, dtype=bool),
        "history_index": rng.integers(0, sequences, count, dtype=np.int32),
    }
    return EncodedRows(columns, history, tasks, device=device)


def labels_of(rows: EncodedRows) -> TrainLabels:
    """Return the watch times that heads are fitted to."""
    return TrainLabels(rows.columns["watch_s"].astype(np.float64), rows.columns["duration_s"].astype(np.float64))


def batches(rows: EncodedRows, size: int) -> Iterator[Batch]:
    """Yield full batches without end; all of them are slices of what lies on the device."""
    for begin in cycle(range(0, len(rows) - size + 1, size)):
        yield rows.batch(begin, begin + size)


def least_bytes(batch: Batch, ranker: Ranker) -> int:
    """Return what a step has to move if nothing is moved twice: no activation leaves the chip.

    The batch is read. A packed row that is read is looked up, its gradient written and read, and its value and both moments
    read and written: 9 numbers. A dense parameter is read forward and backward, its gradient written and read, and the same
    three read and written: 10.
    """
    assert batch.history is not None
    read = torch.cat([batch.ids_BF.flatten(), *(ids_BL.flatten() for ids_BL in batch.history.fields.values())])
    packed = sum(len(torch.unique(read)) * table.shape[1] for table in ranker.embedding_parameters())
    dense = sum(parameter.numel() for parameter in ranker.dense_parameters())
    return _bytes(batch) + 4 * (9 * packed + 10 * dense)


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    return sum(_bytes(getattr(value, f.name)) for f in fields(value)) if is_dataclass(value) else 0


def built(recipe: Recipe, labels: TrainLabels, device: Device, schema: InputSchema = SCHEMA) -> Ranker:
    """Return the ranker, in training mode where it is to run."""
    torch.manual_seed(0)
    return device.place(Ranker(recipe, schema, recipe.fit_head_state(labels))).train()


def flops_per_row(recipe: Recipe, labels: TrainLabels, rows: EncodedRows, config: TrainingConfig) -> float:
    """Return floating-point operations of the products of matrices in a step, forward and backward, per row."""
    cpu = Device("cpu", bfloat16=False, compiled=False)
    take_step = Step(built(recipe, labels, cpu), config, cpu)
    with FlopCounterMode(display=False) as counter:
        take_step(rows.batch(0, _SMALL).to("cpu"))
    return float(counter.get_total_flops()) / _SMALL


def seconds(work: Callable[[], object], device: str, times: int) -> float:
    """Return the mean time of some work, the device waited for before and after."""
    _wait(device)
    began = time.perf_counter()
    for _ in range(times):
        work()
    _wait(device)
    return (time.perf_counter() - began) / times


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def copy_bandwidth(device: str) -> float:
    """Return bytes per second that the memory reads and writes in a copy much larger than a cache."""
    here = torch.zeros(1 << (30 if device == "cuda" else 26), dtype=torch.uint8, device=device)
    there = torch.empty_like(here)
    there.copy_(here)
    return 2 * len(here) / min(seconds(lambda: there.copy_(here), device, 3) for _ in range(REPEATS))


def product_rate(device: Device) -> float:
    """Return floating-point operations per second of a large product of matrices, in the precision of a step."""
    size = 8192 if device.name == "cuda" else 1024
    factor = torch.ones(size, size, device=device.name, dtype=torch.bfloat16 if device.bfloat16 else torch.float32)
    torch.mm(factor, factor)
    return 2 * size**3 / min(seconds(lambda: torch.mm(factor, factor), device.name, 3) for _ in range(REPEATS))


def measure(
    rows: int, sizes: Sequence[int], steps: int, config: TrainingConfig
) -> tuple[list[Measured], dict[str, float]]:
    """Measure every batch size, and the device."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    recipe, device = Recipe.model_validate(params["recipes"][RECIPE]), Device.of(config)
    resident = encoded_rows(rows, recipe.label_names, device.name)
    labels = labels_of(resident)
    per_row = flops_per_row(recipe, labels, resident, config)
    bandwidth, products = copy_bandwidth(device.name), product_rate(device)
    found = []
    for size in sizes:
        ranker = built(recipe, labels, device)
        take_step, record = Step(ranker, config, device), StepRecord(ranker.trained_tasks, device.name)
        drawn = batches(resident, size)

        def run(
            taken: int, take_step: Step = take_step, record: StepRecord = record, drawn: Iterator[Batch] = drawn
        ) -> None:
            for step in range(taken):
                record.add(take_step(next(drawn)))
                if (step + 1) % LOOK_STEPS == 0:
                    record.look(step + 1)
            record.look(taken)

        run(min(steps, 10))  # compiles, and fills the caches of the allocator
        taken = [seconds(lambda run=run: run(steps), device.name, 1) / steps for _ in range(REPEATS)]  # type: ignore[misc]
        moved, middle = least_bytes(next(drawn), ranker), statistics.median(taken)
        found.append(
            Measured(
                size, size / middle, size / max(taken), size / min(taken),
                moved / 1e6, moved / bandwidth / middle, per_row * size / products / middle,
            )
        )  # fmt: skip
    return found, {"GB/s": bandwidth / 1e9, "TFLOP/s": products / 1e12, "MFLOP per row": per_row / 1e6}


def table(found: Sequence[Measured]) -> list[str]:
    """Return the Markdown table."""
    lines = ["| rows of a batch | samples/s [slowest, fastest] | MB of a step, at least | share of bandwidth | MFU |"]
    lines.append("|---|---|---|---|---|")
    for of in found:
        speed = f"{of.samples_per_second:,.0f} [{of.slowest:,.0f}, {of.fastest:,.0f}]"
        lines.append(
            f"| {of.batch:,} | {speed} | {of.megabytes:,.1f} | {of.bandwidth_share:.1%} | {of.flops_share:.1%} |"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and write it below `--out`; return the exit status, 2 where there is no card."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows that lie on the device")
    parser.add_argument("--batch", type=int, nargs="+", default=BATCHES, help="rows of a step")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each of the five repeats")
    parser.add_argument(
        "--out", type=Path, help="folder of results; by default benchmarks/gpu for a card, none for the CPU"
    )
    asked = parser.parse_args(arguments)
    if asked.rows < max(*asked.batch, _SMALL):
        parser.error(f"--rows {asked.rows} fill no batch of {max(*asked.batch, _SMALL)}")
    if asked.device == "cuda" and not torch.cuda.is_available():
        print(
            f"error: torch {torch.__version__} sees no CUDA device, so nothing was measured: run this where there is a card, "
            "or with --device cpu for the same steps on the CPU",
            file=sys.stderr,
        )
        return 2
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    config = TrainingBlock.model_validate(params["training"]).of(RECIPE).model_copy(update={"device": asked.device})
    torch.set_num_threads(config.threads)
    found, limits = measure(asked.rows, asked.batch, asked.steps, config)
    lines = [
        *table(found),
        "",
        f"Measured there: {', '.join(f'{value:,.2f} {name}' for name, value in limits.items())}.",
    ]
    print("\n".join(lines))
    out = asked.out or (Path(__file__).parent / "gpu" if asked.device == "cuda" else None)
    if out is not None:
        where = circumstances()
        card = torch.cuda.get_device_name() if asked.device == "cuda" else where["cpu"]
        results = {"circumstances": where | {"device": card}, "limits": limits, "results": [asdict(of) for of in found]}
        write_json(out / "results.json", results)
        head = [f"# The nightly MMoE (`{RECIPE}`) on {card}", "", "Run it: `make benchmark-gpu`", ""]
        at = (
            f"Measured {where['date']} at commit `{where['commit']}`; Python {where['python']}, torch {where['torch']}."
        )
        write_text(out / "results.md", "\n".join([*head, *lines, "", at]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
