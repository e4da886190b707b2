"""A step of dwell's MMoE against the same network in plain torch, whose optimizer moves every row or forgets those that are absent.

Both are taken in turns in one process, so that what else the machine does slows both.
Shapes: B rows of a batch, F fields, D embedding width, E experts, K tasks.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.gpu import SCHEMA, batches, built, encoded_rows, labels_of
from benchmarks.parts.part import Options, Table
from benchmarks.parts.turns import DWELL, Pace, take_turns
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
DENSE, FORGETFUL = "plain torch, AdamW", "plain torch, SparseAdam"
StepOn = Callable[[Batch], object]


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
        self.mixed = MixedExperts(schema, tasks)

    def forward(self, ids_BF: Tensor, dense_BN: Tensor) -> Tensor:
        """Return logits [B, K]."""
        logit_BK: Tensor = self.mixed(torch.cat([self.embedding(ids_BF.long()).flatten(1), dense_BN], dim=1))
        return logit_BK


class MixedExperts(nn.Module):
    """All of the network but the embeddings."""

    def __init__(self, schema: InputSchema, tasks: int) -> None:
        super().__init__()
        inputs = schema.num_fields * WIDTH + schema.num_dense
        self.experts = nn.ModuleList(_layers(inputs, HIDDEN) for _ in range(EXPERTS))
        self.gates = nn.ModuleList(nn.Linear(inputs, EXPERTS, bias=False) for _ in range(tasks))
        self.towers = nn.ModuleList(nn.Linear(HIDDEN[-1], 1) for _ in range(tasks))

    def forward(self, inputs_BI: Tensor) -> Tensor:
        """Return logits [B, K]."""
        experts_BEH = torch.stack([expert(inputs_BI) for expert in self.experts], dim=1)
        mixed = [(gate(inputs_BI).softmax(1).unsqueeze(2) * experts_BEH).sum(1) for gate in self.gates]
        return torch.cat([tower(mixed_BH) for tower, mixed_BH in zip(self.towers, mixed, strict=True)], dim=1)


def _layers(inputs: int, hidden: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(DROPOUT)]
        inputs = width
    return nn.Sequential(*layers)


def arms(schema: InputSchema, names: Sequence[str], rows: int) -> tuple[EncodedRows, dict[str, StepOn]]:
    """Return rows drawn at random and what takes a step on a batch of them, for each arm that is asked for."""
    recipe, config = Recipe.model_validate(RECIPE), TrainingConfig(batch_size=BATCH)
    drawn = encoded_rows(rows, recipe.label_names, "cpu", schema)
    device = Device("cpu", bfloat16=False, compiled=False)
    makers: dict[str, Callable[[], StepOn]] = {
        DWELL: lambda: Step(built(recipe, labels_of(drawn), device, schema), config, device),
        DENSE: lambda: plain_step(schema, config, sparse=False),
        FORGETFUL: lambda: plain_step(schema, config, sparse=True),
    }
    return drawn, {name: makers[name]() for name in names}


def plain_step(schema: InputSchema, config: TrainingConfig, sparse: bool) -> StepOn:
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
        logit_BK, label_BK = network(batch.ids_BF, batch.dense_BN), labels(batch)
        loss = binary_cross_entropy_with_logits(logit_BK[:, 0], label_BK[:, 0])
        loss = loss + binary_cross_entropy_with_logits(logit_BK[:, 1:], label_BK[:, 1:])
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(rest, 10.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return step


def labels(batch: Batch) -> Tensor:
    """Return what the tasks learn, [B, K]; watch time by weighted logistic regression, where a play weighs its seconds."""
    assert batch.watch_B is not None
    return torch.stack([batch.watch_B / (1 + batch.watch_B), *batch.labels.values()], dim=1)


def pace(schema: InputSchema, names: Sequence[str], turns: int, steps: int, rows: int = 64 * BATCH) -> Pace:
    """Take steps in turns, on one thread."""
    torch.set_num_threads(1)
    drawn, taking = arms(schema, names, rows)
    given = batches(drawn, BATCH)

    def on_the_next(step: StepOn, given: Iterator[Batch]) -> object:
        return step(next(given))

    return take_turns({name: partial(on_the_next, step, given) for name, step in taking.items()}, turns, steps, BATCH)


def run(options: Options) -> list[Table]:
    """Return the table of both sizes."""
    rows, numbers = [], {}
    for ids in IDS[:1] if options.quick else IDS:
        found = pace(
            schema_of(ids), (DWELL, DENSE, FORGETFUL), *((1, 1) if options.quick else (9, 4 if ids > 10**6 else 20))
        )
        numbers[str(ids)] = {name: list(values) for name, values in found.samples.items()}
        for name, values in found.samples.items():
            pace_of = f"{statistics.median(values):,.0f} [{min(values):,.0f}, {max(values):,.0f}]"
            rows.append([f"{ids:,}", name, pace_of, "" if name == DWELL else found.times(name)])
    return [
        Table(
            title="Steps of an MMoE",
            columns=[
                "packed rows",
                "who takes them",
                "samples for a CPU-second [slowest, fastest turn]",
                "dwell is so many times as fast [95 %]",
            ],
            rows=rows,
            notes=[
                f"One thread, batches of {BATCH:,}, {EXPERTS} experts of {' and '.join(map(str, HIDDEN))}, embeddings of {WIDTH}, "
                f"{len(SCHEMA.fields)} fields, {SCHEMA.num_dense} dense features, watch time and two labels; ids follow a power law. "
                "Arms take turns in one process; the ratio is the median of the turns' and its interval comes from their order.",
                "AdamW moves all rows in every step. SparseAdam leaves absent rows where they are, has no weight decay, and so learns "
                "something else; dwell's rows are where AdamW would have them (models/row_sparse.py).",
            ],
            numbers=numbers,
        )
    ]
