"""What a batch is made of at every level of selection."""

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.batch import Batch
from models.recipe import Recipe
from tasks.core.errors import TrainingError
from tasks.core.files import read_json
from tasks.table.columns import open_columns
from tasks.table.training_table import TrainingTable
from tasks.train.population import Population, open_population
from tasks.train.problem import open_problem
from tests.train.settings import RECIPE

SHARD = 400


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate(RECIPE.model_dump() | changes)


def population(table: Path, selection: dict[str, Any], split: str = "fit") -> Population:
    return open_population(TrainingTable.open(table), split, recipe(selection=selection), with_history=True)


@pytest.fixture
def candidates(candidate_table: Path) -> Population:
    return population(candidate_table, {"kind": "candidate", "per_impression": 0.7})


def rows(batches: Iterable[Batch], observed: int) -> Counter[tuple[float, ...]]:
    """Count the rows of batches by their inputs."""
    parts = [torch.cat([b.ids_BF.double(), b.dense_BN.double()], 1)[b.observed_B == observed] for b in batches]
    return Counter(tuple(row.tolist()) for row in torch.cat(parts))


def same(one: Batch, other: Batch) -> bool:
    assert one.history is not None and other.history is not None
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("ids_BF", "dense_BN", "watch_B", "weight_B")]
    pairs += [(one.history.fields["video_id"], other.history.fields["video_id"]), (one.observed_B, other.observed_B)]
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_click_shows_the_other_labels(table: Path) -> None:
    for batch in population(table, {"kind": "click"}).epoch(128, SHARD, 0, 0):
        assert torch.equal(batch.observed_B, batch.labels["click"])
        assert batch.weight_B is None


def test_impressions_are_observed_whatever_was_clicked(table: Path) -> None:
    plain = population(table, {"kind": "impression"})
    for batch, other in zip(plain.epoch(128, SHARD, 0, 0), plain.impressions.epoch(128, SHARD, 0, 0), strict=True):
        assert batch.observed_B is not None and batch.observed_B.all()
        assert torch.equal(batch.ids_BF, other.ids_BF)


def test_every_batch_holds_two_strata_that_weigh_what_they_stand_for(
    candidate_table: Path, candidates: Population
) -> None:
    total = candidates.impressions.num_rows
    unshown = read_json(candidate_table / "table.json")["populations"]["fit"]["unobserved"]
    sizes = []
    for batch in candidates.epoch(128, SHARD, seed=0, epoch=0):
        assert batch.weight_B is not None and batch.observed_B is not None
        shown = batch.observed_B == 1
        sizes.append((int(shown.sum()), int((~shown).sum())))
        assert float(batch.weight_B.sum()) == pytest.approx(1, abs=1e-5)
        assert float(batch.weight_B[shown].sum()) == pytest.approx(total / (total + unshown), rel=1e-5)
        for part in (shown, ~shown):
            assert len(batch.weight_B[part].unique()) == 1
        assert not batch.random_B[~shown].any()
        assert batch.random_B[shown].any()
    assert sizes == [(128, 90)] * 11 + [(92, 64)]


def test_impressions_come_as_without_selection(candidates: Population) -> None:
    plain = candidates.impressions.epoch(128, SHARD, 3, 2)
    for batch, other in zip(candidates.epoch(128, SHARD, 3, 2), plain, strict=True):
        size = len(other)
        for name in ("ids_BF", "dense_BN", "watch_B", "random_B"):
            assert torch.equal(getattr(batch, name)[:size], getattr(other, name))
        assert batch.history is not None and other.history is not None
        assert torch.equal(batch.history.feedback_BL[:size], other.history.feedback_BL)
        assert torch.equal(batch.labels["skip"][:size], other.labels["skip"])


def test_unobserved_rows_are_those_of_the_table_with_their_histories(
    candidate_table: Path, candidates: Population
) -> None:
    folder = candidate_table / "fit/unobserved"
    columns, stored = open_columns(folder), open_columns(folder / "history")
    known = {
        (*ids.tolist(), *dense.tolist()): stored["feedback"][sequence].tolist()
        for ids, dense, sequence in zip(columns["ids"], columns["dense"], columns["history_index"], strict=True)
    }
    for batch in candidates.epoch(128, SHARD, 0, 0):
        assert batch.history is not None
        for row in torch.nonzero(batch.observed_B == 0).flatten().tolist():
            key = (*batch.ids_BF[row].tolist(), *batch.dense_BN[row].tolist())
            assert known[key] == batch.history.feedback_BL[row].tolist()


@pytest.mark.slow
def test_every_unobserved_row_is_visited_equally_often(candidates: Population) -> None:
    """1,950 of them, 1,054 in an epoch: after 13 epochs each was read 7 times and some an eighth time."""
    assert candidates.unobserved is not None
    visits = rows((batch for epoch in range(13) for batch in candidates.epoch(128, SHARD, 0, epoch)), observed=0)
    everything = candidates.unobserved.rows.read(0, 1950).batch(0, 1950)
    assert sum(visits.values()) == 13 * 1054
    assert all(7 * times <= visits[row] <= 8 * times for row, times in rows([everything], observed=1).items())


def test_the_orders_of_both_strata_differ_and_follow_the_seed(candidates: Population) -> None:
    def unobserved(seed: int, epoch: int) -> list[list[int]]:
        batch = next(iter(candidates.epoch(128, SHARD, seed, epoch)))
        return batch.ids_BF[128:].tolist()

    assert unobserved(0, 0) == unobserved(0, 0)
    assert unobserved(0, 0) != unobserved(1, 0)
    assert unobserved(0, 0) != unobserved(0, 1)


