import numpy as np
import pytest
import torch

from models.encoders.history.distance_correlation import distance_correlation


def by_hand(x: np.ndarray, y: np.ndarray) -> float:
    """Return the definition, entry by entry."""
    size = len(x)
    centred = []
    for values in (x, y):
        distance = [[abs(a - b) for b in values] for a in values]
        rows = [sum(row) / size for row in distance]
        total = sum(rows) / size
        centred.append([[distance[i][j] - rows[i] - rows[j] + total for j in range(size)] for i in range(size)])
    first, second = centred

    def mean_product(left: list[list[float]], right: list[list[float]]) -> float:
        return sum(left[i][j] * right[i][j] for i in range(size) for j in range(size)) / size**2

    covariance, variances = mean_product(first, second), mean_product(first, first) * mean_product(second, second)
    return float(np.sqrt(covariance / np.sqrt(variances)))


def of(x: np.ndarray, y: np.ndarray) -> float:
    return float(distance_correlation(torch.from_numpy(x), torch.from_numpy(y)))


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_definition(seed: int) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, 11))
    assert of(x, y) == pytest.approx(by_hand(x, y), rel=1e-9)


def test_lines_have_one_and_order_scale_and_sign_do_not_matter() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    assert of(x, 3 - 2 * x) == pytest.approx(1)
    assert of(x, y) == pytest.approx(of(y, x)) == pytest.approx(of(-5 * x + 1, y))


def test_independence_is_small_and_dependence_without_correlation_is_not() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 1500))
    assert of(x, y) < 0.08
    assert abs(np.corrcoef(x, x**2)[0, 1]) < 0.15
    assert of(x, x**2) > 0.4


def test_four_points_of_a_square_are_independent() -> None:
    x, y = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    assert of(x, y) < 1e-5


def test_the_gradient_lowers_it_and_is_finite_where_it_is_zero_or_undefined() -> None:
    start = torch.from_numpy(np.random.default_rng(2).normal(size=(2, 20)))
    pair = torch.stack([start[0], start[0] + start[1]]).requires_grad_()
    before = distance_correlation(*pair)
    before.backward()
    moved = (pair - 0.05 * pair.grad / pair.grad.norm()).detach()
    assert float(distance_correlation(*moved)) < before.item()
    square = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]], requires_grad=True)
    distance_correlation(*square).backward()
    assert torch.isfinite(square.grad).all()
    constant = torch.stack([torch.ones(4), torch.arange(4.0)]).requires_grad_()
    value = distance_correlation(*constant)
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(constant.grad).all()
