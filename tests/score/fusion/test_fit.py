"""Fitting a fusion on a made-up day whose answer is known, and judging it on another."""

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from tasks.core.errors import ConfigError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.lists import mean_at_k
from tasks.evaluate.metrics.ranked_lists import rank_lists
from tasks.evaluate.role import Role
from tasks.score.fusion.config import FusionChoice, FusionConfig
from tasks.score.fusion.fit import cautious_gain, chosen_signs, fit_fusion
from tasks.score.fusion.lists import DayLists
from tasks.score.fusion.serving import ServingFusion
from tasks.score.fusion.stage import predictions_of

KINDS = ("multiplicative", "additive", "rank_additive", "monotone")
SIGNS: dict[str, Any] = {"watch_time": 1, "long_view": 1, "skip": -1}


def config(**values: Any) -> FusionConfig:
    return TypeAdapter(FusionChoice).validate_python(
        {"trials": 60, **values} if values["kind"] != "monotone" else values
    )  # type: ignore[return-value]


def a_day(seed: int, users: int = 300, each: int = 8, informed: float = 1.0, role: Role = "validation") -> DayLists:
    """Return a day on which the score knows little of what is watched, and the probabilities all that they say."""
    random = np.random.default_rng(seed)
    rows = users * each
    appeal = random.normal(size=rows)
    duration = random.uniform(10, 60, rows)
    chance = 1 / (1 + np.exp(-3 * informed * appeal))
    long_view = (random.random(rows) < chance).astype(np.int64)
    skip = ((random.random(rows) < 0.8 * (1 - chance)) & (long_view == 0)).astype(np.int64)
    watch = duration * np.where(long_view == 1, 0.9, np.where(skip == 1, 0.05, 0.4))
    score = 0.3 * appeal + random.normal(size=rows)
    order = random.permutation(rows)
    return DayLists(
        users=Groups(np.repeat(np.arange(users), each)[order], users),
        tie_B=random.permutation(rows),
        watch_B=watch[order],
        labels={"long_view": long_view[order], "skip": skip[order]},
        score_B=score[order],
        mean_B=(duration * 0.4 * (1 + 0.2 * score))[order].clip(0),
        duration_B=duration[order],
        probability={"long_view": chance[order], "skip": 0.8 * (1 - chance)[order]},
        role=role,
    )


def test_the_worth_of_a_list_is_that_of_its_first_rows() -> None:
    day, k = a_day(0, users=40), 3
    settings = config(kind="monotone", long_view=7.0, skip=11.0)
    found = day.utilities(day.score_B, day.worth(settings, 11.0), k)
    for user in range(40):
        mine = np.flatnonzero(day.users.code_B == user)
        top = mine[np.argsort(-day.score_B[mine])][:k]
        seconds = day.watch_B[top] + 7 * day.labels["long_view"][top] - 11 * day.labels["skip"][top]
        assert found[user] == pytest.approx(seconds.mean())


def test_utility_is_the_formula_of_the_specification() -> None:
    day, k = a_day(1), 3
    ranked = rank_lists(day.users, day.score_B, day.tie_B)
    at_k = [mean_at_k(ranked, values, k).value for values in (day.watch_B, day.labels["long_view"], day.labels["skip"])]
    worth = day.worth(config(kind="monotone", long_view=4.0), 9.0)
    assert day.utilities(day.score_B, worth, k).mean() == pytest.approx(at_k[0] + 4 * at_k[1] - 9 * at_k[2])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("watch", ["percentile", "relative_mean"])
def test_what_was_found_on_one_day_holds_on_the_next(kind: str, watch: str) -> None:
    settings = config(kind=kind, watch=watch)
    fit = fit_fusion(a_day(2), SIGNS, settings, settings.skip)
    assert fit.utility > fit.plain + 3
    next_day = a_day(3)
    worth = next_day.worth(settings, settings.skip)
    fused = fit.serving(predictions_of(next_day), next_day.duration_B)
    gain = next_day.utilities(fused, worth, settings.k) - next_day.utilities(next_day.score_B, worth, settings.k)
    assert cautious_gain(gain, np.zeros(len(gain)), caution=5) > 0


