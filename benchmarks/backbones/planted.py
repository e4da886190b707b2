"""Worlds in which a scene turns what a user prefers, and in which it says nothing: what the gates of PEPNet give.

Shapes: B rows, Q dimensions of taste.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.debias.in_memory import Rows, fit, scores
from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from models.backbones.epnet import EpNet
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.evaluate.metrics.grouped import xgauc
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.train.config import TrainingConfig

ARMS: dict[str, dict[str, Any]] = {
    "shared bottom": {},
    "epnet": {"backbone": {"kind": "epnet"}},
    "ppnet": {"trunk": {"kind": "ppnet"}},
    "epnet and ppnet": {"backbone": {"kind": "epnet"}, "trunk": {"kind": "ppnet"}},
}
PLAIN = "shared bottom"
WORLDS = {
    "The scene turns the order": True,
    "The scene says nothing": False,
}
USERS, VIDEOS, SCENES, TASTES = 400, 300, 8, 8
ROWS = {"fit": 24_000, "validation": 6_000, "judge": 24_000}
LENGTH_S = 60.0
SCHEMA = InputSchema(fields=(("user_id", USERS + 1), ("video_id", VIDEOS + 1), ("scene", SCENES + 1)))
TRAINING = TrainingConfig(batch_size=512, learning_rate=2e-3, max_epochs=20, patience=20)
"""All epochs are run and the best is kept: where tastes are hidden, every arm's loss stands still for epochs before it falls."""
CONFIDENCE = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class World:
    """Rows of one world by split, and what the judge rows are held against.

    Attributes:
        rows: split -> rows.
        watch_B: of the judge rows, seconds.
        users: of the judge rows.
        scene_B: of the judge rows, from 0.
    """

    rows: Mapping[str, Rows]
    watch_B: Floats
    users: Groups
    scene_B: NDArray[np.int64]

    @classmethod
    def of(cls, turned: bool, seed: int, share: float = 1.0) -> "World":
        """Draw a world: utility = user + <taste of the scene, video> + noise, watched = length s(utility).

        Args:
            turned: whether every scene asks for another dimension of a video; else all ask for the first.
            seed: of everything.
            share: of the rows.
        """
        rng = np.random.default_rng([seed, 17])
        user_effect, quality_VQ = rng.normal(size=USERS), rng.normal(size=(VIDEOS, TASTES))
        taste_SQ = np.linalg.qr(rng.normal(size=(TASTES, TASTES)))[0][:SCENES]
        rows = {}
        for split, number in ROWS.items():
            number = round(share * number)
            user, video, scene = (rng.integers(size, size=number) for size in (USERS, VIDEOS, SCENES))
            asked_BQ = taste_SQ[scene if turned else np.zeros_like(scene)]
            utility_B = user_effect[user] + (asked_BQ * quality_VQ[video]).sum(axis=1) + rng.normal(size=number)
            watch_B = LENGTH_S / (1 + np.exp(-utility_B))
            fields = {"user_id": user + 1, "video_id": video + 1, "scene": scene + 1}
            ones = np.ones(number)
            rows[split] = Rows.of(fields, SCHEMA, watch_B, LENGTH_S * ones, ones > 0, ones)
        return cls(rows, watch_B, encode_groups(user), scene)

    def measure(self, ranker: Ranker) -> dict[str, float]:
        """Return XGAUC within users over all judge rows, and of each scene alone."""
        score_B = scores(ranker, self.rows["judge"])
        found = {"xgauc": xgauc(self.watch_B, score_B, self.users).result().value}
        for scene in range(SCENES):
            of = np.flatnonzero(self.scene_B == scene)
            users = encode_groups(self.users.code_B[of])
            found[f"scene {scene + 1}"] = xgauc(self.watch_B[of], score_B[of], users).result().value
        return found


def run(options: Options) -> list[Table]:
    """Return a table of arms per world, and one of gates."""
    torch.set_num_threads(1)
    tables: list[Table] = []
    gates: dict[str, list[list[dict[str, float]]]] = {}
    for title, turned in WORLDS.items():
        found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
        for seed in options.seeds:
            world = World.of(turned, seed, share=0.1 if options.quick else 1.0)
            for arm in ARMS:
                ranker = _fitted(arm, world, seed, options.quick)
                found[arm].append(world.measure(ranker))
                if arm == "epnet":
                    gates.setdefault(title, []).append(_gates(ranker, world))
        tables.append(_table(title, found))
    return [*tables, _gate_table(gates)]


