"""The default encoder: one embedding table for all ids, dense features beside it, a history on top.

Shape legend: B rows, F categorical fields, D embedding width, N dense features, E encoder output width, L events.
"""

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from models.batch import Batch
from models.columns import Columns
from models.component import ComponentConfig
from models.encoders.base import Embedded, Encoded, EncodedShape, Encoder, EncoderInput
from models.encoders.grouped import FieldWidths, GroupedTable
from models.encoders.history import HISTORIES, HistoryConfig
from models.encoders.history.base import EventEmbedding
from models.encoders.history.in_order import without_gaps
from models.encoders.history.matches import MatchCounts, MatchesConfig
from models.encoders.history.none import NoHistoryConfig
from models.encoders.pretrained import PRETRAINED, PretrainedFields
from models.encoders.sharded import packed_table
from models.ranges import Width
from models.schema import InputSchema


class PackedConfig(ComponentConfig):
    """Widths of the embeddings, and how dense features and the history enter.

    Raises:
        ValueError: if a group of rows keeps a number that embeddings do not have.
    """

    kind: Literal["packed"] = "packed"
    embedding_dim: Width = 16
    """Width of the embedding of every field."""
    dense_width: Width | None = None
    """Project the dense features to this width; None passes them on as they are."""
    history: HistoryConfig = NoHistoryConfig()
    """How what the user watched before enters."""
    matches: MatchesConfig | None = None
    """Counts of past events that share a history field with the candidate, as one more field; null: none."""
    widths: dict[str, FieldWidths] = Field(default={}, exclude_if=lambda widths: not widths)
    """Experimental. By field, groups of its rows by how often they are read, which use a part of `embedding_dim`; stored rows hold that part alone."""

    @model_validator(mode="after")
    def _kept_numbers_are_there(self) -> "PackedConfig":
        for field, widths in self.widths.items():
            if beyond := [kept[-1] for kept in widths.kept if kept and kept[-1] >= self.embedding_dim]:
                raise ValueError(
                    f"widths of {field} keep number {beyond[0]} of an embedding, and embedding_dim {self.embedding_dim} has those "
                    f"from 0 to {self.embedding_dim - 1}"
                )
        return self

    @property
    def reads_history(self) -> bool:
        """Whether batches must carry histories."""
        return self.history.kind != "none" or self.matches is not None


class PackedEncoder(Encoder):
    """Looks all categorical fields up in one table, so that a step costs what its batch touches, not the vocabulary."""

    Config = PackedConfig

    def __init__(self, config: PackedConfig, schema: InputSchema, reads: EncoderInput | None = None) -> None:
        super().__init__(config, schema, reads)
        self.reads = reads or EncoderInput.without(schema, ())
        num_dense = len(self.reads.dense)
        table = packed_table(schema.num_rows, config.embedding_dim)
        self.table = GroupedTable(table, schema, config.widths) if config.widths else table
        self.dense: nn.Module = nn.Identity()
        if config.dense_width is not None and num_dense:
            self.dense = nn.Linear(num_dense, config.dense_width)
            num_dense = config.dense_width
        self.history = HISTORIES[config.history.kind](config.history, schema, config.embedding_dim)
        self.fields = Columns(self.reads.columns)
        self.dense_features = Columns(self.reads.dense)
        self.history_fields = Columns(schema.history_columns)
        self.matches = None if config.matches is None else MatchCounts(config.matches, schema, config.embedding_dim)
        self.events = EventEmbedding(schema, config.embedding_dim) if self.reads.events else None
        self.pretrained: PretrainedFields | None = None
        if self.reads.pretrained:
            self.pretrained = PretrainedFields(schema, config.embedding_dim, self.reads.hides)
        names = [schema.fields[column][0] for column in self.reads.columns]
        names += ["history"] * (self.history.width > 0) + ["matches"] * (self.matches is not None)
        names += [] if self.pretrained is None else PRETRAINED.values()
        width = len(names) * config.embedding_dim + num_dense
        num_events = schema.history_length if self.reads.events else 0
        self._shape = EncodedShape(len(names), config.embedding_dim, width, tuple(names), num_events, self.reads.dense)

    @property
    def shape(self) -> EncodedShape:
        """Sizes of what `forward` returns."""
        return self._shape

    def embed(self, batch: Batch) -> Embedded:
        """Look one batch up."""
        embedded_BFD = self.table(batch.ids_BF)
        # Selecting every column again would cost a copy, and a scatter in the backward pass.
        reads_all = len(self.reads.columns) == embedded_BFD.shape[1]
        fields_BFD = embedded_BFD if reads_all else self.fields(embedded_BFD)
        candidate_BD = self.history_fields(embedded_BFD).sum(dim=1)
        history_BD = self.history(batch.history, self.table, candidate_BD)
        if self.history.width:
            fields_BFD = torch.cat([fields_BFD, history_BD.unsqueeze(1)], dim=1)
        if self.matches is not None:
            assert batch.history is not None
            match_BD = self.matches(batch.history.spread(), self.history_fields(batch.ids_BF))
            fields_BFD = torch.cat([fields_BFD, match_BD.unsqueeze(1)], dim=1)
        if self.pretrained is not None:
            fields_BFD = torch.cat([fields_BFD, self.pretrained(batch.ids_BF)], dim=1)
        reads_all = len(self.reads.dense) == batch.dense_BN.shape[1]
        dense_BN = batch.dense_BN if reads_all else self.dense_features(batch.dense_BN)
        return Embedded(fields_BFD, dense_BN, *self._events(batch))

    def join(self, embedded: Embedded) -> Encoded:
        """Encode what was looked up."""
        flat_BE = embedded.fields_BFD.flatten(start_dim=1)
        learned, dense_BN = flat_BE.shape[1], embedded.dense_BN
        if self.reads.dense:
            dense_BN = self.dense(dense_BN)
            flat_BE = torch.cat([flat_BE, dense_BN], dim=1)
        constant = None if dense_BN.requires_grad else (flat_BE, learned)
        return Encoded(embedded.fields_BFD, flat_BE, {}, embedded.events_BLD, embedded.mask_BL, constant)

    def _events(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """Return the event vectors [B, L, D], the newest last and without gaps, and where they stand [B, L]."""
        if self.events is None:
            return None, None
        assert batch.history is not None
        event_BLD, mask_BL = without_gaps(self.events(batch.history, self.table), batch.history.mask_BL)
        newest = slice(-self.shape.num_events, None)
        return batch.history.of_rows(event_BLD[:, newest]), batch.history.of_rows(mask_BL[:, newest])

    def penalty(self) -> Tensor | None:
        """Return that of the history encoder."""
        return self.history.penalty()
