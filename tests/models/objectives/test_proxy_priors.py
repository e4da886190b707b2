"""Proxy priors on a small world: the proxies stay out of one output, and only the other follows the logged bias."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.batch import Batch
from models.objectives.proxy_priors import ProxyPriors, ProxyPriorsConfig
from models.propensity.popularity import PopularityConfig
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.train.config import TrainingConfig
from tasks.train.optimizers import Optimizers

LEVELS, USERS, VIDEOS, ROWS, BATCH = 4, 60, 400, 16_384, 512
SCHEMA = InputSchema(fields=(("user_id", USERS), ("video_id", VIDEOS), ("proxy", LEVELS)))
RECIPE: Mapping[str, Any] = {
    "encoder": {"kind": "packed", "embedding_dim": 8},
    "trunk": {"kind": "shared_bottom", "hidden": [32], "dropout": 0.0},
    "tower": {"dropout": 0.0},
    "head": {"kind": "vr_mse", "scale_s": 5.0},
    "set_apart": ["proxy"],
}


def draw(bias: float) -> Batch:
    """Return rows whose taste ignores the proxy, a property of the video; 30 % are exposed at random.

    On the policy's rows the proxy moves watch time by `bias` per level in the log-odds of the watched share.
    """
    g = torch.Generator().manual_seed(0)
    taste_of_user, taste_of_video = torch.randn(USERS, 3, generator=g), torch.randn(VIDEOS, 3, generator=g)
    user_B, video_B = torch.randint(USERS, (ROWS,), generator=g), torch.randint(VIDEOS, (ROWS,), generator=g)
    proxy_B = video_B % LEVELS
    random_B = torch.rand(ROWS, generator=g) < 0.3
    odds_B = (taste_of_user[user_B] * taste_of_video[video_B]).sum(dim=1)
    odds_B = odds_B + bias * (proxy_B - 1.5) * ~random_B + 0.3 * torch.randn(ROWS, generator=g)
    return Batch(
        ids_BF=torch.stack([user_B, USERS + video_B, USERS + VIDEOS + proxy_B], dim=1),
        dense_BN=torch.zeros(ROWS, 0),
        duration_B=torch.full((ROWS,), 10.0),
        watch_B=10 * torch.sigmoid(odds_B),
        propensity_B=torch.full((ROWS,), 0.5),
        random_B=random_B,
    )


def some(rows: Batch, index: Tensor) -> Batch:
    names = ("ids_BF", "dense_BN", "duration_B", "watch_B", "propensity_B", "random_B")
    return replace(rows, **{name: getattr(rows, name)[index] for name in names})


@dataclass(frozen=True)
class Fit:
    """A trained ranker and the rows it was trained on."""

    ranker: Ranker
    rows: Batch

    @property
    def level(self) -> Tensor:
        return self.rows.ids_BF[:, 2] - USERS - VIDEOS

    def seconds(self, trade_off: float) -> Tensor:
        """Return the predicted means at another t."""
        self.ranker.objectives["watch_time"].trade_off = trade_off
        mean_B = self.ranker.predict(self.rows).mean_B
        assert mean_B is not None
        return mean_B

    def by_level(self, value_B: Tensor) -> Tensor:
        """Return the mean of a value on the random rows of every level."""
        at_random = self.rows.random_B
        return torch.stack([value_B[at_random & (self.level == level)].mean() for level in range(LEVELS)])


def fit(bias: float, orthogonality: float) -> Fit:
    rows = draw(bias)
    objective = {"kind": "proxy_priors", "orthogonality_weight": orthogonality}
    torch.manual_seed(0)
    ranker = Ranker(Recipe.model_validate({**RECIPE, "objective": objective}), SCHEMA, {"scale": np.float32(5)})
    optimizers = Optimizers(ranker, TrainingConfig(learning_rate=1e-2, weight_decay=1e-4))
    g = torch.Generator().manual_seed(1)
    for _ in range(5):
        for index in torch.randperm(ROWS, generator=g).split(BATCH):
            batch = some(rows, index)
            optimizers.prepare(batch)
            ranker.balance.backward(ranker.losses(batch), ranker.shared_parameters())
            optimizers.step()
    optimizers.catch_up()
    return Fit(ranker.eval(), rows)


@pytest.fixture(scope="module")
def disentangled() -> Fit:
    return fit(bias=1.0, orthogonality=5.0)


def probe(h_BH: Tensor, level_B: Tensor) -> float:
    """Return the accuracy of a linear probe, fitted on the first half of the rows and tested on the second."""
    design = torch.cat([torch.ones(len(h_BH), 1), (h_BH - h_BH.mean(0)) / (h_BH.std(0) + 1e-9)], dim=1).double()
    half, wanted = len(h_BH) // 2, functional.one_hot(level_B, LEVELS).double()
    weight = torch.linalg.lstsq(design[:half], wanted[:half], driver="gelsd").solution
    return float(((design[half:] @ weight).argmax(dim=1) == level_B[half:]).double().mean())


def placebo(h_BH: Tensor, video_B: Tensor) -> float:
    """Return the best of ten probes for levels dealt to the videos at random, which training never saw: chance."""
    g = torch.Generator().manual_seed(2)
    return max(probe(h_BH, (torch.randperm(VIDEOS, generator=g) % LEVELS)[video_B]) for _ in range(10))


def hidden(found: Fit) -> dict[str, Tensor]:
    """Return what the towers read, and what the trunk makes of it."""
    with torch.no_grad():
        encoded = found.ranker.encoder(found.rows)
        return {"encoded": encoded.flat_BE, "trunk": found.ranker.trunk(encoded)["watch_time"]}


@pytest.mark.slow
def test_a_linear_probe_of_the_proxies_falls_to_chance(disentangled: Fit) -> None:
    video_B = disentangled.rows.ids_BF[:, 1] - USERS
    entangled = fit(bias=1.0, orthogonality=0.0)
    for name, h_BH in hidden(disentangled).items():
        assert probe(h_BH, disentangled.level) <= placebo(h_BH, video_B), name
    for name, h_BH in hidden(entangled).items():
        assert probe(h_BH, entangled.level) > placebo(h_BH, video_B) + 0.07, name
    assert probe(hidden(disentangled)["encoded"], disentangled.level) < 1 / LEVELS + 0.05
    assert disentangled.ranker.diagnostics(disentangled.rows)["watch_time/explained_by_proxies"] < 0.02


@pytest.mark.slow
def test_only_the_output_that_knows_the_proxies_follows_the_logged_bias(disentangled: Fit) -> None:
    watch_B = disentangled.rows.watch_B
    error = {t: disentangled.by_level(disentangled.seconds(t) - watch_B) for t in (0.0, 1.0)}
    assert error[0.0].abs().max() < 0.4
    assert error[1.0][-1] - error[1.0][0] > 2


def test_without_bias_the_outputs_agree(disentangled: Fit) -> None:
    unbiased = fit(bias=0.0, orthogonality=1.0)

    def apart(found: Fit) -> Tensor:
        return found.by_level(found.seconds(1.0)) - found.by_level(found.seconds(0.0))

    assert apart(unbiased).abs().max() < 0.3
    assert apart(disentangled).abs().max() > 1
    together = torch.corrcoef(torch.stack([unbiased.seconds(0.0), unbiased.seconds(1.0)]))[0, 1]
    assert together > 0.9


def test_the_ends_of_the_dial_are_the_two_outputs(disentangled: Fit) -> None:
    ranker, rows = disentangled.ranker, disentangled.rows
    objective = ranker.objectives["watch_time"]
    with torch.no_grad():
        encoded = ranker.encoder(rows)
        assert ranker.second_encoder is not None
        logits = ranker.auxiliary["watch_time"](encoded.flat_BE, ranker.second_encoder(rows).flat_BE)
        own_BO = ranker(rows)["watch_time"]
        knowing_BO = (logits["base"] + torch.sigmoid(logits["gate"]) * logits["proxy"]).unsqueeze(1)
        for trade_off, expected_BO in ((0.0, own_BO), (1.0, knowing_BO), (0.25, 0.75 * own_BO + 0.25 * knowing_BO)):
            objective.trade_off = trade_off
            assert torch.equal(objective.served(own_BO, logits), expected_BO)
        assert torch.equal(disentangled.seconds(0.0), ranker.head.decode_mean(own_BO, rows.duration_B))


def of(config: ProxyPriorsConfig) -> ProxyPriors:
    return ProxyPriors(config, PopularityConfig(clip=0.01))


def two_outputs(task_rows: Callable[..., Any], **changes: Any) -> Any:
    """Return four rows with losses 1, 2, 4, 9 of y_u and a y_b whose loss is 0.25 everywhere."""
    rows = task_rows(torch.tensor([1.0, 2.0, 4.0, 9.0]), torch.ones(4), torch.tensor([0.5, 0.25, 0.5, 0.125]))
    zeros = torch.zeros(4)
    plain = {
        "second_BE": torch.randn(4, 2, generator=torch.Generator().manual_seed(0)),
        "auxiliary": {"base": zeros + 0.25, "gate": zeros, "proxy": zeros + 0.5},
    }
    return replace(rows, **(plain | changes))


def test_the_loss_by_hand(task_rows: Callable[..., Any]) -> None:
    """An encoding without variance leaves loss(y_b) + lambda_u L_unb; weights of SNIPS are 2, 4, 2 and 8."""
    rows = two_outputs(task_rows)
    weighted = (2 * 1 + 4 * 2 + 2 * 4 + 8 * 9) / 16
    assert of(ProxyPriorsConfig(unbiased_weight=3.0))(rows).item() == pytest.approx(0.25 + 3 * weighted)
    random_B = torch.tensor([False, True, True, False])
    chosen = replace(rows, random_B=random_B)
    assert of(ProxyPriorsConfig())(chosen).item() == pytest.approx(0.25 + (2 + 4) / 2)
    beside = of(ProxyPriorsConfig(random_rows="beside"))(chosen).item()
    assert beside == pytest.approx(0.25 + (2 / 5 * 1 + 2 + 4 + 8 / 5 * 9) / 4)


def test_what_is_not_observed_teaches_nothing(task_rows: Callable[..., Any]) -> None:
    rows = two_outputs(task_rows, observed_B=torch.tensor([1.0, 0.0, 1.0, 0.0]))
    assert of(ProxyPriorsConfig())(rows).item() == pytest.approx(0.25 + (1 + 4) / 2)
    nothing = replace(rows, observed_B=torch.zeros(4))
    assert of(ProxyPriorsConfig())(nothing).item() == 0


def test_gradients_of_the_penalty_stop_at_the_proxies(task_rows: Callable[..., Any]) -> None:
    g = torch.Generator().manual_seed(0)
    encoded_BE = torch.randn(4, 3, generator=g).requires_grad_()
    second_BP = torch.randn(4, 2, generator=g).requires_grad_()
    of(ProxyPriorsConfig())(two_outputs(task_rows, encoded_BE=encoded_BE, second_BE=second_BP)).backward()
    assert second_BP.grad is None
    assert encoded_BE.grad is not None
    assert encoded_BE.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"second_BE": torch.zeros(4, 0)}, "set_apart"), ({"out_BO": torch.zeros(4, 3)}, "has 3")],
)
def test_what_it_cannot_do_is_refused(changes: Any, message: str, task_rows: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=message):
        of(ProxyPriorsConfig())(two_outputs(task_rows, **changes))
