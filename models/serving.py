"""The ranker as plain tensors in and out, so that `torch.export` can carry it to where no dwell code runs.

Shape legend: B rows, F categorical fields, N dense features, L events.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import config as fx_config
from torch.utils._pytree import tree_map

from models.batch import Batch, History
from models.ranker import Ranker

PROBABILITY, SCORE_OF = "probability/", "score/"
"""What names of outputs begin with, before their task."""


class ServingRanker(nn.Module):
    """Plain-tensor view of a ranker, in evaluation mode.

    Args:
        ranker: the ranker.
        end: what is done to its outputs; it is given them and the durations. None: nothing.
    """

    def __init__(self, ranker: Ranker, end: nn.Module | None = None) -> None:
        super().__init__()
        self.ranker, self.end = ranker.eval(), end

    def forward(
        self, ids_BF: Tensor, dense_BN: Tensor, duration_B: Tensor, history: tuple[Tensor, ...] = ()
    ) -> dict[str, Tensor]:
        """Return `score`, `mean` and `median` (where a head has them), `score/<task>` of further heads and
        `probability/<task>`, each [B], or what `end` makes of them.

        Args:
            ids_BF: int64 rows of the packed table.
            dense_BN: float32 normalised dense features.
            duration_B: float32 seconds.
            history: empty, or what `history_tensors` returns.
        """
        batch = Batch(ids_BF, dense_BN, duration_B, self._history(history))
        predictions = self.ranker.predict(batch)
        named = {"score": predictions.score_B, "mean": predictions.mean_B, "median": predictions.median_B}
        named |= {SCORE_OF + task: value for task, value in predictions.further_scores.items()}
        named |= {PROBABILITY + task: value for task, value in predictions.probability.items()}
        served = {name: value for name, value in named.items() if value is not None}
        return served if self.end is None else self.end(served, duration_B)

    def _history(self, tensors: tuple[Tensor, ...]) -> History | None:
        if not tensors:
            return None
        *fields, feedback_BL, ratio_BL, gap_BL, mask_BL = tensors
        names = self.ranker.schema.history_fields
        return History(dict(zip(names, fields, strict=True)), feedback_BL, ratio_BL, gap_BL, mask_BL)


def history_tensors(ranker: Ranker, batch: Batch) -> tuple[Tensor, ...]:
    """Return the batch's history as `ServingRanker` reads it: item fields in schema order, feedback, ratio, gap, mask; a
    sequence for every row."""
    if batch.history is None:
        return ()
    history = batch.history.spread()
    fields = [history.fields[name] for name in ranker.schema.history_fields]
    return (*fields, history.feedback_BL, history.ratio_BL, history.gap_BL, history.mask_BL)


def export_ranker(ranker: Ranker, example: Batch, end: nn.Module | None = None) -> ExportedProgram:
    """Export a ranker with a free batch size.

    Args:
        ranker: put in evaluation mode.
        example: as `export_rows` asks for.
        end: see `ServingRanker`.
    """
    history = history_tensors(ranker, example)
    return export_rows(ServingRanker(ranker, end), (example.ids_BF, example.dense_BN, example.duration_B, history))


def export_rows(module: nn.Module, example: tuple[Any, ...]) -> ExportedProgram:
    """Export a module with a free number of rows, without the lines of source it came from: they are paths of this machine.

    Args:
        module: in evaluation mode.
        example: its arguments, tensors of any nesting that all have the rows first: at least two, for torch would take one
            row for a constant.
    """
    rows = Dim("rows", min=1)
    with _no_stack_traces():
        return torch.export.export(module, example, dynamic_shapes=tree_map(lambda _: {0: rows}, example))


@contextmanager
def _no_stack_traces() -> Iterator[None]:
    """Taking them is also an eighth of the work."""
    before, fx_config.do_not_emit_stack_traces = fx_config.do_not_emit_stack_traces, True
    try:
        yield
    finally:
        fx_config.do_not_emit_stack_traces = before
