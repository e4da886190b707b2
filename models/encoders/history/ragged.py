"""Work on the events that stand, not on padding: most histories are much shorter than the longest.

Shape legend: B rows, R rows of a group, L events, N events that stand (of all rows, or of a group's), X any width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NUM_GROUPS = 4


@dataclass(frozen=True)
class Group:
    """Rows of about as many events, laid out side by side as [R, L] with the newest event last and no gaps.

    Attributes:
        row_R: int64 numbers of the rows.
        mask_RL: bool, True where an event stands.
        slot_N: int64 places of the group's events in the flattened layout.
    """

    row_R: Tensor
    mask_RL: Tensor
    slot_N: Tensor

    def place(self, value_NX: Tensor) -> Tensor:
        """Return the events' values in their places, 0 elsewhere, [R, L, X]."""
        rows, length = self.mask_RL.shape
        placed_SX = value_NX.new_zeros(rows * length, value_NX.shape[1])
        placed_SX[self.slot_N] = value_NX
        return placed_SX.view(rows, length, value_NX.shape[1])

    def take(self, value_RLX: Tensor) -> Tensor:
        """Return the events' values, [N, X]."""
        return value_RLX.flatten(0, 1).index_select(0, self.slot_N)


@dataclass(frozen=True)
class Standing:
    """The events of a batch that are read, in the order of the groups.

    Attributes:
        slot_N: int64 places of the events in the flattened batch.
        following_N: int64, how many events follow each in its row.
        groups: rows by number of events, each trimmed to its longest; one of full length where a graph is traced, whose
            sizes must not depend on the data.
        turn_B: int64, where each row comes among the rows of all groups.
    """

    slot_N: Tensor
    following_N: Tensor
    groups: Sequence[Group]
    turn_B: Tensor

    @classmethod
    def of(cls, mask_BL: Tensor) -> "Standing":
        """Find the events of a mask; those left out leave no gap.

        Their number is not known without waiting for a device: away from the CPU padding is read like events, at the start
        of every row, and masked.
        """
        if mask_BL.device.type != "cpu" and not torch.compiler.is_compiling():
            return cls.padded(mask_BL)
        length, count_B = mask_BL.shape[1], mask_BL.sum(dim=1)
        # Sorted by number of events and cut in groups, rows of a group waste little padding on each other.
        parts = _by_number(count_B, length)
        row_B = torch.cat([row_R for row_R, _ in parts])
        turn_N, column_N = mask_BL[row_B].nonzero(as_tuple=True)
        row_N = row_B[turn_N]
        # Events are aligned to the right end: the newest of every row stands in the same column.
        following_N = (count_B.unsqueeze(1) - mask_BL.cumsum(dim=1))[row_N, column_N]
        groups, first_row, first_event = [], 0, 0
        for row_R, longest in parts:
            count_R = count_B[row_R]
            events = slice(first_event, first_event + int(count_R.sum())) if len(parts) > 1 else slice(None)
            # Place in the group's flattened [R, longest] block: the row's end, less the events that follow.
            slot_N = (turn_N[events] - first_row + 1) * longest - 1 - following_N[events]
            column_L = torch.arange(longest, device=mask_BL.device)
            groups.append(Group(row_R, column_L >= longest - count_R.unsqueeze(1), slot_N))
            first_row, first_event = first_row + row_R.shape[0], events.stop
        return cls(row_N * length + column_N, following_N, tuple(groups), row_B.argsort())

    @classmethod
    def padded(cls, mask_BL: Tensor) -> "Standing":
        """Take every place of a mask for an event, those where none stands first: N = B L, and one group."""
        rows, length = mask_BL.shape
        order_BL = mask_BL.long().argsort(dim=1, stable=True)
        row_B, place_S = (torch.arange(count, device=mask_BL.device) for count in (rows, rows * length))
        slot_BL = row_B.unsqueeze(1) * length + order_BL
        following_L = torch.arange(length - 1, -1, -1, device=mask_BL.device)
        group = Group(row_B, mask_BL.gather(1, order_BL), place_S)
        return cls(slot_BL.flatten(), following_L.repeat(rows), (group,), row_B)

    def take(self, value_BL: Tensor) -> Tensor:
        """Return the values of the events, [N]."""
        return value_BL.flatten().index_select(0, self.slot_N)

    def split(self, value_NX: Tensor) -> Sequence[Tensor]:
        """Return the values of the events of each group."""
        if len(self.groups) == 1:
            return (value_NX,)
        return torch.split(value_NX, [len(group.slot_N) for group in self.groups])

    def repeated(self, value_NX: Tensor, sequence_B: Tensor, everywhere: "Standing", length: int) -> Tensor:
        """Return the values of the events of rows, from those of the sequences that they read.

        Args:
            value_NX: of the events here, which are those of the sequences.
            sequence_B: the sequence of each row.
            everywhere: the events of the rows.
            length: L.
        """
        number_S = torch.zeros(len(self.turn_B) * length, dtype=torch.int64, device=value_NX.device)
        number_S[self.slot_N] = torch.arange(len(self.slot_N), device=value_NX.device)
        row_N, column_N = everywhere.slot_N // length, everywhere.slot_N % length
        return value_NX.index_select(0, number_S[sequence_B[row_N] * length + column_N])

    def rows(self, value_RX: Sequence[Tensor]) -> Tensor:
        """Return the values of the rows of all groups, in the order of the batch, [B, X]."""
        return torch.cat(list(value_RX)).index_select(0, self.turn_B)


def _by_number(count_B: Tensor, length: int) -> list[tuple[Tensor, int]]:
    """Return the rows of every group and the largest number of events there, at least 1."""
    rows = count_B.shape[0]
    if torch.compiler.is_compiling() or rows == 0:
        return [(torch.arange(rows, device=count_B.device), length)]
    parts = count_B.argsort(stable=True).tensor_split(min(NUM_GROUPS, rows))
    return [(row_R, max(1, int(count_B[row_R[-1]]))) for row_R in parts]
