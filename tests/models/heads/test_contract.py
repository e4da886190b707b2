"""What every head promises. A new head is tested by standing in the registry.

Source: docs/methods/watch_time.md#what-every-head-must-satisfy.
"""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.heads import HEADS, exponential_gaussian
from models.heads.base import LONGEST, Head, LabelState, TrainLabels
from models.heads.finite_law import nodes
from tests.tolerance import ulps

REPOSITORY = Path(__file__).resolve().parents[3]

FITTED: dict[str, dict[str, Any]] = {
    kind: {"scale_s": None} for kind in ("vr_mse", "vr_l1", "vr_huber", "vr_phuber", "wlr", "gr")
}
"""Configurations under which a head's state depends on the labels; the default does for the others."""

MEDIAN_LIKE = {"d2q", "res_d2q", "rad", "tr_log", "tr_sqrt", "transun", "vr_huber", "vr_phuber", "d2co_s", "cwm"}
"""Heads whose `decode_median` is near the median but estimates something else; each has tests of its own."""

DISCRETISED = {"ordinal", "cread", "hazard", "tpm", "cqe", "egmn", "hegm"}
"""Heads whose native mean is exact only up to their bins, components or quantiles."""

MEAN_TOLERANCE, DISCRETISED_TOLERANCE = 0.03, 0.06

EVERY = {"cqe": 2, "gr": 20}
"""Fits read every tenth row, which divides the counts of both atoms and the body; too coarse to find quantiles, and more than
a decoder needs."""

LIKELIHOOD = {"mean_weight": 0.0, "least_width": 0.003}
"""The published |E - y| pulls a mixture's mean towards its median; a floor of 1 % of 90 s is coarse for 10 s videos."""

ORACLE: dict[str, dict[str, Any]] = {
    "ordinal": {"thresholds": 100},
    "cqe": {"quantiles": 19},
    "egmn": {**LIKELIHOOD, "entropy_weight": 0.0, "components": 6},
    "hegm": LIKELIHOOD,
    "gr": {"sum_weight": 0.0, "told": 10_000},
}
"""Options under which a head's optimum is the truth up to its bins; the right-end sum of `ordinal` needs finer ones."""

STEPS = {
    **dict.fromkeys(MEDIAN_LIKE, 30),
    "transun": 300,
    "cqe": 1200,
    "egmn": 1000,
    "gr": 250,
    "hegm": 500,
    "tpm": 400,
}
"""Heads whose fit is not done after 300 steps: one pinball loss per quantile, and mixtures; or sooner. Of those that estimate
something else the contract asks that they can be fitted."""

OWN_RATE = 0.01
"""Step size of what a head learns beside the outputs of its tower."""

UNFITTED = {"cwm"}
"""Heads without label state: the configuration is all they know."""

DEGENERATE = {
    "no complete play": ([1.0, 2.0, 9.0], [10.0, 30.0, 90.0]),
    "all complete": ([10.0, 30.0, 90.0], [10.0, 30.0, 90.0]),
    "all zeros": ([0.0, 0.0, 0.0], [10.0, 30.0, 90.0]),
    "one row": ([3.0], [10.0]),
    "one duration": ([1.0, 5.0, 30.0], [30.0, 30.0, 30.0]),
    "unseen durations": ([1.0, 4.0, 300.0], [1.0, 44.0, 3600.0]),
    "shortest complete": ([5.0], [5.0]),
    "longest complete": ([400.0], [400.0]),
}


def make(kind: str, labels: TrainLabels, **options: Any) -> Head:
    config = HEADS[kind].Config(**options)
    return HEADS[kind](config, HEADS[kind].fit_state(config, labels))


def digest(state: LabelState) -> str:
    parts = [name.encode() + str(value.dtype).encode() + value.tobytes() for name, value in sorted(state.items())]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def decodes(head: Head, out_BO: torch.Tensor, duration_B: torch.Tensor) -> dict[str, torch.Tensor]:
    found = {"mean": head.decode_mean(out_BO, duration_B), "median": head.decode_median(out_BO, duration_B)}
    return {name: value for name, value in found.items() if value is not None}


