"""Reviews of the small night: what is proposed where something is planted, that nothing else changes, and how it is merged."""

import datetime as dt
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.reviews import run_review
from models.encoders.packed import PackedConfig
from models.recipe import Recipe
from tasks.config import load_params
from tasks.core.errors import ConfigError
from tasks.core.files import hash_tree, read_json, write_text
from tasks.core.layout import Workspace
from tasks.core.yaml_file import read_yaml
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.stages import Night
from tasks.table.build import build_table
from tasks.table.training_table import TrainingTable
from tasks.train.problem import FitProblem, open_problem
from tasks.tune.config import Metric
from tasks.tune.confirm import FreshFits
from tasks.tune.result import Gain
from tasks.tune.space import Candidate
from tasks.tune.trial import CandidateFits
from tasks.weekly import scaling, soft_selection, widths
from tasks.weekly.proposal import DIFF, EVIDENCE, open_proposals
from tasks.weekly.soft_selection import SoftSelection
from tests.flows.small_night import dwell
from tests.table.small_night import DAYS
from tests.weekly.conftest import MakeNight

pytestmark = pytest.mark.slow
FIRST_DAY = "2024-02-29"


def still_open(place: Workspace) -> list[str]:
    found = open_proposals(place.proposals("simulator"), read_yaml(place.params).value)
    return [proposal.name for _, proposal in found]


def merge(place: Workspace, name: str) -> None:
    """Apply the change that lies beside the evidence."""
    patch = place.proposal("simulator", DAYS.judge[0], name) / DIFF
    subprocess.run(["git", "apply", str(patch.resolve())], cwd=place.root, check=True)


def test_codebooks_that_new_videos_left_behind_are_proposed_anew_and_merged(make_night: MakeNight) -> None:
    night = make_night({"codes": {"kind": "codes", "recent_days": 1, "least_videos": 10}}, {"until": FIRST_DAY})
    place = night.workspace
    write_text(place.registry("simulator") / "entries/one", "kept")
    before = {path: path.read_bytes() for path in (place.params, place.run_key)}
    kept = hash_tree(place.registry("simulator")), hash_tree(place.table), hash_tree(place.features)
    proposal = run_review("codes", night)
    assert {path: path.read_bytes() for path in before} == before
    assert (hash_tree(place.registry("simulator")), hash_tree(place.table), hash_tree(place.features)) == kept
    assert "proposed: table.items.until 2024-03-05" in proposal.says[-1]
    as_prefect_walks_results = [dict(entry) for entry in dict(proposal)["entries"]]
    assert as_prefect_walks_results == [{"path": ("table", "items", "until"), "value": "2024-03-05"}]
    assert "10 videos uploaded from 2024-03-06 to 2024-03-06" in proposal.says[0]
    evidence = (place.proposal("simulator", DAYS.judge[0], "codes") / EVIDENCE).read_text().splitlines()
    assert evidence[0] == "codebooks,level,codewords,used,perplexity,error" and len(evidence) == 3
    assert still_open(place) == ["codes"]
    said = dwell(place.root, "proposals")
    assert "what would change: proposals/simulator/2024-03-07/codes/params.diff" in said
    assert "proposed: codes (`dwell proposals` shows what)" in dwell(place.root, "status")

    merge(place, "codes")
    assert still_open(place) == [] and dwell(place.root, "proposals") == "nothing is proposed\n"
    merged = Night.load(place)
    assert merged.params.table.items.model_dump()["until"] == dt.date(2024, 3, 5)
    build_table(place.features, merged.params.table, merged.days, place.table)
    again = run_review("codes", merged)
    assert again.says[-1] == "nothing to propose" and again.entries == ()


def test_codebooks_are_the_same_until_they_are_learned_anew(
    make_night: MakeNight, drifting: Path, tmp_path: Path
) -> None:
    """The one day that teaches decides, not the fit days of the night; a day to come teaches nobody."""
    night = make_night({}, {"until": FIRST_DAY})
    items, table = night.params.table.items, night.params.table
    shorter = night.days.of_night(DAYS.judge[0], 2, DAYS.lookback)
    to_come = table.model_copy(update={"items": items.model_copy(update={"until": DAYS.judge[0]})})
    last = table.model_copy(update={"items": items.model_copy(update={"until": DAYS.fit[-1]})})
    for name, config, days in (("short", table, shorter), ("to_come", to_come, night.days), ("last", last, night.days)):
        build_table(drifting, config, days, tmp_path / name)
    books = {
        path: (path / "preprocessor/items/codebooks.parquet").read_bytes()
        for path in (night.workspace.table, *(tmp_path / name for name in ("short", "to_come", "last")))
    }
    own, short, future, end = books.values()
    assert own == short and future == end and own != end


