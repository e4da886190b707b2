"""Tree-based progressive regression (TPM): walk down a tree of watch-time ranges, right or left at every node.

Shape legend: B rows, O outputs of a head (the nodes), L leaves, D depth.
"""

from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from models.heads.base import LabelState, TrainLabels
from models.heads.growing_bins import LEVELS, MOST, GrowingBins, GrowingConfig, equal_mass_cuts, rows_above
from models.heads.label_scale import label_scale
from models.heads.linear_loss import LinearLoss
from models.heads.links import LAW, POSITIVE, Links
from models.heads.survival import survival_median
from models.ranges import Seconds, WeightOrNone, Whole

_DEEPEST = MOST.bit_length() - 1
_CERTAIN = 100.0
"""Logit of an answer that costs nothing in single precision."""
_LEAST_VARIANCE = 1e-8
"""In squared scales: below it the spread counts as 0 and passes no gradient, which the square root would make infinite."""


class TpmConfig(GrowingConfig):
    """Size of the tree and what the loss consists of."""

    kind: Literal["tpm"] = "tpm"
    depth: Whole = Field(default=5, ge=1, le=10)
    """Questions on the way to a leaf; 5 make 32 leaves and 31 outputs."""
    mean_weight: WeightOrNone = 1.0
    """Weight of the squared error of the mean, in units of `scale_s`."""
    spread_weight: WeightOrNone = 1e-4
    """Weight of the predicted standard deviation, in units of `scale_s`."""
    scale_s: Seconds | None = 20.0
    """Seconds that labels are divided by; null takes the train rows' 90th percentile."""

    @model_validator(mode="after")
    def _grows_to_its_depth(self) -> Self:
        if self.progressive_steps is not None and 2**self.depth != MOST:
            raise ValueError(f"progressive_steps ends with {MOST} leaves: set depth to {_DEEPEST}, not {self.depth}")
        return self


class Tpm(LinearLoss):
    """Leaves at train percentiles; p(leaf) is the product of the answers along the path.

    Source: Lin et al., KDD 2023 (arXiv 2306.03392); docs/methods/watch_time.md#tree-based-progressive-regression. The
    mean takes each leaf's train mean (our choice) cut at the duration, inside the expectation; the variance takes leaf
    values, not the mean. Where zeros fill several leaves all but the first of these stay empty, with value 0: mass on
    them changes nothing. Leaves that grow are those of what was watched at all: zeros have one of their own, and a question
    before the tree.
    """

    Config = TpmConfig
    monotone: ClassVar[bool] = True
    edges: Tensor
    values: Tensor
    scale: Tensor
    base: Tensor
    path_nodes: Tensor
    path_signs: Tensor

    @classmethod
    def fit_state(cls, config: TpmConfig, labels: TrainLabels) -> LabelState:
        """Fit the leaves.

        Returns:
            edges: float32 [L + 1], seconds, ascending; a leaf holds what is above its lower edge up to its upper one.
            values: float32 [L], seconds: mean of the leaf's train rows; of its edges where it has none.
            scale: float32 (), seconds.
            base: float32 [O], the train rows' own answers as logits; only of leaves that grow.
        """
        watch_s = np.sort(labels.watch_s.astype(np.float32))
        scale, base = label_scale(config.scale_s, labels, quantile=0.9), {}
        if config.progressive_steps is None:
            levels = np.linspace(0, 1, 2**config.depth + 1)
            edges = np.quantile(watch_s, levels, method="inverted_cdf").astype(np.float32)
        else:
            cuts = equal_mass_cuts(labels)
            edges, base = (
                np.append(np.float32(0), cuts),
                {"base": _answers(rows_above(cuts, labels.watch_s), len(watch_s))},
            )
        return {
            "edges": edges,
            "values": _leaf_means(watch_s, edges),
            "scale": np.asarray(scale, dtype=np.float32),
            **base,
        }

    def __init__(self, config: TpmConfig, state: LabelState) -> None:
        super().__init__(config, state)
        for name in ("edges", "values", "scale"):
            self.register_buffer(name, torch.tensor(state[name]))
        nodes_LD, signs_LD = _paths(config.depth)
        self.bins: GrowingBins | None = None
        if config.progressive_steps is not None:
            nodes_LD, signs_LD = _after_zero(nodes_LD, signs_LD)
            self.bins = GrowingBins(config.progressive_steps, *_node_levels(config.depth))
            self.register_buffer("base", torch.tensor(state["base"]))
        self.register_buffer("path_nodes", nodes_LD, persistent=False)
        self.register_buffer("path_signs", signs_LD, persistent=False)

    @property
    def num_outputs(self) -> int:
        """One per inner node, and the question before the tree where leaves grow."""
        return self.values.shape[0] - 1

    def leaf(self, watch_B: Tensor) -> Tensor:
        """Return the leaf of every row, int64 [B]."""
        return torch.searchsorted(self.edges[1:-1].contiguous(), watch_B)

    def log_mass(self, out_BO: Tensor) -> Tensor:
        """Return log p(leaf), [B, L]."""
        return functional.logsigmoid(self._answered(out_BO)[:, self.path_nodes] * self.path_signs).sum(dim=2)

    def _answered(self, out_BO: Tensor) -> Tensor:
        """Return the logit of every node, [B, O]; where leaves grow also that of a question with one answer, [B, O + 1]."""
        if self.bins is None:
            return out_BO.float()
        return functional.pad(self.bins.read(out_BO) + self.base, (0, 1), value=_CERTAIN)

    @property
    def links(self) -> Links:
        """One per leaf, and the watch time."""
        return ((LAW, self.num_outputs + 1), (POSITIVE, 1))

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the leaf as 0 and 1, and the watch time in units of `scale`, [B, L + 1]."""
        leaf_BL = functional.one_hot(self.leaf(watch_B), self.num_outputs + 1).float()
        return torch.cat([leaf_BL, (watch_B / self.scale).unsqueeze(1)], dim=1)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return leaf cross-entropy + squared error of the mean + standard deviation of every row, [B]."""
        log_mass_BL = self.log_mass(out_BO)
        cross_entropy_B = -(statistics_BS[:, :-1] * log_mass_BL).sum(dim=1)
        mean_B, variance_B = self._moments(torch.exp(log_mass_BL), duration_B)
        error_B = (mean_B / self.scale - statistics_BS[:, -1]).square()
        spread_B = (variance_B / self.scale.square()).clamp(min=_LEAST_VARIANCE).sqrt()
        penalties_B: Tensor = self.config.mean_weight * error_B + self.config.spread_weight * spread_B
        return cross_entropy_B + penalties_B

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the mean in seconds, [B]."""
        return self.decode_mean(out_BO, duration_B)

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return sum p(leaf) min(leaf mean, duration) in seconds, [B]."""
        return torch.minimum(self._moments(torch.exp(self.log_mass(out_BO)), duration_B)[0], self.longest(duration_B))

    def decode_variance(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the variance between leaves in squared seconds, [B]: sum p m^2 - (sum p m)^2 over leaf values m."""
        return self._moments(torch.exp(self.log_mass(out_BO)), duration_B)[1]

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the median in seconds, [B]: cumulative leaf mass, linear inside a leaf."""
        below_BL = torch.exp(self.log_mass(out_BO)).cumsum(dim=1)
        return survival_median(self.edges, functional.pad(1 - below_BL, (1, 0), value=1.0), self.longest(duration_B))

    def _moments(self, mass_BL: Tensor, duration_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the leaf values cut at `longest`, seconds and squared seconds, each [B]."""
        values_BL = torch.minimum(self.values, self.longest(duration_B).unsqueeze(1))
        mean_B = (mass_BL * values_BL).sum(dim=1)
        return mean_B, (mass_BL * (values_BL - mean_B.unsqueeze(1)).square()).sum(dim=1)


def _leaf_means(ordered: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return every leaf's train mean, float32 seconds [L], from exact sums of ascending labels."""
    watch_ms = np.rint(ordered.astype(np.float64) * 1000).astype(np.int64)
    bounds = np.concatenate([[0], np.searchsorted(ordered, edges[1:-1], side="right"), [len(ordered)]])
    sums = np.diff(np.concatenate([[0], np.cumsum(watch_ms)])[bounds])
    counts = np.diff(bounds)
    middle = (edges[:-1].astype(np.float64) + edges[1:]) / 2
    means: NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1) / 1000, middle)
    values: NDArray[np.float32] = means.astype(np.float32)
    return values