def fit_cells(head: Head, cells: Any, steps: int, every: int) -> torch.Tensor:
    """Minimise the head's loss over free outputs per cell, and over parameters of its own, and return them, [6, O]."""
    cell_B = torch.from_numpy(cells.cell)[every // 2 :: every]
    watch_B = torch.from_numpy(cells.labels.watch_s)[every // 2 :: every].float()
    duration_B = torch.from_numpy(cells.labels.duration_s)[every // 2 :: every].float()
    out_CO = torch.zeros(6, head.num_outputs, requires_grad=True)
    own = list(head.parameters())
    optimizer = torch.optim.Adam([{"params": [out_CO]}, {"params": own, "lr": OWN_RATE}] if own else [out_CO], lr=0.1)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.001, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        head.loss(out_CO[cell_B], watch_B, duration_B).mean().backward()
        optimizer.step()
        schedule.step()
    return out_CO.detach()


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEADS)
def test_oracle_recovery(kind: str, cells: Any) -> None:
    head = make(kind, cells.labels, **ORACLE.get(kind, {}))
    out_CO = fit_cells(head, cells, STEPS.get(kind, 300), EVERY.get(kind, 10))
    duration_C = torch.from_numpy(cells.duration).float()
    with torch.no_grad():
        found = decodes(head, out_CO, duration_C)
    if "mean" in found:
        tolerance = DISCRETISED_TOLERANCE if kind in DISCRETISED else MEAN_TOLERANCE
        np.testing.assert_allclose(found["mean"], cells.mean, rtol=tolerance)
    if "median" in found and kind not in MEDIAN_LIKE:
        error = np.abs(found["median"].numpy() - cells.median)
        assert (error <= np.maximum(0.05 * cells.median, 0.3)).all(), error
    if head.monotone:
        order = head.score(out_CO, duration_C)
        assert ((order[1::2] > order[::2]) == torch.from_numpy(cells.mean[1::2] > cells.mean[::2])).all()


@pytest.mark.parametrize("kind", HEADS)
def test_state_depends_on_train_rows_and_not_on_their_order(kind: str) -> None:
    config = HEADS[kind].Config(**FITTED.get(kind, {}))
    watch, duration = np.arange(2000) / 50, np.repeat([40.0, 60.0], 1000)
    before = digest(HEADS[kind].fit_state(config, TrainLabels(watch, duration)))
    order = np.random.default_rng(0).permutation(len(watch))
    assert digest(HEADS[kind].fit_state(config, TrainLabels(watch[order], duration[order]))) == before
    changed = watch.copy()
    changed[0] = 40.0
    assert (digest(HEADS[kind].fit_state(config, TrainLabels(changed, duration))) == before) == (kind in UNFITTED)


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("kind", HEADS)
def test_degenerate_batches(kind: str, name: str, cells: Any) -> None:
    head = make(kind, cells.labels)
    watch_B, duration_B = (torch.tensor(values) for values in DEGENERATE[name])
    for value in (-30.0, 0.0, 30.0):
        out_BO = torch.full((len(watch_B), head.num_outputs), value, requires_grad=True)
        loss_B = head.loss(out_BO, watch_B, duration_B)
        loss_B.sum().backward()
        assert loss_B.shape == watch_B.shape
        assert torch.isfinite(loss_B).all()
        assert torch.isfinite(out_BO.grad).all()
        raw_BS = torch.full((len(watch_B), head.num_statistics), value, requires_grad=True)
        imputed_B = head.expected_loss(out_BO, head.expected_statistics(raw_BS), duration_B)
        learned_B = head.statistics_loss(raw_BS, watch_B, duration_B)
        for row_B in (imputed_B, learned_B):
            assert row_B.shape == watch_B.shape
            assert torch.isfinite(row_B).all()
        for gradient in torch.autograd.grad((imputed_B + learned_B).sum(), [out_BO, raw_BS]):
            assert torch.isfinite(gradient).all()
        assert torch.isfinite(head.score(out_BO, duration_B)).all()
        for seconds_B in decodes(head, out_BO.detach(), duration_B).values():
            assert ((seconds_B >= 0) & (seconds_B <= duration_B)).all()


@pytest.mark.parametrize("kind", HEADS)
def test_decodes_go_as_far_as_the_longest_play_where_replays_count(kind: str) -> None:
    watch = np.linspace(0, 60, 2000)
    config = HEADS[kind].Config()
    state = HEADS[kind].fit_state(config, TrainLabels(watch, np.full(2000, 10.0), truncated=False))
    out_BO, duration_B = torch.full((2, HEADS[kind](config, state).num_outputs), 4.0), torch.tensor([5.0, 10.0])
    bounded, free = HEADS[kind](config, state), HEADS[kind](config, state | {LONGEST: np.float32(60)})
    assert bounded.longest(duration_B).tolist() == [5, 10]
    assert free.longest(duration_B).tolist() == [60, 60]
    for name, seconds_B in decodes(free, out_BO, duration_B).items():
        assert (seconds_B <= 60).all()
        assert (seconds_B >= decodes(bounded, out_BO, duration_B)[name] - 1e-4).all()


def test_hazards_tell_where_replays_stop() -> None:
    """With replays a play as long as the video is no longer the end of what is known."""
    watch, duration = np.linspace(0, 40, 2000), np.full(2000, 10.0)
    labels, kind = TrainLabels(watch, duration, truncated=False), HEADS["hazard"]
    config = kind.Config()
    head = kind(config, kind.fit_state(config, labels) | {LONGEST: np.float32(40)})
    out_BO = torch.zeros(1, head.num_outputs)
    found = head.decode_mean(out_BO, torch.tensor([10.0]))
    assert found.item() == pytest.approx(watch.mean(), rel=0.06)
    rows = torch.zeros(2000, head.num_outputs, requires_grad=True)
    head.loss(rows, torch.from_numpy(watch).float(), torch.from_numpy(duration).float()).mean().backward()
    assert rows.grad.sum(dim=0).abs().max() < 1e-3


INTERPOLATED = {"vr_l1", "vr_huber", "vr_phuber", "cqe", "cread", "egmn", "hegm", "gr"}
"""Heads whose expected loss is that between nodes of a finite law; on the nodes it is exact too."""


@pytest.mark.parametrize("kind", HEADS)
def test_the_expected_loss_has_the_gradient_of_the_mean_loss(kind: str, cells: Any) -> None:
    """Under any law of the label, whether or not the head can state it."""
    head, rng = make(kind, cells.labels), np.random.default_rng(3)
    duration_N = torch.full((60,), 30.0)
    watch_N = torch.from_numpy(np.append([0.0, 30.0], rng.uniform(0, 30, 58))).float()
    if kind in INTERPOLATED:
        watch_N = nodes(duration_N)[0].repeat(2)[:60]
    chance_N = torch.from_numpy(rng.dirichlet(np.ones(60))).float()
    out_1O = torch.randn(1, head.num_outputs, generator=torch.Generator().manual_seed(1)).requires_grad_()
    mean = (chance_N * head.loss(out_1O.expand(60, -1), watch_N, duration_N)).sum()
    statistics_1S = (chance_N.unsqueeze(1) * head.statistics(watch_N, duration_N)).sum(dim=0, keepdim=True)
    expected = head.expected_loss(out_1O, statistics_1S, duration_N[:1]).sum()
    found, true = (torch.autograd.grad(loss, out_1O)[0] for loss in (expected, mean))
    torch.testing.assert_close(found, true, rtol=1e-4, atol=1e-5 * true.abs().max().item())


@pytest.mark.parametrize("kind", HEADS)
def test_the_loss_of_a_label_is_that_of_its_own_statistics(kind: str, cells: Any) -> None:
    head = make(kind, cells.labels)
    watch_B, duration_B = nodes(torch.tensor([10.0, 90.0])).flatten(), torch.tensor([10.0, 90.0]).repeat_interleave(33)
    out_BO = torch.randn(66, head.num_outputs, generator=torch.Generator().manual_seed(2))
    found_B = head.expected_loss(out_BO, head.statistics(watch_B, duration_B), duration_B)
    torch.testing.assert_close(found_B, head.loss(out_BO, watch_B, duration_B), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("kind", HEADS)
def test_train_rows_of_one_duration_without_watching(kind: str, rows: int) -> None:
    head = make(kind, TrainLabels(np.zeros(rows), np.full(rows, 12.0)), **FITTED.get(kind, {}))
    out_BO, duration_B = torch.zeros(2, head.num_outputs), torch.tensor([5.0, 400.0])
    assert torch.isfinite(head.loss(out_BO, torch.zeros(2), duration_B)).all()


@pytest.mark.parametrize("kind", HEADS)
def test_units_milliseconds_and_seconds_give_equal_targets(kind: str, cells: Any) -> None:
    """The loader divides integer milliseconds by 1000; the loss must not see which precision did it."""
    head = make(kind, cells.labels)
    watch_ms = np.arange(0, 400_000, 37)
    out_BO = torch.zeros(len(watch_ms), head.num_outputs)
    duration_B = torch.full((len(watch_ms),), 400.0)
    from_double = head.loss(out_BO, torch.from_numpy((watch_ms / 1000).astype(np.float32)), duration_B)
    from_single = head.loss(out_BO, torch.from_numpy(watch_ms.astype(np.float32) / np.float32(1000)), duration_B)
    assert torch.equal(from_double, from_single)


class Decodes(torch.nn.Module):
    """A head's three outputs for `torch.export`."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, out_BO: torch.Tensor, duration_B: torch.Tensor) -> list[torch.Tensor]:
        return [self.head.score(out_BO, duration_B), *decodes(self.head, out_BO, duration_B).values()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", HEADS)
def test_exported_decodes_equal_the_heads(kind: str, cells: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A program repeats the operations of a bisection as often as it halves, and tracing them all takes seconds.
    monkeypatch.setattr(exponential_gaussian, "BISECTIONS", 3)
    module = Decodes(make(kind, cells.labels)).eval()
    generator = torch.Generator().manual_seed(2)
    example = (torch.randn(5, module.head.num_outputs, generator=generator), torch.linspace(5, 90, 5))
    rows = torch.export.Dim("rows", min=1)
    program = torch.export.export(module, example, dynamic_shapes=({0: rows}, {0: rows})).module()
    asked = (torch.randn(9, module.head.num_outputs, generator=generator), torch.linspace(1, 400, 9))
    for found, expected in zip(program(*asked), module(*asked), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", HEADS)
def test_batch_mates_do_not_matter(kind: str, cells: Any) -> None:
    head = make(kind, cells.labels)
    out_BO = torch.randn(16, head.num_outputs, generator=torch.Generator().manual_seed(0))
    duration_B = torch.linspace(1, 120, 16)
    together = [head.score(out_BO, duration_B), *decodes(head, out_BO, duration_B).values()]
    alone = [head.score(out_BO[3:4], duration_B[3:4]), *decodes(head, out_BO[3:4], duration_B[3:4]).values()]
    for whole, part in zip(together, alone, strict=True):
        torch.testing.assert_close(whole[3:4], part, rtol=ulps(8, whole.dtype), atol=ulps(8, whole.dtype))


@pytest.mark.parametrize("kind", HEADS)
def test_state_travels_with_the_module(kind: str, cells: Any) -> None:
    head = make(kind, cells.labels)
    other = make(kind, TrainLabels(cells.labels.watch_s, cells.labels.duration_s), **FITTED.get(kind, {}))
    other.load_state_dict(head.state_dict())
    out_BO, duration_B = torch.randn(8, head.num_outputs), torch.linspace(5, 90, 8)
    assert torch.equal(head.score(out_BO, duration_B), other.score(out_BO, duration_B))


def fingerprints() -> str:
    """Return every head's state and scores on fixed rows under a fixed seed."""
    rng = np.random.default_rng(5)
    duration = rng.integers(5, 60, 500).astype(float)
    labels = TrainLabels(np.round(duration * rng.random(500), 3), duration)
    lines = []
    torch.manual_seed(5)
    for kind in HEADS:
        head = make(kind, labels)
        out_BO = torch.randn(9, head.num_outputs, generator=torch.Generator().manual_seed(1))
        lines.append(
            f"{kind} {digest(head.fit_state(head.config, labels))} {head.score(out_BO, torch.arange(9.0)).tolist()}"
        )
    return "\n".join(lines)


@pytest.mark.slow
def test_two_processes_agree() -> None:
    code = "from tests.models.heads.test_contract import fingerprints; print(fingerprints())"
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=REPOSITORY)
    assert other.stdout.strip() == fingerprints()


def test_no_train_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="fitted on no rows"):
        TrainLabels(np.zeros(0), np.zeros(0))


def test_a_label_beyond_the_duration_is_refused_unless_labels_count_replays() -> None:
    watch, duration = np.array([3.0, 25.0]), np.array([10.0, 10.0])
    with pytest.raises(ValueError, match=r"1 labels exceed their duration \(row 1: 25 s of 10 s\)"):
        TrainLabels(watch, duration)
    assert not TrainLabels(watch, duration, truncated=False).truncated
