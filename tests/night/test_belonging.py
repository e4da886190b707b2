"""A stage reads the night of run.yaml or nothing: what each output says of itself, and what is refused."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from tasks.config import Params, Window
from tasks.core.errors import NightError
from tasks.core.files import NIGHT_FILE, hash_tree, read_json, write_json, write_text
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.night.belonging import belonging, disown, refuse_others

REPOSITORY = Path(__file__).resolve().parents[2]
KEY = RunKey(as_of=dt.date(2026, 1, 15), source="simulator", data="tasks/simulate")
PARAMS = Params.model_validate(
    {"default_source": "simulator", "sources": {}, "nightly": {"recipes": ["d2q"]}, "recipes": {}}
)
STAGES = (
    ("ingest", "data/raw"), ("validate", "data/validated"), ("features", "data/features"), ("table", "data/table"),
    ("train", "artifacts/models/recipes/d2q"), ("evaluate", "artifacts/predictions/d2q"),
    ("evaluate_champion", "artifacts/predictions/champion"), ("gate", "artifacts/gate"), ("forecast", "artifacts/forecast"),
    ("score", "artifacts/scores"),
)  # fmt: skip


def run(workspace: Workspace, stage: str, output: str, key: RunKey = KEY, params: Params = PARAMS) -> None:
    with belonging(workspace, params, key, stage, "d2q"):
        write_text(workspace.root / output / "part", stage)


@pytest.fixture
def workspace(finished: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(finished.root, tmp_path / "copy")))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A night that has run."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    shutil.copy(REPOSITORY / "dvc.yaml", workspace.root)
    write_json(workspace.champion / "champion.json", {"champion": None, "evidence": [], "ledger": "none"})
    for stage, output in STAGES:
        run(workspace, stage, output)
    return workspace


def test_outputs_say_their_night_and_their_content_is_as_before(workspace: Workspace) -> None:
    before = hash_tree(workspace.table)
    assert read_json(workspace.table / NIGHT_FILE) == {
        "as_of": "2026-01-15", "source": "simulator", "fit_days": 6, "lookback_days": 7, "gaps": [],
    }  # fmt: skip
    (workspace.table / NIGHT_FILE).unlink()
    assert hash_tree(workspace.table) == before


OTHERS = (
    (KEY.model_copy(update={"as_of": dt.date(2026, 1, 16)}), PARAMS),
    (KEY.model_copy(update={"source": "other"}), PARAMS),
    (KEY, PARAMS.model_copy(update={"window": Window(fit_days=4)})),
    (KEY, PARAMS.model_copy(update={"window": Window.model_validate({"accepted_gaps": {"2026-01-10": "outage"}})})),
)


@pytest.mark.parametrize("stage,output", STAGES[1:])
@pytest.mark.parametrize("key,params", OTHERS, ids=["day", "source", "window", "gap"])
def test_another_nights_inputs_are_refused_and_nothing_is_touched(
    workspace: Workspace, stage: str, output: str, key: RunKey, params: Params
) -> None:
    with pytest.raises(
        NightError, match=rf"stage {stage}: \S+ belongs to night 2026-01-15 of simulator .*run\.yaml asks"
    ):
        run(workspace, stage, output, key, params)
    assert read_json(workspace.root / output / NIGHT_FILE)["as_of"] == "2026-01-15"


def test_ingest_reads_no_output_and_begins_another_night(workspace: Workspace) -> None:
    run(workspace, *STAGES[0], OTHERS[0][0])
    run(workspace, *STAGES[1], OTHERS[0][0])
    with pytest.raises(
        NightError, match=r"data/table belongs to night 2026-01-15 of simulator .*`dwell nightly --as-of 2026-01-16"
    ):
        run(workspace, *STAGES[4], OTHERS[0][0])


def test_what_a_stage_left_unfinished_belongs_to_no_night(workspace: Workspace) -> None:
    with pytest.raises(RuntimeError), belonging(workspace, PARAMS, KEY, "table", None):
        raise RuntimeError("killed")
    with pytest.raises(NightError, match="stage train: data/table was left unfinished"):
        run(workspace, *STAGES[4])


def test_part_of_an_output_is_held_against_the_night_of_the_whole(workspace: Workspace) -> None:
    """The stage evaluate reads one column of the table; the gate every model's predictions."""
    write_text(workspace.table / NIGHT_FILE, "{")
    with pytest.raises(NightError, match=r"stage evaluate: data/table/night\.json cannot be read"):
        run(workspace, *STAGES[5])
    (workspace.predictions("champion") / NIGHT_FILE).unlink()
    with pytest.raises(
        NightError, match=r"artifacts/predictions/champion was left unfinished(.*\n)+.*gate: data/table"
    ):
        run(workspace, *STAGES[7])


@pytest.mark.parametrize(
    "pinned,says",
    [
        ({"champion": "abc"}, "artifacts/champion holds champion none, run.yaml names abc"),
        ({"evidence": ("2026-01-14-x",)}, "artifacts/champion holds evidence none, run.yaml names"),
        ({"ledger": "0" * 64}, "artifacts/champion holds ledger none, run.yaml names 000"),
    ],
)
def test_another_champion_than_the_keys_is_refused(workspace: Workspace, pinned: dict[str, object], says: str) -> None:
    with pytest.raises(NightError, match=says):
        run(workspace, "gate", "artifacts/gate", KEY.model_copy(update=pinned))
    run(workspace, "train", "artifacts/models/recipes/d2q", KEY.model_copy(update=pinned))


def test_other_data_under_the_same_key_are_no_night(workspace: Workspace) -> None:
    disown(workspace)
    with pytest.raises(NightError, match="made from other data"):
        refuse_others(workspace, PARAMS, KEY, ["artifacts/models"], "promote")
