import pytest
import torch

from models.dropout import Dropout


def test_it_leaves_out_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    ones = torch.ones(1000, 1001)
    for share in (0.2, 0.5, 0.97):
        left = Dropout(share)(ones)
        error = (share * (1 - share) / ones.numel()) ** 0.5
        assert float((left == 0).double().mean()) == pytest.approx(share, abs=5 * error + 1 / 65536)
        assert left.unique().numel() == 2
        assert float(left.max()) == pytest.approx(1 / (1 - share), rel=1e-3)
        assert float(left.double().mean()) == pytest.approx(1, abs=5 * error / (1 - share))


def test_neighbours_and_draws_are_independent() -> None:
    torch.manual_seed(1)
    module, ones = Dropout(0.5), torch.ones(400, 400)
    kept, again = (module(ones).double() / 2 for _ in range(2))
    flat = kept.flatten()
    others = [again.flatten()] + [flat.roll(shift) for shift in (1, 2, 3, 4, 400)]
    for other in others:  # four outputs share one drawn number
        assert float(torch.corrcoef(torch.stack([flat, other]))[0, 1]) == pytest.approx(0, abs=5 / 400)


def test_the_gradient_is_that_of_what_is_left() -> None:
    torch.manual_seed(2)
    x = torch.randn(7, 3, requires_grad=True)
    left = Dropout(0.3)(x)
    left.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x.detach(), left.detach())


def test_it_is_nothing_outside_training_and_where_nothing_is_left_out() -> None:
    x = torch.randn(5, 4)
    assert torch.equal(Dropout(0.3).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros_like(x))


def test_the_generator_gives_the_same_masks_again() -> None:
    x = torch.ones(50, 3)
    torch.manual_seed(3)
    first, state, second = Dropout(0.4)(x), torch.get_rng_state(), Dropout(0.4)(x)
    torch.set_rng_state(state)
    assert torch.equal(Dropout(0.4)(x), second)
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.4)(x), first)
    assert first.flatten()[:8].bool().tolist() == [True, True, True, False, True, False, True, False]