def _paths(depth: int) -> tuple[Tensor, Tensor]:
    """Return the nodes above every leaf, int64 [L, D], and 1 where it lies right of them, -1 left, [L, D].

    The root is node 0; the children of n are 2n + 1 and 2n + 2.
    """
    leaves = torch.arange(2**depth)
    node_L = torch.zeros_like(leaves)
    nodes, signs = [], []
    for level in reversed(range(depth)):
        turns_right_L = (leaves >> level) & 1
        nodes.append(node_L)
        signs.append(2.0 * turns_right_L - 1.0)
        node_L = 2 * node_L + 1 + turns_right_L
    return torch.stack(nodes, dim=1), torch.stack(signs, dim=1)


def _after_zero(nodes_LD: Tensor, signs_LD: Tensor) -> tuple[Tensor, Tensor]:
    """Return the paths of a tree behind the question whether anything was watched, output 0, and of the leaf of zeros before it."""
    leaves, depth = nodes_LD.shape
    watched_L1 = torch.ones(leaves, 1)
    nodes = torch.cat([torch.zeros(leaves, 1, dtype=torch.int64), nodes_LD + 1], dim=1)
    zero_1D = torch.full((1, depth + 1), leaves, dtype=torch.int64)
    zero_1D[0, 0] = 0
    signs_1D = torch.ones(1, depth + 1)
    signs_1D[0, 0] = -1
    return torch.cat([zero_1D, nodes]), torch.cat([signs_1D, torch.cat([watched_L1, signs_LD], dim=1)])


def _node_levels(depth: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return level and parent of the outputs of a tree that grows, int64 [O] each: the last levels are read later."""
    node = np.arange(2**depth - 1)
    level = np.maximum(np.log2(node + 1).astype(np.int64) - (depth - LEVELS), 0)
    parent = np.where(level > 0, (node - 1) // 2, node)
    return np.append(0, level), np.append(0, parent + 1)


def _answers(above_J: NDArray[np.int64], rows: int) -> NDArray[np.float32]:
    """Return logits of the train rows' own answers: watched at all, then right at every node of the tree, [O].

    Args:
        above_J: train rows above 0 and above every upper edge of a leaf.
        rows: all of them.
    """
    right, left = [above_J[0]], [rows - above_J[0]]
    for level in range(_DEEPEST):
        step = MOST >> level
        begin_N, middle_N, end_N = (above_J[start : MOST + start - step + 1 : step] for start in (0, step // 2, step))
        right += list(middle_N - end_N)
        left += list(begin_N - middle_N)
    logits: NDArray[np.float32] = np.log((np.array(right) + 0.5) / (np.array(left) + 0.5)).astype(np.float32)
    return logits
