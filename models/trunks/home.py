"""HoME: experts in two levels, each open to all tasks, to one group of tasks, or to one task.

Shape legend: B rows, E width of the flat encoding, K experts of one place, S experts that a gate sees, L adapters of a
feature gate, R their rank, H trunk output width.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.by_task import ByTask
from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape
from models.ranges import Copies, Dropout, Width
from models.trunks.base import Trunk

WATCH_GROUP = frozenset({"watch_time", "skip", "valid_play", "long_view", "finish", "click"})
"""Tasks of the group `watch`, with all further watch-time heads; every other task is in `interact`."""


class HomeConfig(ComponentConfig):
    """Number and widths of the experts, and the size of the feature gates."""

    kind: Literal["home"] = "home"
    num_experts: Copies = 2
    """Experts of every place: all tasks, a group, a task; at each level."""
    hidden: tuple[Width, Width] = (128, 64)
    """Width of a meta expert and of a task expert; each is one layer."""
    adapters: Copies = 2
    """Low-rank maps that a feature gate mixes."""
    rank: Width = 8
    """Rank of each of them."""
    dropout: Dropout = 0.2
    """Of the tasks' representations. Further inside it would shift the variances that BatchNorm keeps for serving."""


class Home(Trunk):
    """Meta experts turn the encoding into a representation for all tasks and one per group; task experts read those.

    At both levels a gate (softmax, reading the encoding) mixes all experts that its reader may see, and a self-gate adds
    the reader's own ones once more: a group sees global and group experts, a task sees global, group and its own. Experts
    are SiLU(BatchNorm(Linear)), without the bias that BatchNorm would cancel, and each place looks at its input through a
    feature gate.

    Source: Wang et al., 2024 (arXiv 2408.05430), from its abstract, and docs/methods/multi_task.md#home. Our reading:
    the groups, with the click among the watch tasks since a valid play follows it; the global representation is made of
    global experts only, so that what one group learns for itself never reaches the other; and a batch of one training
    row is normalised by the running statistics and leaves them as they are.
    """

    Config = HomeConfig
    divisible = False
    weighs_rows = False

    def __init__(self, config: HomeConfig, shape: EncodedShape, tasks: Sequence[str]) -> None:
        super().__init__(config, shape, tasks)
        self.tasks, self.groups = tuple(tasks), groups_of(tasks)
        meta_width, self.width = config.hidden
        number = config.num_experts
        self.everyone = _Branch(config, shape.width, num_others=0)
        self.branches = ByTask({group: _Branch(config, shape.width, num_others=number) for group in self.groups})
        self.own = ByTask({task: _Experts(config, meta_width, self.width) for task in self.tasks})
        self.gates = ByTask({task: _Gate(shape.width, number, num_others=2 * number) for task in self.tasks})
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return every task's representation, [B, H]."""
        x_BE = encoded.flat_BE
        global_meta_BKM = self.everyone.meta(x_BE)
        global_BKH = self.everyone.experts(self.everyone.gate(x_BE, global_meta_BKM))
        h = {}
        for group, members in self.groups.items():
            branch = self.branches[group]
            meta_BM = branch.gate(x_BE, branch.meta(x_BE), global_meta_BKM)
            group_BKH = branch.experts(meta_BM)
            for task in members:
                h[task] = self.dropout(self.gates[task](x_BE, self.own[task](meta_BM), group_BKH, global_BKH))
        return {task: h[task] for task in self.tasks}

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the global experts, and those of groups with more than one task."""
        branches = [self.branches[group] for group, members in self.groups.items() if len(members) > 1]
        return [parameter for branch in (self.everyone, *branches) for parameter in branch.parameters()]

    @torch.no_grad()
    def diagnostics(self, encoded: Encoded) -> dict[str, float]:
        """Return the mean entropy (nats) of every group's and task's gate, and its weight on own and on global experts."""
        gates = {f"meta_{group}": self.branches[group].gate for group in self.groups} | dict(self.gates.items())
        numbers = {}
        for name, gate in gates.items():
            weight_BS = gate.weights(encoded.flat_BE)
            share_S = weight_BS.mean(dim=0)
            numbers[f"gate_entropy/{name}"] = float(torch.special.entr(weight_BS).sum(dim=1).mean())
            numbers[f"own_share/{name}"] = float(share_S[: gate.num_own].sum())
            numbers[f"global_share/{name}"] = float(share_S[-gate.num_own :].sum())
        return numbers


def groups_of(tasks: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return group -> its tasks in their order; a group without tasks is absent."""
    members: dict[str, list[str]] = {"watch": [], "interact": []}
    for task in tasks:
        watches = task in WATCH_GROUP or task.startswith("watch_time_")
        members["watch" if watches else "interact"].append(task)
    return {group: tuple(found) for group, found in members.items() if found}


