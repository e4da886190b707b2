"""Generative regression (GR): a watch time is written down token by token, the largest first.

Shape legend: B rows, O outputs of a head, L places of a code and its end, S values, V tokens, D width, H hidden width,
N sequences.
"""

from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from models.component import ComponentConfig
from models.counters import Counting
from models.heads.base import Head, LabelState, TrainLabels
from models.heads.label_scale import label_scale
from models.heads.watch_tokens import MOST_VALUES, CodeTree, dynamic_vocabulary
from models.ranges import Copies, Seconds, Share, Steps, WeightOrNone, Whole, Width

NODES_AT_A_TIME = 32
"""Codes whose continuations are held in memory together, for every row of a batch."""


class GrConfig(ComponentConfig):
    """Resolution of the label, size of the decoder, and how its own words replace the true ones.

    Raises:
        ValueError: if `heads` does not divide `width`.
    """

    kind: Literal["gr"] = "gr"
    resolution_s: Seconds = 1.0
    """Seconds of one unit: labels are rounded to it."""
    width: Width = 32
    """Width of token vectors; the tower has as many outputs."""
    hidden: Width = 64
    """Neurons of the layer that joins prefix and row."""
    heads: Copies = 4
    """Attention heads over the prefix."""
    sum_weight: WeightOrNone = 0.1
    """Weight of Huber's loss of the sum of expected tokens, in units of `scale_s`, beside the cross-entropy."""
    most_mixed: Share = 0.5
    """Largest share of the decoder's own words in what it reads of the prefix."""
    told: Whole = Field(default=500, ge=0, le=10**6)
    """Batches at first in which it reads true prefixes only."""
    mixing: Steps = 2_000
    """Batches after these in which the share grows to its largest."""
    scale_s: Seconds | None = 20.0
    """Seconds that the sum is divided by; null takes the train rows' 90th percentile."""

    @model_validator(mode="after")
    def _divided(self) -> "GrConfig":
        if self.width % self.heads:
            raise ValueError(f"gr: width is {self.width}, which {self.heads} heads do not divide")
        return self


