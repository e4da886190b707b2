"""The benchmark of gates and sequences: its worlds hold what they say, averages stand against the right fits, and it runs."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.backbones.planted import ARMS, SCENES, WORLDS, World, gain, run
from benchmarks.backbones.r0 import ARMS as R0_ARMS
from benchmarks.backbones.r0 import DEFAULT, recipe_of, seeds_at
from benchmarks.parts.part import Options


@pytest.mark.parametrize("turned", WORLDS.values())
def test_a_scene_turns_the_order_of_videos_or_says_nothing(turned: bool) -> None:
    """Mean seconds of a video in one scene say something of another scene only where no scene turns them."""
    world = World.of(turned, seed=3)
    video_B = world.rows["judge"].ids_BF[:, 1].numpy()
    mean_SV = np.array(
        [
            np.bincount(video_B[of], world.watch_B[of], minlength=video_B.max() + 1)[video_B.min() :]
            / np.maximum(np.bincount(video_B[of], minlength=video_B.max() + 1)[video_B.min() :], 1)
            for of in (world.scene_B == scene for scene in range(SCENES))
        ]
    )
    alike = np.corrcoef(mean_SV)[np.triu_indices(SCENES, 1)].mean()
    assert abs(alike) < 0.1 if turned else alike > 0.6


def test_a_gain_is_paired_by_world() -> None:
    plain = [{"xgauc": value} for value in (0.5, 0.6, 0.7)]
    arm = [{"xgauc": value} for value in (0.51, 0.62, 0.73)]
    mean, se, half = gain(arm, plain)
    assert mean == pytest.approx(0.02)
    assert se == pytest.approx(0.01 / np.sqrt(3))
    assert half == pytest.approx(4.302653 * se)


@pytest.mark.parametrize(
    ("times", "expected"),
    [(0, [[0], [1]]), (1, [[0], [1]]), (2, [[0, 1], [2, 3]]), (3, [[0, 1, 2], [3, 0, 1]]), (9, [[0, 1, 2, 3]] * 2)],
)
def test_what_takes_longer_stands_against_more_default_fits(times: int, expected: list[list[int]]) -> None:
    assert seeds_at(times, fits=2, available=4) == expected


def test_every_arm_changes_one_part_of_the_default() -> None:
    default = recipe_of(DEFAULT).model_dump()
    changed = {
        arm: {part for part, value in recipe_of(arm).model_dump().items() if value != default[part]} for arm in R0_ARMS
    }
    assert changed == {
        DEFAULT: set(),
        "epnet": {"backbone"},
        "ppnet": {"trunk"},
        "bst": {"encoder"},
        "hstu": {"encoder"},
        "onetrans": {"encoder", "backbone"},
    }


@pytest.mark.slow
def test_a_quick_run_measures_every_arm_in_every_world(tmp_path: Path) -> None:
    *worlds, gates = run(Options(Path("no data"), (0, 1), tmp_path, quick=True))
    assert [table.title for table in worlds] == list(WORLDS)
    for table in worlds:
        assert [row[0] for row in table.rows] == list(ARMS)
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert all(0.3 < of["xgauc"] < 0.9 for found in table.numbers.values() for of in found)
    assert len(gates.rows) == len(WORLDS) * SCENES