class _Branch(nn.Module):
    """What all tasks, or one group, have to themselves: meta experts, the gate that mixes them, and task-level experts."""

    def __init__(self, config: HomeConfig, in_width: int, num_others: int) -> None:
        super().__init__()
        meta_width, width = config.hidden
        self.meta = _Experts(config, in_width, meta_width)
        self.gate = _Gate(in_width, config.num_experts, num_others)
        self.experts = _Experts(config, meta_width, width)


class _Experts(nn.Module):
    """The experts of one place, which share a feature gate."""

    def __init__(self, config: HomeConfig, in_width: int, out_width: int) -> None:
        super().__init__()
        self.feature_gate = _FeatureGate(in_width, config.adapters, config.rank)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(in_width, out_width, bias=False), _BatchNorm(out_width), nn.SiLU())
            for _ in range(config.num_experts)
        )

    def forward(self, x_BE: Tensor) -> Tensor:
        """Return all outputs, [B, K, H]."""
        gated_BE = self.feature_gate(x_BE)
        return torch.stack([expert(gated_BE) for expert in self.experts], dim=1)


class _FeatureGate(nn.Module):
    """x * sigmoid(sum_l g_l B_l A_l x) with g = softmax(W x). A constant factor would vanish in the experts' BatchNorm."""

    def __init__(self, width: int, adapters: int, rank: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, adapters, bias=False)
        self.down = nn.Linear(width, adapters * rank, bias=False)
        self.up = nn.Linear(adapters * rank, width, bias=False)

    def forward(self, x_BE: Tensor) -> Tensor:
        weight_BL = torch.softmax(self.gate(x_BE), dim=1)
        down_BLR = self.down(x_BE).reshape(*weight_BL.shape, -1)
        logit_BE = self.up((weight_BL.unsqueeze(2) * down_BLR).flatten(start_dim=1))
        return x_BE * torch.sigmoid(logit_BE)


class _Gate(nn.Module):
    """Mixes all experts that its reader sees and, where some are not the reader's own, adds the own ones once more.

    Args:
        in_width: E.
        num_own: experts of the reader's own, which come first.
        num_others: experts it sees besides; global ones come last.
    """

    def __init__(self, in_width: int, num_own: int, num_others: int) -> None:
        super().__init__()
        self.num_own = num_own
        self.mix = nn.Linear(in_width, num_own + num_others, bias=False)
        self.own = nn.Linear(in_width, num_own, bias=False) if num_others else None

    def forward(self, x_BE: Tensor, own_BKH: Tensor, *others: Tensor) -> Tensor:
        """Return the mixture, [B, H]."""
        mixed_BH = _weighted(self.weights(x_BE), torch.cat([own_BKH, *others], dim=1))
        if self.own is None:
            return mixed_BH
        logit_BK = self.own(x_BE)
        weight_BK = torch.sigmoid(logit_BK) if self.num_own == 1 else torch.softmax(logit_BK, dim=1)
        return mixed_BH + _weighted(weight_BK, own_BKH)

    def weights(self, x_BE: Tensor) -> Tensor:
        """Return the weights of all experts, [B, S], each row summing to 1."""
        return torch.softmax(self.mix(x_BE), dim=1)


def _weighted(weight_BK: Tensor, expert_BKH: Tensor) -> Tensor:
    return (weight_BK.unsqueeze(2) * expert_BKH).sum(dim=1)


class _BatchNorm(nn.BatchNorm1d):
    """BatchNorm that takes the running statistics for a single row, which has no variance of its own."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) == 1:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(input)
