"""The ranker as plain tensors in and out, so that `torch.export` can carry it to where no dwell code runs.

Shape legend: B rows, F categorical fields, N dense features, L events.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import config as fx_config

from models.batch import Batch, History
from models.ranker import Ranker


class ServingRanker(nn.Module):
    """Plain-tensor view of a ranker, in evaluation mode."""

    def __init__(self, ranker: Ranker) -> None:
        super().__init__()
        self.ranker = ranker.eval()

    def forward(
        self, ids_BF: Tensor, dense_BN: Tensor, duration_B: Tensor, history: tuple[Tensor, ...] = ()
    ) -> dict[str, Tensor]:
        """Return `score`, `mean` and `median` (where a head has them), `score/<task>` of further heads and
        `probability/<task>`, each [B].

        Args:
            ids_BF: int64 rows of the packed table.
            dense_BN: float32 normalised dense features.
            duration_B: float32 seconds.
            history: empty, or what `history_tensors` returns.
        """
        batch = Batch(ids_BF, dense_BN, duration_B, self._history(history))
        predictions = self.ranker.predict(batch)
        named = {"score": predictions.score_B, "mean": predictions.mean_B, "median": predictions.median_B}
        named |= {f"score/{task}": value for task, value in predictions.further_scores.items()}
        named |= {f"probability/{task}": value for task, value in predictions.probability.items()}
        return {name: value for name, value in named.items() if value is not None}

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


def export_ranker(ranker: Ranker, example: Batch) -> ExportedProgram:
    """Export the ranker with a free batch size, without the lines of source it came from: they are paths of this machine.

    Args:
        ranker: put in evaluation mode.
        example: any batch of at least two rows; torch would take one row for a constant.
    """
    history = history_tensors(ranker, example)
    rows = Dim("rows", min=1)
    by_rows = {0: rows}
    with _no_stack_traces():
        return torch.export.export(
            ServingRanker(ranker),
            (example.ids_BF, example.dense_BN, example.duration_B, history),
            dynamic_shapes=(by_rows, by_rows, by_rows, tuple(by_rows for _ in history)),
        )


@contextmanager
def _no_stack_traces() -> Iterator[None]:
    """Taking them is also an eighth of the work."""
    before, fx_config.do_not_emit_stack_traces = fx_config.do_not_emit_stack_traces, True
    try:
        yield
    finally:
        fx_config.do_not_emit_stack_traces = before
