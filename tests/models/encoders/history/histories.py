"""Histories of a small schema, and the same with something changed."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.batch import History
from models.encoders.history.matches import SKIP
from models.schema import InputSchema

DIM, LENGTH = 4, 6
SCHEMA = InputSchema(
    fields=(("user_id", 7), ("video_id", 11), ("tag", 5), ("scene", 3)),
    history_fields=("video_id", "tag", "scene"),
    history_length=LENGTH,
)
NAMES = [name for name, _ in SCHEMA.fields]
COUNTS = (0, 1, 2, 3, 4, 5, 6, 6, 3)
CODES = ("feedback_BL", "ratio_BL", "gap_BL")


def make_table() -> nn.Embedding:
    """Return a packed table for the schema."""
    torch.manual_seed(1)
    return nn.Embedding(SCHEMA.num_rows, DIM)


def make_history(counts: tuple[int, ...] = COUNTS, length: int = LENGTH, seed: int = 0) -> History:
    """Return left-padded histories with these numbers of events; a third of them are skips."""
    g = torch.Generator().manual_seed(seed)
    rows = len(counts)
    mask_BL = torch.arange(length) >= length - torch.tensor(counts).unsqueeze(1)

    def drawn(low: int, high: int) -> Tensor:
        code_BL = torch.randint(low, high, (rows, LENGTH), generator=g)
        return torch.cat([torch.zeros(rows, length - LENGTH, dtype=torch.int64), code_BL], dim=1) * mask_BL

    feedback_BL = drawn(2, 8)
    feedback_BL = torch.where(drawn(0, 3) == 1, torch.full_like(feedback_BL, SKIP), feedback_BL) * mask_BL
    fields = {
        name: SCHEMA.offsets[NAMES.index(name)] + drawn(1, dict(SCHEMA.fields)[name]) for name in SCHEMA.history_fields
    }
    return History(fields, feedback_BL, drawn(1, 9), drawn(1, 17), mask_BL)


def candidates(rows: int = len(COUNTS)) -> Tensor:
    return torch.randn(rows, DIM, generator=torch.Generator().manual_seed(2))


def changed(history: History, where_BL: Tensor, parts: tuple[str, ...]) -> History:
    """Return the history with the named fields and codes changed to other ones where asked."""
    fields, first, size = dict(history.fields), dict(zip(NAMES, SCHEMA.offsets, strict=True)), dict(SCHEMA.fields)
    for name in set(parts) & set(fields):
        next_BL = first[name] + (fields[name] - first[name]) % (size[name] - 1) + 1
        fields[name] = torch.where(where_BL, next_BL, fields[name])
    codes = {name: torch.where(where_BL, getattr(history, name) % 7 + 1, getattr(history, name)) for name in CODES}
    return replace(history, fields=fields, **{name: codes[name] for name in set(parts) & set(CODES)})