@pytest.mark.parametrize("epoch", [0, 1, 5])
@pytest.mark.parametrize("skip", [1, 4, 11])
def test_an_epoch_can_be_entered_anywhere(candidates: Population, epoch: int, skip: int) -> None:
    whole = list(candidates.epoch(128, SHARD, 0, epoch))
    rest = list(candidates.epoch(128, SHARD, 0, epoch, skip=skip))
    assert len(rest) == len(whole) - skip
    assert all(same(one, other) for one, other in zip(rest, whole[skip:], strict=True))


@pytest.mark.slow
def test_batches_estimate_means_over_the_population(candidate_table: Path, candidates: Population) -> None:
    """sum_i weight_i f_i is unbiased for mean_D f, here of f = o duration and (1 - o) duration."""
    pairs = read_json(candidate_table / "table.json")["populations"]["fit"]["unobserved"]
    folders = {1.0: candidate_table / "fit", 0.0: candidate_table / "fit/unobserved"}
    sizes = {1.0: candidates.impressions.num_rows, 0.0: pairs}
    batches = [b for epoch in range(12) for b in list(candidates.epoch(128, SHARD, 0, epoch))[:-1]]
    for observed, folder in folders.items():
        of_stratum = float(open_columns(folder)["duration_s"].mean(dtype=np.float64))
        truth = sizes[observed] / sum(sizes.values()) * of_stratum
        weighted, plain = [], []
        for batch in batches:
            assert batch.weight_B is not None and batch.observed_B is not None
            value_B = (batch.observed_B == observed) * batch.duration_B
            weighted.append(float((batch.weight_B * value_B).sum()))
            plain.append(float(value_B.mean()))
        error = np.std(weighted) / np.sqrt(len(weighted))
        assert abs(np.mean(weighted) - truth) < 3 * error
        assert abs(np.mean(plain) - truth) > 30 * error


def test_evaluation_holds_every_row_once_and_keeps_impressions_apart(candidate_table: Path) -> None:
    day = population(candidate_table, {"kind": "candidate"}, "validation")
    parts = list(day.evaluation(130))
    for shown, batch in parts:
        assert batch.weight_B is not None
        assert torch.equal(batch.ids_BF[: len(shown)], shown.ids_BF)
        assert float(batch.weight_B.sum()) == pytest.approx(1, abs=1e-5)
    sampled = [part.batch(0, len(part)) for part in day.unobserved.rows.chunks(10**9)]
    assert rows((batch for _, batch in parts), observed=0) == rows(sampled, observed=1)
    shown_ids = torch.cat([shown.ids_BF for shown, _ in parts])
    np.testing.assert_array_equal(shown_ids, open_columns(candidate_table / "validation")["ids"])


def test_a_table_without_unobserved_pairs_names_the_key_to_set(table: Path) -> None:
    with pytest.raises(TrainingError, match=r"hold no unobserved pairs .*set table\.unobserved_per_impression"):
        open_problem(TrainingTable.open(table), recipe(selection={"kind": "candidate"}))


def test_a_log_without_clicks_cannot_be_learned_from_at_level_click(table: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(table, tmp_path / "table"))
    tasks = read_json(table / "table.json")["tasks"]
    labels = np.load(changed / "fit/labels.npy")
    labels[:, tasks.index("click")] = 0
    np.save(changed / "fit/labels.npy", labels)
    with pytest.raises(TrainingError, match=r"no fit row of .* was clicked"):
        open_problem(TrainingTable.open(changed), recipe(selection={"kind": "click"}))


def test_a_misspelt_field_to_set_apart_is_named_with_the_nearest_one(table: Path) -> None:
    with pytest.raises(TrainingError, match=r"'durration_bucket', .*did you mean 'duration_bucket'"):
        open_problem(TrainingTable.open(table), recipe(set_apart=["durration_bucket"]))
    with pytest.raises(TrainingError, match=r"'position', .*table\.exposure_only names it"):
        open_problem(TrainingTable.open(table), recipe(set_apart=["position"]))


def test_exposure_only_fields_reach_no_task(candidate_table: Path) -> None:
    problem = open_problem(TrainingTable.open(candidate_table), RECIPE)
    assert problem.recipe.set_apart == ("position",)
    torch.manual_seed(0)
    ranker = problem.ranker().eval()
    column = [name for name, _ in problem.schema.fields].index("position")
    batch = next(iter(problem.fit.epoch(64, SHARD, 0, 0)))
    before = ranker.predict(batch).score_B
    batch.ids_BF[:, column] = problem.schema.offsets[column]
    assert torch.equal(ranker.predict(batch).score_B, before)
    batch.ids_BF[:, 0] = problem.schema.offsets[0]
    assert not torch.equal(ranker.predict(batch).score_B, before)


def test_candidate_probabilities_follow_the_table_where_they_are_asked_for(candidate_table: Path) -> None:
    asked = population(candidate_table, {"kind": "candidate", "shown_per_candidate": 0.4})
    rate = np.load(candidate_table / "fit/unobserved/candidate_rate.npy")
    _, whole = next(asked.evaluation(10**9))
    assert whole.candidate_probability_B is not None and whole.observed_B is not None
    shown_B = whole.observed_B > 0
    np.testing.assert_allclose(whole.candidate_probability_B[~shown_B], 1 - np.exp(-rate / 0.4), rtol=1e-5)
    assert (whole.candidate_probability_B[shown_B] == 1).all()
    mixed = next(asked.epoch(64, SHARD, seed=0, epoch=0))
    assert mixed.candidate_probability_B is not None and len(mixed.candidate_probability_B) == len(mixed)


def test_every_pair_is_a_candidate_where_nothing_is_said(candidates: Population) -> None:
    assert next(candidates.evaluation(64))[1].candidate_probability_B is None
