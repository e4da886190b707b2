"""How well the order within a user's day could be told by whoever knew the judge days: ceilings that no model may use.

Effects of video, video x scene, author and tag are taken from *other* users over all days, judge days included; what the
context alone (scene, duration, hour) gives stands beside them. Trees that are fitted on the fit days put them together.

Shapes: B rows of all days, J rows of the judge days, G groups.
"""

from collections.abc import Mapping, Sequence

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.parts.part import Table
from benchmarks.watchtime.cells import ranked
from benchmarks.watchtime.measure import CONFIDENCE, Floats, Number
from benchmarks.watchtime.testbed import Testbed
from tasks.evaluate.estimate import average
from tasks.evaluate.metrics.grouped import xgauc
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.table.rows import watch_seconds
from tasks.table.source import FeatureFolder

Flags = NDArray[np.bool_]
CONTEXT = ("scene", "duration_ms", "hour")
EFFECTS: tuple[tuple[str, ...], ...] = (("video_id",), ("video_id", "scene"), ("author_id",), ("tag",))
SHRINKAGE = 10.0
"""Rows of other users that weigh as much as the mean of all."""
TREES = {"objective": "regression", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 100, "seed": 0,
         "deterministic": True, "force_row_wise": True, "verbosity": -1}  # fmt: skip
ROUNDS = 200
ORACLE, CONTEXT_ALONE = "ceiling: effects from other users over all days", "ceiling: scene, duration and hour alone"


def ceilings(testbed: Testbed) -> Table:
    """Return the ceilings beside what a testbed's models are measured by.

    Args:
        testbed: whose judge days are measured; nothing that is computed here reaches a bundle.
    """
    rows, found = testbed.rows, {}
    for name, score_J in ceiling_scores(testbed).items():
        statistics: dict[str, Statistic] = {
            "xauc": xauc_influence(rows.watch_B, score_J, rows.users),
            "xgauc": xgauc(rows.watch_B, score_J, rows.users, rows.days),
        }
        drawn = testbed.resampler.draw(statistics)
        found[name] = {metric: Number.of(average([draw], CONFIDENCE)) for metric, draw in drawn.items()}
    return Table(
        title="Ceilings of the order within a user's day, which no model may use",
        columns=["ceiling", "XAUC", "XGAUC"],
        rows=[[name, ranked(of["xauc"]), ranked(of["xgauc"])] for name, of in found.items()],
        notes=[
            "Effects of video, video x scene, author and tag: shrunk means of what *other* users watched over all days, judge "
            "days included, beside scene, duration and hour; trees fitted on the fit days put them together. They read labels "
            "of the judge days: bounds of what items and context can say of the order within a user's day, not models. "
            "The user's own taste is beyond them, and so is what too few rows show: a model may pass them."
        ],
        numbers={name: {metric: number.model_dump() for metric, number in of.items()} for name, of in found.items()},
    )


def ceiling_scores(testbed: Testbed) -> Mapping[str, Floats]:
    """Return ceiling -> the [J] scores of the rows that a testbed judges."""
    frame, days = _all_days(testbed), testbed.days
    fit_B, judge_B = (frame["arrival_day"].is_in(list(of)).to_numpy() for of in (days.fit, days.judge))
    return scores(frame, fit_B, judge_B & (frame["policy"] != "random").to_numpy(), testbed.training.threads)


def scores(frame: pl.DataFrame, fit_B: Flags, judged_B: Flags, threads: int) -> Mapping[str, Floats]:
    """Return ceiling -> the scores of some rows.

    Args:
        frame: [B] rows of all days.
        fit_B: [B] rows that the trees are fitted on.
        judged_B: [B] rows that are scored.
        threads: of the trees.
    """
    label_B = np.log1p(watch_seconds(frame, True))
    users = encode_groups(frame["user_id"].to_numpy())
    context_B = frame.select(pl.col(CONTEXT).cast(pl.Float64)).to_numpy()
    effects_B = np.stack([of_others(label_B, users, _groups(frame, key)) for key in EFFECTS], axis=1)
    inputs = {ORACLE: np.concatenate([context_B, effects_B], axis=1), CONTEXT_ALONE: context_B}
    found = {}
    for name, input_B in inputs.items():
        data = lightgbm.Dataset(input_B[fit_B], label_B[fit_B])
        # A mean without the user's own label is the lower the higher that label: with the duration to tell videos apart,
        # unconstrained trees read the label out of the difference. None can that may only rise in every effect.
        rising = [0] * len(CONTEXT) + [1] * (input_B.shape[1] - len(CONTEXT))
        trees = lightgbm.train({**TREES, "num_threads": threads, "monotone_constraints": rising}, data, ROUNDS)
        found[name] = np.asarray(trees.predict(input_B[judged_B]), dtype=np.float64)
    return found


def of_others(label_B: Floats, users: Groups, groups: Groups) -> Floats:
    """Return the shrunk mean label of each row's group over the rows of all other users.

    Args:
        label_B: [B] labels.
        users: user of each row, whose own rows are left out.
        groups: what the effect is of.
    """
    own = encode_groups(users.code_B * groups.num_groups + groups.code_B)
    centred_B, one_B = label_B - label_B.mean(), np.ones(label_B.size)
    others_B, rows_B = (
        groups.sum(values_B)[groups.code_B] - own.sum(values_B)[own.code_B] for values_B in (centred_B, one_B)
    )
    return others_B / (rows_B + SHRINKAGE)


def _groups(frame: pl.DataFrame, key: Sequence[str]) -> Groups:
    return encode_groups(frame.select(pl.struct(key).rank("dense")).to_series().to_numpy())


def _all_days(testbed: Testbed) -> pl.DataFrame:
    """Return the rows of all modelled days; those of the judge days in the order of the testbed's."""
    features = FeatureFolder.open(testbed.features)
    keys = dict.fromkeys(name for key in EFFECTS for name in key)
    columns = tuple(dict.fromkeys(("user_id", "arrival_day", "policy", "watch_ms", *keys, *CONTEXT)))
    return pl.concat([part for day in testbed.days.modelled for part in features.chunks(day, columns)])