def _fitted(arm: str, world: World, seed: int, quick: bool) -> Ranker:
    recipe = Recipe.model_validate({"head": {"kind": "tr_log"}, **ARMS[arm]})
    training = TRAINING.model_copy(update={"max_epochs": 1}) if quick else TRAINING
    return fit(recipe, SCHEMA, world.rows["fit"], world.rows["validation"], training, seed)


def _gates(ranker: Ranker, world: World) -> list[dict[str, float]]:
    """Return for every scene the mean and the standard deviation of the gates on its judge rows, by field."""
    assert isinstance(ranker.backbone, EpNet)
    numbers = []
    for scene in range(SCENES):
        rows = world.rows["judge"].batch(torch.from_numpy(np.flatnonzero(world.scene_B == scene)))
        seen = ranker.backbone.inspect(ranker.encoder(rows))
        numbers.append({f"{field}/{name}": float(value) for name in ("gate_mean", "gate_sd")
                        for field, value in zip(ranker.encoder.shape.field_names, seen[name], strict=True)})  # fmt: skip
    return numbers


def gain(arm: Sequence[Mapping[str, float]], plain: Sequence[Mapping[str, float]]) -> tuple[float, float, float]:
    """Return the mean gain in XGAUC over worlds, its standard error, and the half width of its interval (Student's t)."""
    delta = np.array([of["xgauc"] - other["xgauc"] for of, other in zip(arm, plain, strict=True)])
    se = float(delta.std(ddof=1) / np.sqrt(len(delta)))
    return float(delta.mean()), se, se * float(stats.t.ppf((1 + CONFIDENCE) / 2, len(delta) - 1))


def _table(title: str, found: Mapping[str, list[dict[str, float]]]) -> Table:
    rows = []
    for arm, measured in found.items():
        mean, se, half = gain(measured, found[PLAIN])
        against = "-" if arm == PLAIN else f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]"
        errors = "-" if arm == PLAIN else f"{mean / se:+.1f}"
        scenes = [f"{np.mean([of[f'scene {number + 1}'] for of in measured]):.3f}" for number in range(SCENES)]
        rows.append([arm, mean_sd([of["xgauc"] for of in measured]), against, errors, *scenes])
    return Table(
        title=title,
        columns=[
            "arm",
            "XGAUC",
            "against shared bottom",
            "in standard errors",
            *(f"scene {n + 1}" for n in range(SCENES)),
        ],
        rows=rows,
        notes=[
            f"{ROWS['fit']:,} fit rows of {USERS} users, {VIDEOS} videos and {SCENES} scenes; every world another seed of world "
            "and fit. Mean ± sd over worlds; difference paired by world with its 95 % interval (Student's t). XGAUC within a "
            "user over all scenes, then of each scene alone.",
            f"Every fit runs {TRAINING.max_epochs} epochs and the best is kept. That was set after a first run with a patience of 3, "
            "in which some fits of every arm stopped while the loss stood still, so that means over worlds told little.",
        ],
        numbers=dict(found),
    )


def _gate_table(gates: Mapping[str, list[list[dict[str, float]]]]) -> Table:
    rows = []
    for title, worlds in gates.items():
        for scene in range(SCENES):
            of = [world[scene] for world in worlds]
            cells = [
                f"{np.mean([n[f'{field}/gate_mean'] for n in of]):.3f} ± {np.mean([n[f'{field}/gate_sd'] for n in of]):.3f}"
                for field, _ in SCHEMA.fields
            ]
            rows.append([title, str(scene + 1), *cells])
    return Table(
        title="Gates of epnet",
        columns=["world", "scene", *(field for field, _ in SCHEMA.fields)],
        rows=rows,
        notes=[
            "Mean ± sd of a field's gates over its numbers and the judge rows of a scene, averaged over worlds; 1 is no gate."
        ],
        numbers=dict(gates),
    )
