"""Steps of the peers' MMoE, each package used as its own users would and given its batches as tensors in memory.

All have the fields, widths, experts, tasks and batches of dwell's part. What a package cannot leave out stays in, and is named where it is.
Dense parts move by fused Adam, the fastest that torch has on a CPU, also where a package would take another.

Shapes: B rows of a batch, F fields, N dense features, K tasks, D embedding width.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import cycle
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from benchmarks.parts.turns import Arm
from benchmarks.training.plain import DROPOUT, EXPERTS, HIDDEN, RECIPE, WIDTH, MixedExperts, labels
from models.batch import Batch
from models.schema import InputSchema

RATE = 1e-3
TASKS = tuple(RECIPE["tasks"])
_DENSE = "numbers"
Maker = Callable[[InputSchema, Sequence[Batch]], Arm]


def fuxictr(schema: InputSchema, given: Sequence[Batch]) -> Arm:
    """Return the step of FuxiCTR's base class of multi-task models; dense features are one field that is passed on as it is."""
    torch.manual_seed(0)
    pytorch, layers = import_module("fuxictr.pytorch.models"), import_module("fuxictr.pytorch.layers")
    feature_map = import_module("fuxictr.features").FeatureMap("dwell", "")
    categorical = {name: {"type": "categorical", "vocab_size": rows, "source": ""} for name, rows in schema.fields}
    as_it_is = {"type": "embedding", "feature_encoder": "nn.Identity()", "source": ""}
    feature_map.features = OrderedDict({**categorical, _DENSE: as_it_is})
    feature_map.labels = list(TASKS)

    class Network(pytorch.MultiTaskModel):  # type: ignore[misc,name-defined]  # known when it is imported
        def __init__(self) -> None:
            names = ["binary_classification"] * len(TASKS)
            super().__init__(feature_map, task=names, num_tasks=len(TASKS), verbose=0, model_root="", metrics=[])
            inputs = schema.num_fields * WIDTH + schema.num_dense
            block = partial(layers.MLP_Block, input_dim=inputs)
            self.embedding = layers.FeatureEmbedding(feature_map, WIDTH)
            self.experts = torch.nn.ModuleList(
                block(hidden_units=list(HIDDEN), dropout_rates=DROPOUT) for _ in range(EXPERTS)
            )
            self.gates = torch.nn.ModuleList(block(output_dim=EXPERTS, use_bias=False) for _ in TASKS)
            self.towers = torch.nn.ModuleList(layers.MLP_Block(HIDDEN[-1], output_dim=1) for _ in TASKS)

        def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
            x_BI = self.embedding(self.get_inputs(inputs), flatten_emb=True)
            expert_BEH = torch.stack([expert(x_BI) for expert in self.experts], dim=1)
            found = {}
            for task, gate, tower, activation in zip(
                TASKS, self.gates, self.towers, self.output_activation, strict=True
            ):
                mixed_BH = (gate(x_BI).softmax(dim=1).unsqueeze(2) * expert_BEH).sum(dim=1)
                found[f"{task}_pred"] = activation(tower(mixed_BH))
            return found

    network = Network()
    network.compile("adam", "binary_crossentropy", RATE)
    network.optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    network._max_gradient_norm = 10.0  # what its `fit` sets
    network.train()

    def of(batch: Batch) -> dict[str, Tensor]:
        label_BK = labels(batch)
        of_tasks = {task: label_BK[:, column].contiguous() for column, task in enumerate(TASKS)}
        return {**_by_field(schema, batch), _DENSE: batch.dense_BN, **of_tasks}

    return _on_each(network.train_step, [of(batch) for batch in given])


def deepctr_torch(schema: InputSchema, given: Sequence[Batch]) -> Arm:
    """Return what an iteration of DeepCTR-Torch's `fit` does; gates and towers are linear, and nothing is penalised."""
    columns, models = import_module("deepctr_torch.inputs"), import_module("deepctr_torch.models")
    network = models.MMOE(
        [
            *(columns.SparseFeat(name, rows, embedding_dim=WIDTH) for name, rows in schema.fields),
            columns.DenseFeat(_DENSE, schema.num_dense),
        ],
        num_experts=EXPERTS, expert_dnn_hidden_units=HIDDEN, gate_dnn_hidden_units=(), tower_dnn_hidden_units=(),
        l2_reg_linear=0, l2_reg_embedding=0, dnn_dropout=DROPOUT, task_types=["binary"] * len(TASKS), task_names=TASKS,
    )  # fmt: skip
    network.compile(torch.optim.Adam(network.parameters(), lr=RATE, fused=True), "binary_crossentropy")
    network.train()

    def step(batch: tuple[Tensor, Tensor]) -> None:
        x_BI, label_BK = batch
        predicted_BK = network(x_BI)
        network.optim.zero_grad()
        loss: Any = sum(
            network.loss_func(predicted_BK[:, task], label_BK[:, task], reduction="sum") for task in range(len(TASKS))
        )
        (loss + network.get_regularization_loss() + network.aux_loss).backward()
        network.optim.step()

    def of(batch: Batch) -> tuple[Tensor, Tensor]:
        ids_BF = torch.stack([*_by_field(schema, batch).values()], dim=1)
        return torch.cat([ids_BF.float(), batch.dense_BN], dim=1), labels(batch)

    return _on_each(step, [of(batch) for batch in given])


