"""Cross-fitting: an imputation never learns from the rows that it corrects, through its embeddings either."""

from collections.abc import Callable

import torch
from torch import Tensor

from models.auxiliary import FoldedTower, SideBySide
from models.batch import Batch
from models.objectives.base import TaskRows
from models.objectives.dr_cross import DrCross, fold
from models.ranker import Ranker

RECIPE = {"head": {"kind": "tr_log"}, "objective": {"kind": "dr_cross"}, "selection": {"kind": "click"}}


def reached(model: Ranker, value: Tensor) -> set[int]:
    """Return which of the two imputations a value passes gradient to, towers and encoders alike."""
    imputations, encoders = model.auxiliary["watch_time"]["imputation"], model.second_encoder
    assert isinstance(imputations, FoldedTower) and isinstance(encoders, SideBySide)
    parts = [[*tower.parameters(), *encoder.parameters()] for tower, encoder in zip(imputations, encoders, strict=True)]
    found = set()
    for number, parameters in enumerate(parts):
        gradients = torch.autograd.grad(value, parameters, allow_unused=True, retain_graph=True)
        dense = [g.to_dense() for g in gradients if g is not None]
        if any(g.abs().sum() > 0 for g in dense):
            assert len(dense) >= len(parameters) - 1
            found.add(number)
    return found


def test_what_a_row_teaches_is_not_what_it_is_corrected_by(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model = ranker(RECIPE).eval()
    rows: TaskRows = model.task_rows(batch(60, unobserved=True))["watch_time"]
    objective = model.objectives["watch_time"]
    assert isinstance(objective, DrCross)
    fold_B, label_B, gap_B = fold(rows), objective.pseudo_label(rows)[:, 0], objective.gap(rows)
    assert 15 < fold_B.sum() < 45
    for number in (0, 1):
        assert reached(model, label_B[fold_B == number].sum()) == {number}
        assert reached(model, gap_B[fold_B == number].sum()) == {1 - number}
    assert reached(model, objective.risk(rows)) == set()


def test_halves_are_even_over_users_and_videos_and_equal_pairs_stay_together(
    task_rows: Callable[..., TaskRows],
) -> None:
    user_B, item_B = (grid.flatten() for grid in torch.meshgrid(torch.arange(200), torch.arange(200), indexing="ij"))
    fold_B = fold(task_rows(torch.zeros(40_000), torch.ones(40_000), user_B=user_B, item_B=item_B)).float()
    for code_B in (user_B, item_B):
        share = torch.zeros(200).index_add(0, code_B, fold_B) / 200
        assert ((share > 0.3) & (share < 0.7)).all()
    assert abs(fold_B.mean() - 0.5) < 0.02
