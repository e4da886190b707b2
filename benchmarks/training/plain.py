"""A step of dwell's MMoE against the same network in plain torch, whose optimizer moves every row or forgets those that are absent.

Both are taken in turns in one process, so that what else the machine does slows both.
Shapes: B rows of a batch, F fields, D embedding width, E experts, K tasks.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.gpu import SCHEMA, batches, built, encoded_rows, labels_of
from benchmarks.parts.part import Options, Table
from models.batch import Batch
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.train.batches import EncodedRows
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.step import Step

BATCH, WIDTH, EXPERTS, HIDDEN, DROPOUT = 1024, 16, 4, (128, 64), 0.2
RECIPE: dict[str, Any] = {
    "encoder": {"kind": "packed", "embedding_dim": WIDTH},
    "trunk": {"kind": "mmoe", "num_experts": EXPERTS, "hidden": list(HIDDEN), "dropout": DROPOUT},
    "head": {"kind": "wlr"},
    "tasks": {"watch_time": {}, "skip": {}, "long_view": {}},
}
IDS = (200_000, 10_000_000)
"""Packed rows: those of a night, and those of a large service."""
DWELL, DENSE, FORGETFUL = "dwell", "plain torch, AdamW", "plain torch, SparseAdam"
Arm = Callable[[Batch], object]


def schema_of(ids: int) -> InputSchema:
    """Return the fields of a night, the large ones so that there are about so many rows in all."""
    large = {"user_id": 0.55, "video_id": 0.3, "author_id": 0.1, "music_id": 0.05}
    fields = tuple((name, max(4, int(ids * large[name])) if name in large else size) for name, size in SCHEMA.fields)
    return InputSchema(fields=fields, num_dense=SCHEMA.num_dense)


class PlainMMoE(nn.Module):
    """What one writes who knows torch: one embedding, experts, a gate and a tower for each task."""

    def __init__(self, schema: InputSchema, tasks: int, sparse: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(schema.num_rows, WIDTH, sparse=sparse)
        nn.init.normal_(self.embedding.weight, std=0.01)
        inputs = schema.num_fields * WIDTH + schema.num_dense
        self.experts = nn.ModuleList(_layers(inputs, HIDDEN) for _ in range(EXPERTS))
        self.gates = nn.ModuleList(nn.Linear(inputs, EXPERTS, bias=False) for _ in range(tasks))
        self.towers = nn.ModuleList(nn.Linear(HIDDEN[-1], 1) for _ in range(tasks))

    def forward(self, ids_BF: Tensor, dense_BN: Tensor) -> Tensor:
        """Return logits [B, K]."""
        inputs_BI = torch.cat([self.embedding(ids_BF.long()).flatten(1), dense_BN], dim=1)
        experts_BEH = torch.stack([expert(inputs_BI) for expert in self.experts], dim=1)
        mixed = [(gate(inputs_BI).softmax(1).unsqueeze(2) * experts_BEH).sum(1) for gate in self.gates]
        return torch.cat([tower(mixed_BH) for tower, mixed_BH in zip(self.towers, mixed, strict=True)], dim=1)


def _layers(inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(DROPOUT)]
        inputs = width
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Pace:
    """CPU time of steps that were taken in turns.

    Attributes:
        samples: arm -> rows for each second of CPU time, one of each turn.
    """

    samples: Mapping[str, tuple[float, ...]]

    def ratio(self, arm: str) -> float:
        """Return how many times as fast dwell is, the median of the turns."""
        return statistics.median(
            mine / other for mine, other in zip(self.samples[DWELL], self.samples[arm], strict=True)
        )


def arms(schema: InputSchema, names: Sequence[str], rows: int) -> tuple[EncodedRows, dict[str, Arm]]:
    """Return rows drawn at random and what takes a step on a batch of them, for each arm that is asked for."""
    recipe, config = Recipe.model_validate(RECIPE), TrainingConfig(batch_size=BATCH)
    drawn = encoded_rows(rows, recipe.label_names, "cpu", schema)
    device = Device("cpu", bfloat16=False, compiled=False)
    makers: dict[str, Callable[[], Arm]] = {
        DWELL: lambda: Step(built(recipe, labels_of(drawn), device, schema), config, device),
        DENSE: lambda: plain_step(schema, config, sparse=False),
        FORGETFUL: lambda: plain_step(schema, config, sparse=True),
    }
    return drawn, {name: makers[name]() for name in names}


def plain_step(schema: InputSchema, config: TrainingConfig, sparse: bool) -> Arm:
    """Return a step of the network in plain torch; the gradient of its dense weights is clipped, that of its embeddings is not.

    Args:
        schema: fields and dense features.
        config: of the optimizers.
        sparse: whether absent rows are left where they are (SparseAdam) or all rows move (AdamW).
    """
    torch.manual_seed(0)
    network = PlainMMoE(schema, len(RECIPE["tasks"]), sparse).train()
    table = network.embedding.weight
    rest = [parameter for parameter in network.parameters() if parameter is not table]
    adamw = partial(torch.optim.AdamW, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    optimizers: list[torch.optim.Optimizer] = [adamw(rest if sparse else [table, *rest])]
    if sparse:
        optimizers.append(torch.optim.SparseAdam([table], lr=config.learning_rate))

    def step(batch: Batch) -> None:
        assert batch.watch_B is not None
        label_BK = torch.stack([*batch.labels.values()], dim=1)
        logit_BK = network(batch.ids_BF, batch.dense_BN)
        watched_B = batch.watch_B / (1 + batch.watch_B)  # weighted logistic regression: a play weighs its seconds
        watch = binary_cross_entropy_with_logits(logit_BK[:, 0], watched_B)
        loss = watch + binary_cross_entropy_with_logits(logit_BK[:, 1:], label_BK)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(rest, 10.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return step


def pace(schema: InputSchema, names: Sequence[str], turns: int, steps: int, rows: int = 64 * BATCH) -> Pace:
    """Let every arm take some steps in each turn, one arm after the other, after two steps that do not count."""
    torch.set_num_threads(1)
    drawn, taking = arms(schema, names, rows)
    given = batches(drawn, BATCH)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for step in taking.values():
        step(next(given)), step(next(given))
    for _ in range(turns):
        for name, step in taking.items():
            began = time.process_time()
            for _ in range(steps):
                step(next(given))
            samples[name].append(BATCH * steps / (time.process_time() - began))
    return Pace({name: tuple(values) for name, values in samples.items()})


def run(options: Options) -> list[Table]:
    """Return the table of both sizes."""
    rows, numbers = [], {}
    for ids in IDS[:1] if options.quick else IDS:
        found = pace(
            schema_of(ids), (DWELL, DENSE, FORGETFUL), *((1, 1) if options.quick else (9, 10 if ids > 10**6 else 60))
        )
        numbers[str(ids)] = {name: list(values) for name, values in found.samples.items()}
        for name, values in found.samples.items():
            pace_of = f"{statistics.median(values):,.0f} [{min(values):,.0f}, {max(values):,.0f}]"
            rows.append([f"{ids:,}", name, pace_of, "" if name == DWELL else f"{found.ratio(name):.2f}"])
    return [
        Table(
            title="Steps of an MMoE",
            columns=[
                "packed rows",
                "who takes them",
                "samples for a CPU-second [slowest, fastest turn]",
                "dwell is so many times as fast",
            ],
            rows=rows,
            notes=[
                f"One thread, batches of {BATCH:,}, {EXPERTS} experts of {' and '.join(map(str, HIDDEN))}, embeddings of {WIDTH}, "
                f"{len(SCHEMA.fields)} fields, {SCHEMA.num_dense} dense features, watch time and two labels; ids follow a power law. "
                "Arms take turns in one process; the ratio is the median of the turns'.",
                "AdamW moves all rows in every step. SparseAdam leaves absent rows where they are, has no weight decay, and so learns "
                "something else; dwell's rows are where AdamW would have them (models/row_sparse.py).",
            ],
            numbers=numbers,
        )
    ]