@pytest.mark.parametrize("kind", ["multiplicative", "additive", "rank_additive"])
def test_caution_keeps_what_is_only_luck_from_serving(kind: str) -> None:
    """Probabilities that say nothing, few users: the best of many rankings looks better, and is not believed."""
    day = a_day(4, users=60, informed=0.0)
    day.probability["long_view"][:] = np.random.default_rng(0).random(len(day))
    day.probability["skip"][:] = np.random.default_rng(1).random(len(day))
    bold = fit_fusion(day, SIGNS, config(kind=kind, caution=0.0), 10.0)
    careful = fit_fusion(day, SIGNS, config(kind=kind), 10.0)
    assert bold.utility > bold.plain + 0.5
    assert careful.utility - careful.plain < 0.5 * (bold.utility - bold.plain)


def test_a_dearer_skip_is_skipped_less() -> None:
    """Where seconds and skips pull apart: long videos are watched longer and skipped more often."""
    day = a_day(5)
    skip = (np.random.default_rng(0).random(len(day)) < day.duration_B / 60).astype(np.int64)
    conflicted = DayLists(
        day.users, day.tie_B, day.duration_B * (1 - 0.3 * skip), {"long_view": 0 * skip, "skip": skip},
        day.duration_B, day.mean_B, day.duration_B, {"skip": day.duration_B / 60 * 0.9}, day.role,
    )  # fmt: skip
    shares = []
    for cost in (0.0, 20.0, 200.0):
        fit = fit_fusion(conflicted, {"watch_time": 1, "skip": -1}, config(kind="additive"), cost)
        ranking = fit.serving(predictions_of(conflicted), conflicted.duration_B)
        ranked = rank_lists(conflicted.users, ranking, conflicted.tie_B)
        shares.append(mean_at_k(ranked, conflicted.labels["skip"], 3).value)
    assert shares[2] < shares[0] - 0.2
    assert shares[2] <= shares[1] <= shares[0]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_days_and_seeds_give_equal_fusions_that_survive_json(kind: str) -> None:
    first, second = (fit_fusion(a_day(6), SIGNS, config(kind=kind), 10.0) for _ in range(2))
    assert first == second
    again = ServingFusion.model_validate_json(first.serving.model_dump_json())
    day = a_day(7)
    predictions = predictions_of(day)
    whole = again(predictions, day.duration_B)
    np.testing.assert_array_equal(whole, first.serving(predictions, day.duration_B))
    part = again({name: values[5:9] for name, values in predictions.items()}, day.duration_B[5:9])
    np.testing.assert_array_equal(part, whole[5:9])


def test_a_large_day_is_searched_on_whole_users() -> None:
    day = a_day(8, users=500, each=6)
    some = day.some_users(1000, seed=1)
    assert 900 < len(some) <= 1000
    counts = np.bincount(some.users.code_B)
    assert set(counts.tolist()) == {0, 6}
    assert day.some_users(3000, seed=1) is day
    assert not np.array_equal(some.watch_B, day.some_users(1000, seed=2).watch_B)


def test_tasks_enter_with_their_signs_or_are_named_as_missing() -> None:
    predicted = {"skip": -1, "long_view": 1, "like": 1}
    assert chosen_signs(predicted, config(kind="additive")) == {"watch_time": 1, **predicted}
    assert chosen_signs(predicted, config(kind="additive", tasks=["like"])) == {"watch_time": 1, "like": 1}
    with pytest.raises(ConfigError, match=r"does not predict hate .it predicts skip, long_view, like"):
        chosen_signs(predicted, config(kind="monotone", tasks=["hate"]))
    many = {f"task{i}": 1 for i in range(8)}
    with pytest.raises(ConfigError, match="name at most 7"):
        chosen_signs(many, config(kind="rank_additive"))
    assert len(chosen_signs(many, config(kind="monotone"))) == 9


@pytest.mark.parametrize(
    ("sweep", "wrong"),
    [((0.0, 2.0), "1 is among them"), ((1.0, 1.0), "1 is among them"), ((-1.0, 1.0), "greater than or equal to 0")],
)
def test_a_sweep_holds_what_serves(sweep: tuple[float, ...], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        config(kind="additive", sweep=sweep)