def torch_rechub(schema: InputSchema, given: Sequence[Batch]) -> Arm:
    """Return what an iteration of Torch-RecHub's trainer does. Its layers normalise batches, and its gates have a bias and dropout."""
    features = import_module("torch_rechub.basic.features")
    models = import_module("torch_rechub.models.multi_task")
    torch.manual_seed(0)
    network = models.MMOE(
        [
            *(features.SparseFeature(name, rows, embed_dim=WIDTH) for name, rows in schema.fields),
            features.DenseFeature(_DENSE, embed_dim=schema.num_dense),
        ],
        ["classification"] * len(TASKS),
        EXPERTS,
        {"dims": list(HIDDEN), "activation": "relu", "dropout": DROPOUT},
        [{"dims": []} for _ in TASKS],
    ).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, weight_decay=1e-5, fused=True)

    def step(batch: tuple[dict[str, Tensor], Tensor]) -> None:
        inputs, label_BK = batch
        predicted_BK = network(inputs)
        losses: list[Any] = [
            binary_cross_entropy(predicted_BK[:, task], label_BK[:, task]) for task in range(len(TASKS))
        ]
        network.zero_grad()
        (sum(losses) / len(TASKS)).backward()
        optimizer.step()

    return _on_each(step, [({**_by_field(schema, batch), _DENSE: batch.dense_BN}, labels(batch)) for batch in given])


def fbgemm(schema: InputSchema, given: Sequence[Batch]) -> Arm:
    """Return a step with FBGEMM's table-batched embeddings, which move by row-wise Adagrad while the gradient is computed."""
    common = import_module("fbgemm_gpu.split_table_batched_embeddings_ops_common")
    training = import_module("fbgemm_gpu.split_table_batched_embeddings_ops_training")
    optimizers = import_module("fbgemm_gpu.split_embedding_configs").EmbOptimType
    torch.manual_seed(0)
    tables = training.SplitTableBatchedEmbeddingBagsCodegen(
        [(rows, WIDTH, common.EmbeddingLocation.HOST, training.ComputeDevice.CPU) for _, rows in schema.fields],
        optimizer=optimizers.EXACT_ROWWISE_ADAGRAD,
        learning_rate=RATE,
        pooling_mode=common.PoolingMode.SUM,
    )
    tables.init_embedding_weights_uniform(-0.01, 0.01)
    network = MixedExperts(schema, len(TASKS)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, fused=True)
    count = len(given[0]) * schema.num_fields
    offset_BF = torch.arange(count + 1)

    def step(batch: tuple[Tensor, Tensor, Tensor]) -> None:
        index_FB, dense_BN, label_BK = batch
        logit_BK = network(torch.cat([tables(index_FB, offset_BF), dense_BN], dim=1))
        loss = sum(binary_cross_entropy_with_logits(logit_BK[:, task], label_BK[:, task]) for task in range(len(TASKS)))
        assert isinstance(loss, Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def of(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        return torch.cat([*_by_field(schema, batch).values()]), batch.dense_BN, labels(batch)

    return _on_each(step, [of(batch) for batch in given])


RIVALS: dict[str, Maker] = {
    "FuxiCTR": fuxictr,
    "DeepCTR-Torch": deepctr_torch,
    "Torch-RecHub": torch_rechub,
    "FBGEMM TBE": fbgemm,
}
"""Packages by the name that the table prints."""


def _by_field(schema: InputSchema, batch: Batch) -> dict[str, Tensor]:
    """Return the ids of every field, each counted from 0, int64 [B]."""
    ids_BF = batch.ids_BF - torch.tensor(schema.offsets)
    return {name: ids_BF[:, column].contiguous() for column, name in enumerate(schema.names)}


def _on_each(step: Callable[[Any], object], batches: Sequence[Any]) -> Arm:
    """Return what takes a step on the next of some batches, again and again."""
    endless = cycle(batches)
    return lambda: step(next(endless))
