"""The tensors that one training or scoring step sees.

Shape legend, used by every file of `models/`: B rows of the batch, F categorical fields, D embedding width,
N dense features, L history length, E encoder output width, H trunk output width, T tasks, O outputs of a head,
P pairs of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class History:
    """The last L events of each row's user, oldest first, left-padded; position 0 of every code is the pad.

    Candidates of one user read one sequence: outside training it may stand there once, and what depends on it alone is then
    computed once. B counts the sequences, unless `sequence_B` is None.

    Attributes:
        fields: name of a categorical field (video_id, author_id, tag, scene ...) -> rows of the packed table, int64 [B, L].
        feedback_BL: int64 feedback code (0 pad, then `tasks.features.history.FEEDBACK` in order).
        ratio_BL: int64 watch-ratio bucket (0 pad, 1..8).
        gap_BL: int64 bucket of the log time gap between the event and the start of the row's day (0 pad, 1..16).
        mask_BL: bool, True where an event stands.
        sequence_B: int64, the sequence that each row of the batch reads; None: row i reads sequence i.
    """

    fields: dict[str, Tensor]
    feedback_BL: Tensor
    ratio_BL: Tensor
    gap_BL: Tensor
    mask_BL: Tensor
    sequence_B: Tensor | None = None

    def of_rows(self, value: Tensor) -> Tensor:
        """Return for every row the value of its sequence, [B, ...], from one value per sequence."""
        return value if self.sequence_B is None else value.index_select(0, self.sequence_B)

    def spread(self) -> "History":
        """Return the same history with a sequence for every row."""
        if self.sequence_B is None:
            return self
        return _each(replace(self, sequence_B=None), self.of_rows)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Batch:
    """One mini-batch. Labels are absent (empty dict, None) when scoring candidates.

    Attributes:
        ids_BF: int64 rows of the packed embedding table (field offsets already added; 0 of a field is "unknown").
        dense_BN: float32 dense features, normalised with train-day statistics; missing values are 0.
        duration_B: float32 seconds.
        history: None when the recipe reads no history.
        watch_B: float32 seconds, min(play, duration) unless the label says untruncated.
        labels: binary task name -> float32 0/1 [B].
        observed_B: float32, 1 where the row was observed (always 1 on impressions).
        propensity_B: float32 in (0, 1], probability of being observed under the logging policy; 1 where unknown.
        random_B: bool, True on rows exposed uniformly at random.
        candidate_probability_B: float32, probability that a row which was not observed was a candidate at all; None: 1.
        weight_B: float32, the share of the recipe's population each row stands for; None: equal shares.
        pool_B: float32, how many rows of the fit days each stands for, over the mean of that among all rows that were selected
            (docs/methods/selection.md#weights-in-a-step); None: no row was left out.
        group_B: int64 below B, equal codes are rows of one list (a user's day); -1 for a row of none; None: lists are unknown.
        pair_P2: int64, pairs of rows of one list, each once and at most 64 of a list; None with `group_B`.
    """

    ids_BF: Tensor
    dense_BN: Tensor
    duration_B: Tensor
    history: History | None = None
    watch_B: Tensor | None = None
    labels: dict[str, Tensor] = field(default_factory=dict)
    observed_B: Tensor | None = None
    propensity_B: Tensor | None = None
    random_B: Tensor | None = None
    candidate_probability_B: Tensor | None = None
    weight_B: Tensor | None = None
    pool_B: Tensor | None = None
    group_B: Tensor | None = None
    pair_P2: Tensor | None = None

    def __len__(self) -> int:
        return int(self.ids_BF.shape[0])

    def to(self, device: torch.device | str) -> "Batch":
        """Return the same batch with every tensor on `device`."""
        return _each(self, lambda tensor: tensor.to(device, non_blocking=True))  # type: ignore[no-any-return]

    def take(self, row_R: Tensor | slice) -> "Batch":
        """Return some rows, int64 [R] or a slice, each standing alone: lists and pairs are left out."""
        history = None if self.history is None else self.history.spread()
        alone = replace(self, history=history, group_B=None, pair_P2=None)
        return _each(alone, lambda tensor: tensor[row_R])  # type: ignore[no-any-return]


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a batch, or a part of one, with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _each(item, change) for key, item in value.items()}
    if isinstance(value, (Batch, History)):
        return type(value)(**{f.name: _each(getattr(value, f.name), change) for f in fields(value)})
    return value
