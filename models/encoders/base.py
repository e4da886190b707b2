"""What every encoder turns a batch into, and what every trunk reads.

Shape legend: B rows, F categorical fields, D embedding width, E encoder output width, L events.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from models.batch import Batch
from models.component import ComponentConfig
from models.schema import InputSchema


@dataclass(frozen=True)
class Encoded:
    """One batch, encoded twice over: field by field for models of field interactions, and flat for the rest.

    Attributes:
        fields_BFD: one vector per categorical field and, where a history is read, its summary as one more field.
        flat_BE: the same vectors end to end, then the dense features.
        own: task -> the batch as an encoder of the task's own sees it; empty unless the trunk asks for such encoders.
        events_BLD: one vector per past event, the newest last and without gaps, 0 elsewhere; None unless asked for.
        mask_BL: where they stand; None unless asked for.
        constant: a `flat_BE` and how many of its numbers, from the left, parameters move; None: all of them.
    """

    fields_BFD: Tensor
    flat_BE: Tensor
    own: Mapping[str, "Encoded"] = field(default_factory=dict)
    events_BLD: Tensor | None = None
    mask_BL: Tensor | None = None
    constant: tuple[Tensor, int] | None = None

    @property
    def num_learned(self) -> int:
        """Return how many numbers of `flat_BE`, from the left, need a gradient."""
        # What a backbone puts in the place of `flat_BE` is another tensor, of which nothing is known.
        if self.constant is None or self.constant[0] is not self.flat_BE:
            return self.flat_BE.shape[1]
        return self.constant[1]


@dataclass(frozen=True)
class Embedded:
    """One batch, looked up and not yet joined: the last point at which every number belongs to one field.

    Attributes:
        fields_BFD: one vector per categorical field, the summary of the history, the counts of matches.
        dense_BN: the dense features that the encoder reads, as they are.
        events_BLD: as in `Encoded`.
        mask_BL: as in `Encoded`.
    """

    fields_BFD: Tensor
    dense_BN: Tensor
    events_BLD: Tensor | None = None
    mask_BL: Tensor | None = None


@dataclass(frozen=True)
class EncodedShape:
    """Sizes of an `Encoded`, known before the first batch.

    Attributes:
        num_fields: F of `fields_BFD`.
        embedding_dim: D of `fields_BFD`.
        width: E of `flat_BE`.
        field_names: of `fields_BFD`, in order.
        num_events: the largest L of `events_BLD`; 0 where there are none.
        dense: columns of `Batch.dense_BN` that are read, in order.
    """

    num_fields: int
    embedding_dim: int
    width: int
    field_names: tuple[str, ...] = ()
    num_events: int = 0
    dense: tuple[int, ...] = ()

    def column(self, field: str, asked_by: str) -> int:
        """Return where a field stands in `fields_BFD`.

        Args:
            field: its name.
            asked_by: the part and key of the recipe that name it.

        Raises:
            ValueError: if there is no such field.
        """
        if field not in self.field_names:
            raise ValueError(
                f"{asked_by} names the field {field!r}, which the encoder does not read: name one of "
                f"{', '.join(self.field_names)}, or encode it (table.categorical, and not under set_apart)"
            )
        return self.field_names.index(field)


@dataclass(frozen=True)
class EncoderInput:
    """The part of the input that an encoder may look at.

    Attributes:
        columns: columns of `Batch.ids_BF`.
        dense: columns of `Batch.dense_BN`.
        events: whether past events are passed on one by one, beside what a history encoder makes of them.
        pretrained: whether vectors of user and video that were learned before the fit are two further fields.
        hides: whether some of these vectors are 0 as long as the ranker is fitted.
    """

    columns: tuple[int, ...]
    dense: tuple[int, ...]
    events: bool = False
    pretrained: bool = False
    hides: bool = False

    @classmethod
    def without(cls, schema: InputSchema, apart: Collection[str]) -> "EncoderInput":
        """Return everything but the fields and dense features set apart."""
        left_out = cls.only(schema, apart)
        return cls(
            tuple(i for i in range(schema.num_fields) if i not in left_out.columns),
            tuple(i for i in range(schema.num_dense) if i not in left_out.dense),
        )

    @classmethod
    def only(cls, schema: InputSchema, apart: Collection[str]) -> "EncoderInput":
        """Return the fields and dense features set apart and nothing else."""
        return cls(
            tuple(i for i, (name, _) in enumerate(schema.fields) if name in apart),
            tuple(i for i, name in enumerate(schema.dense_names) if name in apart),
        )


class Encoder(nn.Module, ABC):
    """Turns a batch into vectors.

    Args of the constructor: its configuration, the shape of the input, and what it may look at (None: everything).

    Tables with one row per id are made by `models.encoders.sharded.packed_table`, `nn.Embedding(..., sparse=True)`: the ranker
    finds them by that flag (`packed_tables`) and hands them to the row-sparse optimizer. In a fit by several processes a
    `ShardedTable` may stand there, and after the fit a `CompressedTable`, so encoders only call them.
    """

    Config: ClassVar[type[ComponentConfig]]

    @abstractmethod
    def __init__(self, config: Any, schema: InputSchema, reads: EncoderInput | None = None) -> None:
        super().__init__()

    @property
    @abstractmethod
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""

    @abstractmethod
    def embed(self, batch: Batch) -> Embedded:
        """Look one batch up."""

    @abstractmethod
    def join(self, embedded: Embedded) -> Encoded:
        """Encode what was looked up."""

    def forward(self, batch: Batch) -> Encoded:
        """Encode one batch."""
        return self.join(self.embed(batch))

    def penalty(self) -> Tensor | None:
        """Return what the loss adds for the parameters, scalar; None: nothing."""
        return None


def packed_tables(module: nn.Module) -> dict[str, nn.Embedding]:
    """Return the tables with one row per id below a module, by name."""
    found = ((name, part) for name, part in module.named_modules() if isinstance(part, nn.Embedding))
    return {name: table for name, table in found if table.sparse}