class Gr(Head, Counting):
    """p(y | x) as a product over the tokens of y's code, from a decoder that reads the prefix and the row.

    Source: docs/methods/watch_time.md#generative-regression (arXiv 2412.20211, public code snailma0229/GR). The decoder is
    part of the head's parameters. Ours: whole units of `resolution_s` and fit rows for the vocabulary, one decoder layer,
    continuations that are no code masked, the exact mean over all codes in place of a windowed greedy one, and shares of
    expected words in place of coins.
    """

    Config = GrConfig
    monotone: ClassVar[bool] = True
    config: GrConfig
    tokens: Tensor
    most: Tensor
    scale: Tensor
    batches: Tensor
    value_s_S: Tensor
    node_S: Tensor
    last_S: Tensor
    in_part_S: Tensor
    in_level_S: Tensor
    path_SL: Tensor
    depth_S: Tensor
    allowed_SV: Tensor
    token_s_V: Tensor

    @classmethod
    def fit_state(cls, config: GrConfig, labels: TrainLabels) -> LabelState:
        """Fit the vocabulary.

        Returns:
            tokens: int64 [V], units, descending.
            most: int64 (), units: the longest train label; longer ones count as this.
            scale: float32 (), seconds.

        Raises:
            ValueError: if the longest label has too many units.
        """
        value = np.rint(labels.watch_s / config.resolution_s).astype(np.int64)
        most = max(int(value.max()), 1)
        if most >= MOST_VALUES:
            least = float(labels.watch_s.max()) / (MOST_VALUES - 1)
            raise ValueError(
                f"gr: the longest watch time of the fit days is {labels.watch_s.max():g} s, {most} units of "
                f"resolution_s={config.resolution_s:g}, and at most {MOST_VALUES - 1} can be decoded: give it at least {least:.2g}"
            )
        return {
            "tokens": dynamic_vocabulary(value),
            "most": np.asarray(most),
            "scale": np.asarray(label_scale(config.scale_s, labels, quantile=0.9), dtype=np.float32),
        }

    def __init__(self, config: GrConfig, state: LabelState) -> None:
        super().__init__(config, state)
        for name in ("tokens", "most", "scale"):
            self.register_buffer(name, torch.tensor(state[name]))
        self.register_counter("batches")
        tree = CodeTree.of(state["tokens"], int(state["most"]))
        num_tokens, unit = len(state["tokens"]), config.resolution_s
        # nodes stand by depth, and so do their parents: those of a part, and those of a depth, are a run of nodes
        starts = np.searchsorted(tree.depth, np.arange(tree.depth[-1] + 2))
        self._levels = _runs(starts[1:])
        firsts = np.arange(0, len(tree.value) + NODES_AT_A_TIME, NODES_AT_A_TIME)
        self._parts = _runs(np.searchsorted(tree.parent, firsts) + 1)
        fixed = {
            "value_s_S": torch.from_numpy(tree.value * unit).float(),
            "node_S": torch.from_numpy(tree.node),
            "path_SL": torch.from_numpy(tree.path),
            "depth_S": torch.from_numpy(tree.depth),
            "allowed_SV": torch.from_numpy(tree.allowed),
            "last_S": torch.from_numpy(np.append(0, tree.last)),
            "in_part_S": torch.from_numpy(np.append(0, tree.parent % NODES_AT_A_TIME)),
            "in_level_S": torch.from_numpy(np.append(0, tree.parent - starts[tree.depth[tree.parent]])),
            "token_s_V": torch.from_numpy(np.append(state["tokens"] * unit, 0.0)).float(),
        }
        for name, value in fixed.items():
            self.register_buffer(name, value, persistent=False)
        self.words = nn.Parameter(torch.randn(num_tokens + 2, config.width))
        self.places = nn.Parameter(0.02 * torch.randn(tree.path.shape[1] + 1, config.width))
        self.attention = nn.Linear(config.width, 3 * config.width)
        self.attended = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.of_prefix = nn.Linear(config.width, config.hidden)
        self.of_row = nn.Linear(config.width, config.hidden, bias=False)
        self.next = nn.Linear(config.hidden, num_tokens + 1)

    @property
    def num_outputs(self) -> int:
        """As many as the decoder is wide."""
        return self.config.width

    def value(self, watch_B: Tensor) -> Tensor:
        """Return labels in units, int64 [B]."""
        return torch.round(watch_B / self.config.resolution_s).long().clamp(max=self.value_s_S.shape[0] - 1)

    def loss(self, out_BO: Tensor, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return -log p(code) + weighted Huber loss of the sum of expected tokens of every row, [B]."""
        node_B = self.node_S[self.value(watch_B)]
        code_BL, depth_B1 = self.path_SL[node_B], self.depth_S[node_B].unsqueeze(1)
        place_L = torch.arange(code_BL.shape[1] + 1, device=node_B.device)
        inside_BL = place_L <= depth_B1
        # the pad of a code is the place of the end in the vocabulary
        target_BL = functional.pad(code_BL, (0, 1), value=self.allowed_SV.shape[1] - 1)
        allowed_BLV = self._allowed(code_BL)
        word_BLD = self.words[self._shifted(code_BL)]
        log_p_BLV = self._continuations(word_BLD, out_BO, allowed_BLV)
        if self.training and torch.is_grad_enabled():
            log_p_BLV = self._mixed(word_BLD, log_p_BLV, out_BO, allowed_BLV)
        surprise_B = -(log_p_BLV.gather(2, target_BL.unsqueeze(2)).squeeze(2) * inside_BL).sum(dim=1)
        said_B = ((log_p_BLV.exp() @ self.token_s_V) * inside_BL).sum(dim=1)
        error_B = functional.huber_loss(said_B / self.scale, watch_B / self.scale, reduction="none")
        return surprise_B + self.config.sum_weight * error_B

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the mean in seconds, [B]."""
        return self.decode_mean(out_BO, duration_B)

    def log_law(self, out_BO: Tensor) -> Tensor:
        """Return log p of every value, by node, [B, S]: its tokens one after the other, and the end."""
        row_BH = self.of_row(out_BO.float())
        prefix_SLH = self._prefixes(self.words[self._shifted(self.path_SL)])
        node_S1 = self.depth_S.view(-1, 1, 1).expand(-1, 1, prefix_SLH.shape[2])
        prefix_SH = prefix_SLH.gather(1, node_S1).squeeze(1)
        ends, follow = [], []
        for number, (first, after) in enumerate(self._parts):
            part = slice(number * NODES_AT_A_TIME, (number + 1) * NODES_AT_A_TIME)
            hidden_BNH = functional.relu(row_BH.unsqueeze(1) + prefix_SH[part])
            log_p_BNV = _masked(self.next(hidden_BNH), self.allowed_SV[part])
            ends.append(log_p_BNV[:, :, -1])
            follow.append(log_p_BNV[:, self.in_part_S[first:after], self.last_S[first:after]])
        end_BS, follow_BS = torch.cat(ends, dim=1), torch.cat(follow, dim=1)
        reached = [torch.zeros_like(end_BS[:, :1])]
        for first, after in self._levels:
            reached.append(reached[-1][:, self.in_level_S[first:after]] + follow_BS[:, first - 1 : after - 1])
        return torch.cat(reached, dim=1) + end_BS

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return sum p(value) min(value, longest) in seconds, [B]."""
        longest_B = self.longest(duration_B)
        value_s_BS = torch.minimum(self.value_s_S, longest_B.unsqueeze(1))
        return torch.minimum((self.log_law(out_BO).exp() * value_s_BS).sum(dim=1), longest_B)

    def _shifted(self, code_NL: Tensor) -> Tensor:
        """Return words that are read at every place: the start, then the code; past its end whatever the pad is."""
        return functional.pad(code_NL, (1, 0), value=self.words.shape[0] - 1)

    def _allowed(self, code_BL: Tensor) -> Tensor:
        """Return which continuations are codes at every place of true prefixes, bool [B, L, V + 1]."""
        unit_BL = functional.pad(self.tokens, (0, 1))[code_BL].cumsum(dim=1)
        return self.allowed_SV[self.node_S[functional.pad(unit_BL, (1, 0))]]

    def _prefixes(self, word_NLD: Tensor) -> Tensor:
        """Return what the decoder makes of every prefix before it sees the row, [N, L, H]."""
        read_NLD = word_NLD.float() + self.places
        shape = (*read_NLD.shape[:2], 3, self.config.heads, -1)
        query, key, value = self.attention(read_NLD).view(shape).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        seen_NLD = self.attended(mixed.transpose(1, 2).flatten(2))
        of_prefix_NLH: Tensor = self.of_prefix(self.norm(read_NLD + seen_NLD))
        return of_prefix_NLH

    def _continuations(self, word_BLD: Tensor, out_BO: Tensor, allowed_BLV: Tensor) -> Tensor:
        """Return log p of what follows every prefix, [B, L, V + 1]."""
        hidden_BLH = functional.relu(self._prefixes(word_BLD) + self.of_row(out_BO.float()).unsqueeze(1))
        return _masked(self.next(hidden_BLH), allowed_BLV)

    def _mixed(self, word_BLD: Tensor, log_p_BLV: Tensor, out_BO: Tensor, allowed_BLV: Tensor) -> Tensor:
        """Return log p where prefixes are read in part as the decoder's own expected words, and count the batch."""
        past = int(self.batches) - self.config.told
        share = self.config.most_mixed * min(max(past / self.config.mixing, 0.0), 1.0)
        self.batches += 1
        if not share:
            return log_p_BLV
        own_BLD = log_p_BLV.detach().exp() @ self.words[:-1]
        read_BLD = torch.cat([word_BLD[:, :1], torch.lerp(word_BLD[:, 1:], own_BLD[:, :-1], share)], dim=1)
        return self._continuations(read_BLD, out_BO, allowed_BLV)


def _masked(logit: Tensor, allowed: Tensor) -> Tensor:
    """Return log-probabilities over the last axis of what is allowed, and of the rest a number that is none."""
    return logit.masked_fill(~allowed, torch.finfo(logit.dtype).min).log_softmax(dim=-1)


def _runs(starts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return neighbours of ascending numbers as pairs."""
    return list(pairwise(starts.tolist()))
