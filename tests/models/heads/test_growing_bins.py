"""Bins that grow: a split moves nothing, what begins takes after what it splits, and twins that forget one of them are caught."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from models.heads import HEADS
from models.heads.base import Head, LabelState, TrainLabels
from models.heads.growing_bins import FEWEST, LEVELS, MOST, GrowingBins, equal_mass_cuts, level_after, node_levels
from models.heads.survival import restricted_mean
from tests.models.heads.test_contract import DEGENERATE, decodes, fit_cells

OVER = 50
KINDS: dict[str, dict[str, Any]] = {
    "ordinal": {"thresholds": MOST},
    "cread": {"thresholds": MOST},
    "cread free": {"thresholds": MOST, "monotone_survival": False},
    "tpm": {"depth": 7},
}
DURATION_B = torch.tensor([0.7, 10.0, 33.3, 90.0, 300.0])


def build(name: str, labels: TrainLabels, over: int = OVER) -> Any:
    kind = HEADS[name.split()[0]]
    config = kind.Config.model_validate({"kind": name.split()[0], "progressive_steps": over, **KINDS[name]})
    return kind(config, kind.fit_state(config, labels))


def at_level(head: Any, level: int) -> Any:
    head.bins.reached.fill_(level)
    return head


def learned(head: Head, level: int) -> torch.Tensor:
    """Return outputs of five rows as training leaves them: those that are not read yet are whatever they were drawn as."""
    return 2 * torch.randn(5, head.num_outputs, generator=torch.Generator().manual_seed(level))


def begun(head: Any, out_BO: torch.Tensor, level: int) -> torch.Tensor:
    """Return the outputs after a split: the new ones are 0, which `Growth` makes of their weights."""
    return torch.where(head.bins.level_O == level, 0.0, out_BO)


def test_bins_double_in_five_phases_of_equal_length() -> None:
    assert [FEWEST << level_after(step, 100) for step in (0, 19, 20, 39, 40, 60, 79, 80, 99, 100, 10**6)] == [
        8, 8, 16, 16, 32, 64, 64, 128, 128, 128, 128,
    ]  # fmt: skip
    assert FEWEST << level_after(0, 0) == MOST
    bins = GrowingBins(100, *node_levels())
    seen = {step: found for step in range(1, 201) if (found := bins.advance()) is not None}
    assert {step: len(found) for step, found in seen.items()} == {20: 8, 40: 16, 60: 32, 80: 64}
    assert [len(found) for found in [GrowingBins(2, *node_levels()).advance()] if found is not None] == [8 + 16]


def test_a_parent_is_the_output_that_made_the_bin() -> None:
    level_J, parent_J = node_levels()
    assert np.bincount(level_J).tolist() == [FEWEST + 1, 8, 16, 32, 64]
    assert parent_J[[0, 16, 8, 4, 12, 2, 10]].tolist() == [0, 16, 16, 8, 8, 4, 12]
    assert (level_J[parent_J] < level_J)[level_J > 0].all()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("level", range(1, LEVELS))
def test_a_split_moves_no_decode(name: str, level: int, cells: Any) -> None:
    head = build(name, cells.labels)
    out_BO = learned(head, level)
    before = decodes(at_level(head, level - 1), out_BO, DURATION_B)
    score_B = head.score(out_BO, DURATION_B)
    at_level(head, level)
    after = decodes(head, begun(head, out_BO, level), DURATION_B)
    for decode, seconds_B in before.items():
        assert (seconds_B - after[decode]).abs().max() < 1e-4
    assert (head.score(begun(head, out_BO, level), DURATION_B) - score_B).abs().max() < 1e-4
    # twin: whoever lets the new outputs begin as they were drawn
    assert (decodes(head, out_BO, DURATION_B)["mean"] - before["mean"]).abs().max() > 0.01


@pytest.mark.parametrize("name", ["ordinal", "cread"])
def test_a_mean_of_logits_moves_the_decode(name: str, cells: Any) -> None:
    """Twin: the new threshold at the mean of its neighbours' logits, not of their chances; and curves read at asked nodes alone."""
    head = at_level(build(name, cells.labels), 0)
    log_p_BJ, log_q_BJ = head.grown_curve(learned(head, 0), levels=0)
    logit_BJ = log_p_BJ - log_q_BJ
    first = head.cuts[:: MOST // FEWEST]
    middle_BJ = (logit_BJ[:, 1:] + logit_BJ[:, :-1]) / 2
    both_BJ = functional.pad(torch.stack([logit_BJ[:, :-1], middle_BJ], dim=2).flatten(1), (0, 1))
    both_BJ[:, -1] = logit_BJ[:, -1]
    second, long_B = head.cuts[:: MOST // FEWEST // 2], torch.full((5,), 300.0)
    moved_B = restricted_mean(second, both_BJ.sigmoid(), long_B) - restricted_mean(first, logit_BJ.sigmoid(), long_B)
    assert moved_B.abs().max() > 0.01
    exact = head.grown_curve(learned(head, 0), levels=1)[0].exp()
    coarse_B = restricted_mean(second, exact, long_B) - restricted_mean(first, log_p_BJ.exp(), long_B)
    assert coarse_B.abs().max() > 0.01


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("level", [0, 2, LEVELS - 1])
def test_an_untrained_head_predicts_the_train_rows(name: str, level: int, cells: Any) -> None:
    """In every phase, ties and the atom at 0 included: bins that hold unequal mass are split as the rows are."""
    head = at_level(build(name, cells.labels), level)
    zero_BO = torch.zeros(1, head.num_outputs)
    watch = cells.labels.watch_s.astype(np.float32)
    expected = (watch[:, None] > head.cuts.numpy() if name != "tpm" else watch[:, None] > head.edges[1:].numpy()).mean(
        axis=0
    )
    found = 1 - head.log_mass(zero_BO).exp().cumsum(dim=1)[0] if name == "tpm" else head.survival(zero_BO)[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)
    assert head.decode_mean(zero_BO, torch.tensor([90.0])).item() == pytest.approx(watch.mean(), rel=0.04)


@pytest.mark.parametrize("name", ["ordinal", "cread", "cread free"])
def test_the_refined_curve_is_that_of_a_loop_over_splits(name: str, cells: Any) -> None:
    head = at_level(build(name, cells.labels), LEVELS - 1)
    out_BO = learned(head, 0)
    logit_BO = (out_BO + head.base).double()
    log_p_BJ, log_q_BJ = head.grown_curve(out_BO)
    survival_BJ = torch.zeros_like(logit_BO)
    stride = MOST // FEWEST
    survival_BJ[:, ::stride] = head.first_curve(logit_BO[:, ::stride])[0].exp()
    while stride > 1:
        half = stride // 2
        for node in range(half, MOST, stride):
            lower_B, upper_B = survival_BJ[:, node - half], survival_BJ[:, node + half]
            survival_BJ[:, node] = upper_B + logit_BO[:, node].sigmoid() * (lower_B - upper_B)
        stride = half
    torch.testing.assert_close(log_p_BJ.exp().double(), survival_BJ, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(log_q_BJ.exp().double(), 1 - survival_BJ, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["ordinal", "cread", "cread free"])
def test_training_asks_the_bins_there_are_and_evaluation_all(name: str, cells: Any) -> None:
    head = at_level(build(name, cells.labels), 1)
    out_BO, watch_B = learned(head, 0), torch.tensor([0.0, 3.0, 9.0, 29.0, 90.0])
    above_BO = head.exceeds(watch_B).float()
    for training, levels, nodes in ((True, 1, 17), (False, LEVELS - 1, 129)):
        p_BJ = head.grown_curve(out_BO, levels)[0].double().exp()
        above_BJ = above_BO[:, :: MOST // (nodes - 1)]
        by_hand_B = -(above_BJ * p_BJ.log() + (1 - above_BJ) * torch.log1p(-p_BJ)).mean(dim=1)
        found_B, asked = head.train(training).cross_entropy(out_BO, above_BO)
        assert asked == nodes and p_BJ.shape[1] == nodes
        torch.testing.assert_close(found_B.double(), by_hand_B, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_read_yet_has_no_gradient_and_the_rest_has(name: str, cells: Any) -> None:
    head = at_level(build(name, cells.labels), 1).train()
    out_BO = learned(head, 0).requires_grad_()
    head.loss(out_BO, torch.tensor([0.0, 3.0, 9.0, 29.0, 90.0]), DURATION_B).sum().backward()
    assert out_BO.grad is not None
    read = head.bins.level_O <= 1
    assert (out_BO.grad[:, ~read] == 0).all() and (out_BO.grad[:, read].abs().amax(dim=0) > 0).all()


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("name", KINDS)
def test_degenerate_rows_and_outputs(name: str, case: str, cells: Any) -> None:
    for labels in (
        cells.labels,
        TrainLabels(np.zeros(3), np.full(3, 12.0)),
        TrainLabels(np.full(2, 3.0), np.full(2, 12.0)),
    ):
        head = at_level(build(name, labels), 2)
        watch_B, duration_B = (torch.tensor(values) for values in DEGENERATE[case])
        for value in (-30.0, 0.0, 30.0):
            out_BO = torch.full((len(watch_B), head.num_outputs), value, requires_grad=True)
            loss_B = head.loss(out_BO, watch_B, duration_B)
            loss_B.sum().backward()
            assert torch.isfinite(loss_B).all() and out_BO.grad is not None and torch.isfinite(out_BO.grad).all()
            for seconds_B in decodes(head, out_BO.detach(), duration_B).values():
                assert ((seconds_B >= 0) & (seconds_B <= duration_B)).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ordinal", "cread", "tpm"])
def test_a_fit_through_all_phases_finds_the_cells(name: str, cells: Any) -> None:
    head = build(name, cells.labels, over=120).train()
    loss = head.loss

    def counted(out_BO: torch.Tensor, watch_B: torch.Tensor, duration_B: torch.Tensor) -> torch.Tensor:
        """Counts, as `Growth` does; outputs that are not read yet have no gradient, and so stay at 0."""
        new = head.bins.advance()
        if new is not None:
            assert len(new)
        return loss(out_BO, watch_B, duration_B)

    head.loss = counted
    out_CO = fit_cells(head, cells, 300, 20)
    head.eval()
    assert int(head.bins.reached) == LEVELS - 1
    with torch.no_grad():
        mean_C = head.decode_mean(out_CO, torch.from_numpy(cells.duration).float())
    np.testing.assert_allclose(mean_C, cells.mean, rtol=0.06)


class Decoded(torch.nn.Module):
    def __init__(self, head: Any) -> None:
        super().__init__()
        self.head = head

    def forward(self, out_BO: torch.Tensor, duration_B: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.head.score(out_BO, duration_B), *decodes(self.head, out_BO, duration_B).values()])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cread", "tpm"])
def test_a_head_that_stopped_early_is_exported_as_it_stands(name: str, cells: Any) -> None:
    module = Decoded(at_level(build(name, cells.labels), 2)).eval()
    out_BO = learned(module.head, 0)
    rows = torch.export.Dim("rows", min=1)
    program = torch.export.export(module, (out_BO, DURATION_B), dynamic_shapes=({0: rows}, {0: rows})).module()
    torch.testing.assert_close(program(out_BO[:3], DURATION_B[:3]), module(out_BO, DURATION_B)[:, :3])
    again = Decoded(build(name, cells.labels)).eval()
    again.load_state_dict(module.state_dict())
    assert torch.equal(again(out_BO, DURATION_B), module(out_BO, DURATION_B))


def test_zero_is_a_bin_and_the_others_hold_equal_mass() -> None:
    watch = np.concatenate([np.zeros(1000), np.arange(1, 12801) / 100])
    cuts = equal_mass_cuts(TrainLabels(watch, np.full(len(watch), 200.0)))
    node = np.searchsorted(cuts, watch.astype(np.float32))
    assert np.bincount(node).tolist() == [1000] + [100] * MOST
    assert len(cuts) == MOST + 1 and cuts[0] == 0 and cuts[-1] == 128


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("cread", {"progressive_steps": 100}, "ends with 128 bins: set thresholds to 128, not 50"),
        (
            "ordinal",
            {"progressive_steps": 100, "thresholds": 128, "curvature": 1.0},
            "of EAD, which progressive_steps takes",
        ),
        ("tpm", {"progressive_steps": 100}, "ends with 128 leaves: set depth to 7, not 5"),
        ("cread", {"progressive_steps": 0, "thresholds": 128, "placement": "lognormal"}, "leave out one"),
        ("ordinal", {"placement": "lognormal", "restoration": 1.0}, "of EAD, which placement: lognormal takes"),
        ("tpm", {"progressive_steps": -1, "depth": 7}, "greater than or equal to 0"),
    ],
)
def test_options_that_do_not_go_together_are_refused(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HEADS[kind].Config.model_validate({"kind": kind, **options})


@pytest.mark.parametrize("kind", ["ordinal", "cread", "tpm"])
def test_a_head_that_does_not_ask_for_it_is_described_and_stored_as_before(kind: str, cells: Any) -> None:
    config = HEADS[kind].Config.model_validate({"kind": kind})
    assert not {"progressive_steps", "placement"} & set(config.model_dump())
    state: LabelState = HEADS[kind].fit_state(config, cells.labels)
    kept = {"ordinal": {"cuts", "base"}, "cread": {"cuts", "base", "scale"}, "tpm": {"edges", "values", "scale"}}
    assert set(state) == kept[kind]
    assert {name for name, _ in HEADS[kind](config, state).named_modules()} == {""}
