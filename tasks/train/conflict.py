"""How the tasks pull on what they share: the size of each task's gradient, and whether it goes along with watch time."""

import torch
from torch import Tensor

from models.batch import Batch
from models.ranker import Ranker
from models.recipe import WATCH_TIME


def gradient_account(ranker: Ranker, batch: Batch) -> dict[str, float]:
    """Return what each task asks of the shared dense parameters, on one batch and without dropout.

    Names: `gradient_share_<task>`, the norm of the task's gradient as a share of the sum of all norms, and
    `gradient_cosine_<task>`, its cosine with the gradient of watch time (negative: they conflict; 0 where one vanishes).
    Empty for a recipe with one task. Gradients of the parameters themselves are left as they were.

    Source: docs/methods/multi_task.md#gradient-account.

    Args:
        ranker: left in evaluation mode.
        batch: rows of the fit days.
    """
    if len(ranker.trained_tasks) < 2:
        return {}
    ranker.eval()
    shared = ranker.shared_parameters()
    with torch.enable_grad():
        losses = ranker.losses(batch)
    gradient = {task: _gradient(loss, shared) for task, loss in losses.items()}
    norm = {task: float(value_P.norm()) for task, value_P in gradient.items()}
    total = sum(norm.values())
    found = {f"gradient_share_{task}": value / total if total else 0.0 for task, value in norm.items()}
    for task, value_P in gradient.items():
        scale = norm[task] * norm[WATCH_TIME]
        if task != WATCH_TIME:
            found[f"gradient_cosine_{task}"] = float(value_P @ gradient[WATCH_TIME]) / scale if scale else 0.0
    return found


def _gradient(loss: Tensor, shared: list[torch.nn.Parameter]) -> Tensor:
    """Return the gradient of a loss on the shared parameters, end to end in double precision, [P]."""
    parts = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
    flat = [torch.zeros_like(p) if part is None else part for p, part in zip(shared, parts, strict=True)]
    return torch.cat([part.flatten() for part in flat]).double()
