"""Everything that a ranker's tasks read of a row as one vector, and the field to which each of its numbers belongs.

Shape legend: B rows, F attributed fields, W numbers per row, D embedding width, N dense features.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.batch import Batch
from models.encoders.base import Embedded, Encoded, EncodedShape
from models.ranker import Ranker

GROUPED = "aggregates/"
"""Prefix of a group of dense features, so that the group `tag` and the categorical field `tag` are two names."""
SENSITIVE = "sensitive/"
"""Prefix of a sensitive attribute of users: wherever a field is named, the mark is part of its name."""


@dataclass(frozen=True, eq=False)
class FieldLayout:
    """Which field each number of a row belongs to.

    A field is a categorical field, the summary of the history, the counts of matches, a group of dense features, a dense
    feature of no group, or a sensitive attribute (a number and whether it is known are one). Where tasks have encoders of
    their own, a field is its vectors in all of them.

    Attributes:
        names: of the fields, in order.
        field_W: int64 [W], the field of every number.
    """

    names: tuple[str, ...]
    field_W: Tensor

    @classmethod
    def of(cls, ranker: Ranker, groups: Mapping[str, Sequence[str]]) -> "FieldLayout":
        """Lay out what a ranker's tasks read.

        Args:
            ranker: the model.
            groups: name -> dense features that count as one field, `GROUPED` before the name.
        """
        group_of = {column: f"{GROUPED}{name}" for name, columns in groups.items() for column in columns}
        marked = {name: SENSITIVE + trait for name, trait in ranker.schema.sensitive}
        group_of |= marked
        dense = ranker.schema.dense_names or tuple(f"dense_{i}" for i in range(ranker.schema.num_dense))
        owners: list[str] = []
        for encoder in ranker.task_readers:
            shape: EncodedShape = encoder.shape
            owners += [marked.get(name, name) for name in shape.field_names for _ in range(shape.embedding_dim)]
            owners += [group_of.get(dense[column], dense[column]) for column in shape.dense]
        names = tuple(dict.fromkeys(owners))
        return cls(names, torch.tensor([names.index(owner) for owner in owners], dtype=torch.int64))

    def by_field(self, value_BW: Tensor) -> Tensor:
        """Return sums over the numbers of every field, [B, F]."""
        total_BF = value_BW.new_zeros(len(value_BW), len(self.names))
        return total_BF.index_add_(1, self.field_W, value_BW)


@dataclass(frozen=True, eq=False)
class FieldRows:
    """Rows of a ranker whose fields may be varied; what is no field stays as the rows have it.

    That is the duration and the levels that heads read themselves, and past events that a backbone reads one by one.

    Attributes:
        ranker: in evaluation mode.
        layout: of `x_BW`.
        batch: the rows.
        embedded: what each encoder looked up.
        x_BW: the same as one vector per row, detached.
    """

    ranker: Ranker
    layout: FieldLayout
    batch: Batch
    embedded: tuple[Embedded, ...]
    x_BW: Tensor

    @classmethod
    def of(cls, ranker: Ranker, batch: Batch, groups: Mapping[str, Sequence[str]]) -> "FieldRows":
        """Look rows up once.

        Raises:
            ValueError: if the ranker is in training mode, where dropout would be taken for an effect of the fields.
        """
        if ranker.training:
            raise ValueError("fields are attributed in evaluation mode, and this ranker is training: call eval() first")
        with torch.no_grad():
            embedded = ranker.embed(batch)
        parts = [part for one in embedded for part in (one.fields_BFD.flatten(start_dim=1), one.dense_BN)]
        return cls(ranker, FieldLayout.of(ranker, groups), batch, embedded, torch.cat(parts, dim=1))

    def mean(self) -> Tensor:
        """Return the mean of the rows, [W]: what takes the place of a field that is not there."""
        return self.x_BW.double().mean(dim=0).to(self.x_BW.dtype)

    def take(self, row_R: Tensor) -> "FieldRows":
        """Return some rows, int64 [R]."""
        embedded = tuple(_take(part, row_R) for part in self.embedded)
        return replace(self, batch=self.batch.take(row_R), embedded=embedded, x_BW=self.x_BW[row_R])

    def losses(self, x_BW: Tensor) -> dict[str, Tensor]:
        """Return the loss of every trained task at other values of the fields, [B] each."""
        return self.ranker.row_losses(self._encoded(x_BW), self.batch)

    def seconds(self, x_BW: Tensor) -> tuple[str, Tensor]:
        """Return watch time in seconds before calibration at other values of the fields, [B], and what it is.

        The native mean (`mean`) of the first head that has one, else the first median (`median`).

        Raises:
            ValueError: if no head of the recipe has either.
        """
        found = self.ranker.predict_encoded(self._encoded(x_BW), self.batch)
        for name, seconds_B in (("mean", found.mean_B), ("median", found.median_B)):
            if seconds_B is not None:
                return name, seconds_B
        raise ValueError("no head of the recipe predicts a mean or a median, so there are no seconds to attribute")

    def seconds_at(self, row_R: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the seconds of some rows as a function of their fields, x_RW -> [R]."""
        part = self.take(row_R)
        return lambda x_RW: part.seconds(x_RW)[1]

    def _encoded(self, x_BW: Tensor) -> Encoded:
        widths = [n for part in self.embedded for n in (part.fields_BFD[0].numel(), part.dense_BN.shape[1])]
        pieces = torch.split(x_BW, widths, dim=1)
        return self.ranker.cross(
            [
                replace(part, fields_BFD=fields_BW.view_as(part.fields_BFD), dense_BN=dense_BN)
                for part, fields_BW, dense_BN in zip(self.embedded, pieces[::2], pieces[1::2], strict=True)
            ]
        )


def _take(part: Embedded, row_R: Tensor) -> Embedded:
    events_RLD, mask_RL = (None if held is None else held[row_R] for held in (part.events_BLD, part.mask_BL))
    return Embedded(part.fields_BFD[row_R], part.dense_BN[row_R], events_RLD, mask_RL)