def test_few_recent_videos_say_nothing(make_night: MakeNight) -> None:
    night = make_night({"codes": {"kind": "codes", "recent_days": 1}}, {"until": FIRST_DAY})
    proposal = run_review("codes", night)
    assert "10 videos uploaded" in proposal.says[0] and "30 are needed" in proposal.says[0]
    assert proposal.says[-1] == "nothing to propose" and still_open(night.workspace) == []


def test_a_ladder_fits_less_of_the_same_and_is_climbed_once(
    make_night: MakeNight, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = {"kind": "scaling", "axis": "days", "seeds": [0, 1], "sizes": 2}
    night = make_night({"more_days": review})
    rows: list[tuple[int, bool]] = []
    opened = CandidateFits.open

    def watched(table: Path, candidate: Candidate, metric: Metric, checkpoints: Path) -> CandidateFits:
        fits = opened(table, candidate, metric, checkpoints)
        rows.append((fits.problem.table.metadata.rows["fit"], (table / "judge").exists()))
        return fits

    monkeypatch.setattr(CandidateFits, "open", watched)
    proposal = run_review("more_days", night)
    (one, no_judge), (all_days, _) = rows
    assert 2 * one < all_days and not no_judge
    assert proposal.says[-2] == "no forecast: 2 sizes were fitted, and a law needs 4"
    folder = night.workspace.proposal("simulator", DAYS.judge[0], "more_days")
    first = hash_tree(folder)
    assert (folder / EVIDENCE).read_text().splitlines()[0] == "days,mae,law"
    run_review("more_days", night)
    assert len(rows) == 2 and hash_tree(folder) == first


def test_a_planted_law_is_proposed_and_what_lies_too_far_is_refused(
    make_night: MakeNight, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The losses are planted; the forecast, the decision and the change are the product's."""
    planted = {size: {seed: 15 + size**-0.5 + 0.002 * seed for seed in (0, 1)} for size in (1, 2, 3, 4, 8)}
    monkeypatch.setattr(scaling.Ladder, "_measured", lambda self, size: planted[size])
    wide = {"kind": "scaling", "recipe": "broad", "seeds": [0, 1], "axis": "width", "doublings": 2}
    days = {"kind": "scaling", "axis": "days", "seeds": [0, 1]}
    night = make_night({"wider": wide, "costly": wide | {"worth": 0.5}, "more_days": days})
    wider = run_review("wider", night)
    assert "16 of encoder.embedding_dim would save +" in wider.says[2]
    assert wider.says[3] == "32 of encoder.embedding_dim: refused, 4 times the largest size and more than 2"
    assert wider.says[-1] == "proposed: broad_wide, with encoder.embedding_dim 16, as a challenger"
    assert run_review("costly", night).says[-1] == "nothing to propose: 50.0% of the loss is asked for"

    longer = night.params.model_copy(update={"window": night.params.window.model_copy(update={"fit_days": 4})})
    night = replace(night, params=longer)
    refused = run_review("more_days", night)
    assert refused.says[-1] == "nothing to propose: the log begins on 2024-02-28 and has 7 days to fit on"
    write_text(night.workspace.raw / "source.json", '{"first_day": "2024-02-20"}')
    assert run_review("more_days", night).says[-1] == "proposed: window.fit_days 8"
    assert still_open(night.workspace) == ["more_days", "wider"]
    merge(night.workspace, "more_days")
    assert "merged" in dwell(night.workspace.root, "proposals", "--merge", "wider")
    assert "no open proposal 'wider'; there are: none" in dwell(
        night.workspace.root, "proposals", "--merge", "wider", status=2
    )
    params = load_params(night.workspace.params)
    assert params.window.fit_days == 8
    assert params.recipes["broad_wide"]["encoder"]["embedding_dim"] == 16
    assert params.nightly.recipes == ("small", "broad_wide") and still_open(night.workspace) == []


@pytest.mark.parametrize(
    ("weekly", "items", "message"),
    [
        (
            {"a": {"kind": "prune", "recipe": "smal"}},
            {},
            r"weekly\.a\.recipe.*unknown recipe 'smal'; did you mean 'small'",
        ),
        ({"a": {"kind": "scaling", "axis": "days", "recipe": "trees"}}, {}, "recipe 'trees' is of trees"),
        ({"a": {"kind": "widths", "shares": [0.5, 0.4]}}, {}, r"they must sum to 1"),
        ({"a": {"kind": "codes"}}, {}, r"no night keeps any: set table\.items\.until"),
        ({"a": {"kind": "scaling", "axis": "days", "seeds": [1, 1]}}, {}, "seeds must be distinct"),
    ],
)
def test_a_review_of_nothing_is_refused(
    make_night: MakeNight, weekly: dict[str, object], items: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_night(weekly, items)


def test_widths_are_judged_on_a_day_that_taught_them_nothing(
    make_night: MakeNight, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights learn on all fit days but the last, factors on that; three fits from scratch are compared on the validation day."""
    review = {"kind": "widths", "recipe": "broad", "least_rows": 50, "epochs": 1, "keep": 0.5}
    night = make_night({"narrower": review})
    searched: list[dict[str, tuple[dt.date, ...]]] = []
    select = soft_selection.select

    def watched(problem: FitProblem, *arguments: Any) -> SoftSelection:
        searched.append(dict(problem.table.metadata.days))
        return select(problem, *arguments)

    monkeypatch.setattr(widths, "select", watched)
    proposal = run_review("narrower", night)
    assert searched == [{"fit": DAYS.fit[:-1], "validation": DAYS.fit[-1:]}], "neither the validation nor the judge day"
    assert f"judged on the validation day {DAYS.validation}" in proposal.says[3]
    folder = night.workspace.proposal("simulator", DAYS.judge[0], "narrower")
    found = read_json(folder / widths.FILE)
    table = TrainingTable.open(night.workspace.table)
    rows = dict(table.schema.fields)
    grouped = {group["field"] for group in found["groups"]}
    assert grouped == {"user_id", "video_id"}
    numbers = sum(group["rows"] * group["width"] for group in found["groups"])
    assert (
        found["dropped"] == pytest.approx(1 - numbers / (8 * sum(rows[name] for name in grouped)))
        and found["dropped"] >= 0.5
    )
    evidence = (folder / EVIDENCE).read_text().splitlines()
    assert evidence[0] == "field,reads_from,rows,width,width_by_magnitude" and len(evidence) == 1 + len(found["groups"])
    first = hash_tree(folder)
    run_review("narrower", night)
    assert len(searched) == 1 and hash_tree(folder) == first


def test_widths_that_pay_are_proposed_and_merged(make_night: MakeNight, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gains are planted; the change, and that a night can be fitted with it, are the product's."""
    better = Interval(value=0.01, low=0.005, high=0.015, standard_error=0.0025)
    monkeypatch.setattr(FreshFits, "compare", lambda *_: Gain("xauc", (100,), 0.61, 0.6, better, 0.95))
    monkeypatch.setattr(FreshFits, "scores", lambda *_: [])
    night = make_night({"narrower": {"kind": "widths", "recipe": "broad", "least_rows": 50, "epochs": 1}})
    proposal = run_review("narrower", night)
    assert "proposed: broad_narrow, with 7" in proposal.says[-1]
    merge(night.workspace, "narrower")
    params = load_params(night.workspace.params)
    assert params.nightly.recipes == ("small", "broad_narrow") and still_open(night.workspace) == []
    recipe = params.recipe("broad_narrow")
    assert isinstance(recipe, Recipe) and isinstance(recipe.encoder, PackedConfig)
    assert set(recipe.encoder.widths) == {"user_id", "video_id"}
    problem = open_problem(TrainingTable.open(night.workspace.table), recipe)
    weight_ND = problem.ranker().encoder.table.weight.detach().numpy()
    found = read_json(night.workspace.proposal("simulator", DAYS.judge[0], "narrower") / widths.FILE)
    dropped = sum(group["rows"] * (8 - group["width"]) for group in found["groups"])
    assert (weight_ND == 0).sum() == dropped
