"""From columns on disk to the tensors of a step: a shard is read, permuted and put on the device once, a batch is a slice of it.

Shapes as in `models/batch.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.batch import Batch, History
from tasks.table.columns import Array, open_column, open_columns
from tasks.train.lists import Lists
from tasks.train.order import EpochOrder, shard_visits, shuffled_rows
from tasks.train.pairs import pairs, row_keys

CANDIDATE_PROBABILITY = "candidate_probability"
"""Column, held in memory, of how likely a pair that was not shown was a candidate."""
POOL = "pool"
"""Column, held in memory, of how many rows of the fit days a selected one stands for, over the mean of that."""
_LIST, _KEY = "list", "pair_key"
"""Columns of an epoch that keeps lists: number of a row's list, and its hash, by which pairs are drawn."""


@dataclass(frozen=True)
class EncodedRows:
    """Encoded rows in memory, in the order they will be visited.

    Attributes:
        columns: name -> array [rows, ...]; `ids`, `dense`, `duration_s` always, the rest where the caller needs it.
        history: name -> [sequences, L]; row i reads sequence `columns["history_index"][i]`. Empty: no history.
        tasks: names of the columns of `labels`.
        seen_after: task whose label tells whether the other labels of a row were seen; None: they always were.
        device: where batches are made.
    """

    columns: Mapping[str, Array]
    history: Mapping[str, Array]
    tasks: tuple[str, ...] = ()
    seen_after: str | None = None
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.columns["ids"])

    @cached_property
    def _resident(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Columns and sequences as tensors on the device, put there with the first batch."""
        columns = {name: values for name, values in self.columns.items() if name not in (_LIST, _KEY)}
        return self._moved(columns), self._moved(self.history)

    def _moved(self, columns: Mapping[str, Array]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(values).to(self.device) for name, values in columns.items()}

    def batch(self, begin: int, end: int, *, shared: bool = False) -> Batch:
        """Return rows [begin, end) as tensors.

        Args:
            begin: first row.
            end: row after the last.
            shared: whether rows that read the same sequence share it, as candidates of a user can where nothing is learned.
        """
        columns, history = self._resident
        part = {name: values[begin:end] for name, values in columns.items()}
        labels = part.get("labels")
        tasks = {} if labels is None else {task: labels[:, i].float() for i, task in enumerate(self.tasks)}
        return Batch(
            ids_BF=part["ids"].long(),
            dense_BN=part["dense"],
            duration_B=part["duration_s"],
            history=_history(part["history_index"], history, shared) if history else None,
            watch_B=part.get("watch_s"),
            labels=tasks,
            observed_B=torch.ones_like(part["duration_s"]) if self.seen_after is None else tasks[self.seen_after],
            propensity_B=part.get("propensity"),
            # A random exposure makes no random click: where a click tells what was seen, no row stands for all alike.
            random_B=part.get("random") if self.seen_after is None else None,
            candidate_probability_B=part.get(CANDIDATE_PROBABILITY),
            pool_B=part.get(POOL),
            **self._listed(begin, end),
        )

    def _listed(self, begin: int, end: int) -> dict[str, Tensor]:
        """Return what a batch knows of the lists of its rows; nothing where they are not kept."""
        if _LIST not in self.columns:
            return {}
        list_B, key_B = self.columns[_LIST][begin:end], self.columns[_KEY][begin:end]
        group_B = np.cumsum(np.diff(list_B, prepend=list_B[:1]) != 0)
        of_host = {"group_B": group_B, "pair_P2": pairs(list_B, key_B)}
        return {name: torch.from_numpy(values).to(self.device, non_blocking=True) for name, values in of_host.items()}


def _history(index_B: Tensor, stored: Mapping[str, Tensor], shared: bool) -> History:
    """Return the sequences that rows read."""
    sequence_B = None
    if shared:
        index_B, sequence_B = torch.unique(index_B, return_inverse=True)
    codes = {name: values.index_select(0, index_B).long() for name, values in stored.items()}
    feedback_BL, ratio_BL, gap_BL = codes.pop("feedback"), codes.pop("ratio"), codes.pop("gap")
    return History(codes, feedback_BL, ratio_BL, gap_BL, feedback_BL > 0, sequence_B)


def join_rows(parts: Sequence[EncodedRows]) -> EncodedRows:
    """Append rows to rows; every part brings its own history sequences."""
    if len(parts) == 1:
        return parts[0]
    columns = {name: [part.columns[name] for part in parts] for name in parts[0].columns}
    if parts[0].history:
        offsets = np.cumsum([0] + [len(part.history["feedback"]) for part in parts[:-1]])
        columns["history_index"] = [part.columns["history_index"] + o for part, o in zip(parts, offsets, strict=True)]
    history = {name: np.concatenate([part.history[name] for part in parts]) for name in parts[0].history}
    joined = {name: np.concatenate(values) for name, values in columns.items()}
    return replace(parts[0], columns=joined, history=history)


def join_batches(parts: Sequence[Batch]) -> Batch:
    """Append the rows of batches that hold the same tensors."""
    return parts[0] if len(parts) == 1 else _join(parts)


def _join(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(list(values))
    if isinstance(first, dict):
        return {key: _join([value[key] for value in values]) for key in first}
    if isinstance(first, History):
        values = [value.spread() for value in values]
    if isinstance(first, (Batch, History)):
        return type(first)(**{f.name: _join([getattr(value, f.name) for value in values]) for f in fields(first)})
    assert all(value is None for value in values)
    return None


class Split:
    """One split of the table on disk (fit, validation or judge).

    Args:
        folder: folder of the split.
        tasks: binary tasks, columns of `labels`.
        names: columns that batches need.
        with_history: whether the recipe reads histories.
        extra: further columns held in memory, such as a fitted propensity.
        seen_after: task whose label tells whether the other labels of a row were seen; None: they always were.
        lists: lists that batches keep together; None: rows stand alone.
        device: where batches are made.
    """

    def __init__(
        self,
        folder: Path,
        tasks: tuple[str, ...],
        names: Sequence[str],
        with_history: bool,
        extra: Mapping[str, Array] | None = None,
        seen_after: str | None = None,
        lists: Lists | None = None,
        device: str = "cpu",
    ) -> None:
        self.folder, self.tasks = folder, tasks
        self._names = [*names, "history_index"] if with_history else list(names)
        self._with_history = with_history
        self._extra = dict(extra or {})
        self._seen_after = seen_after
        self._lists = lists
        self._device = device
        self.num_rows = len(open_column(folder, "ids"))

    def with_column(self, name: str, values: Array) -> "Split":
        """Return the same split with one more column, held in memory."""
        return self._changed(extra={**self._extra, name: values})

    def keeping(self, lists: Lists) -> "Split":
        """Return the same split, whose epochs tear no list apart and say which rows make one."""
        return self._changed(lists=lists)

    def on(self, device: str) -> "Split":
        """Return the same split, whose batches are made on a device."""
        return self._changed(device=device)

    def _changed(
        self, extra: Mapping[str, Array] | None = None, lists: Lists | None = None, device: str | None = None
    ) -> "Split":
        names = [column for column in self._names if column != "history_index"]
        extra, lists, device = extra or self._extra, lists or self._lists, device or self._device
        return Split(self.folder, self.tasks, names, self._with_history, extra, self._seen_after, lists, device)

    def read(self, begin: int, end: int, order: NDArray[np.int64] | None = None) -> EncodedRows:
        """Read rows [begin, end), all or some of them, as `order` says; the memory maps are dropped again."""
        columns = {name: _take(open_column(self.folder, name), begin, end, order) for name in self._names}
        columns |= {name: _take(values, begin, end, order) for name, values in self._extra.items()}
        history: dict[str, Array] = {}
        if self._with_history:
            used, columns["history_index"] = np.unique(columns["history_index"], return_inverse=True)
            stored = open_columns(self.folder / "history")
            history = {name: values[used] for name, values in stored.items()}
        return EncodedRows(columns, history, self.tasks, self._seen_after, self._device)

    def order(self, batch_size: int, shard_rows: int, seed: int, epoch: int) -> EpochOrder:
        """Return the order of one epoch, and where its batches end."""
        if self._lists is None:
            return shuffled_rows(self.num_rows, batch_size, shard_rows, seed, epoch)
        return self._lists.shuffled(batch_size, shard_rows, seed, epoch)

    def epoch(self, batch_size: int, shard_rows: int, seed: int, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch from batch number `skip` on; shards before it are not read."""
        order = self.order(batch_size, shard_rows, seed, epoch)
        cuts, number = order.cuts.tolist(), skip
        carried: list[EncodedRows] = []
        for visit in order.visits:
            upto = visit.start + len(visit.order)
            if upto <= cuts[skip]:
                continue
            skipped = max(cuts[skip] - visit.start, 0)
            read = self.read(visit.begin, visit.end, visit.order[skipped:])
            if visit.lists is not None:
                key = row_keys(visit.begin + visit.order[skipped:], seed, epoch)
                read = replace(read, columns={**read.columns, _LIST: visit.lists[skipped:], _KEY: key})
            rows, begin = join_rows([*carried, read]), cuts[number]
            while number < order.num_batches and cuts[number + 1] <= upto:
                yield rows.batch(cuts[number] - begin, cuts[number + 1] - begin)
                number += 1
            full = cuts[number] - begin
            carried = [_tail(rows, full)] if full < len(rows) else []

    def cycle(self, shard_rows: int, seed: int, stream: int, skip: int) -> Iterator[EncodedRows]:
        """Yield shards without end, pass after pass over the split in ever new orders, from row number `skip` on."""
        passes, first_row = divmod(skip, self.num_rows)
        for number in count(passes):
            for visit in shard_visits(self.num_rows, shard_rows, seed, number, stream):
                order = visit.order[max(first_row - visit.start, 0) :]
                if len(order):
                    yield self.read(visit.begin, visit.end, order)
            first_row = 0

    def chunks(self, rows: int) -> Iterator[EncodedRows]:
        """Yield the split in order, `rows` at a time."""
        for begin in range(0, self.num_rows, rows):
            yield self.read(begin, min(begin + rows, self.num_rows))


def _take(values: Array, begin: int, end: int, order: NDArray[np.int64] | None) -> Array:
    if order is not None and len(order) < end - begin:
        return np.array(values[begin:end][order])
    part = np.array(values[begin:end])
    return part if order is None else part[order]


def _tail(rows: EncodedRows, begin: int) -> EncodedRows:
    columns = {name: np.array(values[begin:]) for name, values in rows.columns.items()}
    if not rows.history:
        return replace(rows, columns=columns)
    used, columns["history_index"] = np.unique(columns["history_index"], return_inverse=True)
    return replace(rows, columns=columns, history={name: values[used] for name, values in rows.history.items()})
