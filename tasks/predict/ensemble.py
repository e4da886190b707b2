"""Several fitted recipes as one model: percentiles averaged, seconds calibrated anew.

Source: docs/methods/watch_time.md#rank-average. The folder that `tasks.ensemble` writes, everything it needs in itself:

manifest.json        kind, members with their hashes, seeds, counts
members/NAME/        the bundle of each member, as its fit left it
calibrators.json     reference distributions of the members' scores, mean and median calibrator, per seed
validation.json      metrics on the validation day per seed
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.errors import TrainingError
from tasks.core.files import hash_tree
from tasks.core.labels import LABELS
from tasks.core.predictions import MEAN, SCORE, Values, probabilities
from tasks.predict.fitted import FittedModel, encode_rows, read_calibrations
from tasks.predict.load_fitted import load_fitted
from tasks.predict.manifest import ServableEnsemble, read_manifest
from tasks.predict.model import Floats, Model, Predictions
from tasks.table.past import Past
from tasks.train.batches import EncodedRows

MEMBERS = "members"
MemberRows = dict[str, EncodedRows]
"""Member -> rows as it reads them; members with equal preprocessors share one object."""


@dataclass(frozen=True)
class Ensemble(Model[MemberRows]):
    """Recipes that serve together.

    Attributes:
        members: name -> fitted recipe, in the order of the configuration.
        encoders: groups of members with equal preprocessors, which encode rows once.
    """

    manifest: ServableEnsemble
    members: dict[str, FittedModel]
    encoders: tuple[tuple[str, ...], ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that every member was loaded with."""
        shared = [set(member.seeds) for member in self.members.values()]
        return tuple(seed for seed in self.manifest.seeds if all(seed in seeds for seeds in shared))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Binary tasks that a member predicts."""
        return tuple(task for task in LABELS if any(task in member.tasks for member in self.members.values()))

    def sign(self, task: str) -> int:
        """Return the sign of a task in the first member that predicts it."""
        return next(member.sign(task) for member in self.members.values() if task in member.tasks)

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Feature columns that any member reads."""
        return tuple(dict.fromkeys(column for member in self.members.values() for column in member.row_columns))

    @property
    def history_columns(self) -> tuple[str, ...]:
        """Columns of past events that any member reads."""
        return tuple(dict.fromkeys(column for member in self.members.values() for column in member.history_columns))

    @property
    def truncate_watch(self) -> bool:
        """Whether the label was min(play, duration), as it was for every member."""
        return next(iter(self.members.values())).truncate_watch

    def encode(self, frame: pl.DataFrame, past: Past, where: str) -> MemberRows:
        """Return feature rows as each member reads them."""
        rows: MemberRows = {}
        for names in self.encoders:
            with_history = any(self.members[name].reads_history for name in names)
            preprocessor = self.members[names[0]].preprocessor
            rows |= dict.fromkeys(names, encode_rows(preprocessor, frame, past, where, with_history=with_history))
        return {name: rows[name] for name in self.members}

    def duration_s(self, rows: MemberRows) -> Floats:
        """Return durations in seconds, [rows]."""
        name, member = next(iter(self.members.items()))
        return member.duration_s(rows[name])

    def predict_raw(self, rows: MemberRows, seed: int) -> Predictions:
        """Return `score_<member>`, `mean` and `p_<task>`, see `combined`."""
        return combined({name: member.predict_encoded(rows[name], seed) for name, member in self.members.items()})


def combined(predictions: Mapping[str, Predictions]) -> Predictions:
    """Return what several models say together, see `joined`."""
    return joined(predictions, _average)


def joined(
    predictions: Mapping[str, Mapping[str, Values]], average: Callable[[Sequence[Values]], Values]
) -> dict[str, Values]:
    """Return what several models say together, before the ensemble's own calibration.

    Args:
        predictions: member -> its calibrated predictions of the same rows.
        average: of several, row by row.

    Returns:
        `score_<member>`: each member's ranking score, whose percentiles `Calibration` averages; `mean`: the average of
        the calibrated means, seconds; `p_<task>`: the average over the members that predict the task. All [rows].
    """
    members = predictions.values()
    tasks = dict.fromkeys(name for member in members for name in probabilities(member))
    return {
        **{f"score_{name}": member[SCORE] for name, member in predictions.items()},
        "mean": average([member[MEAN] for member in members]),
        **{name: average([member[name] for member in members if name in member]) for name in tasks},
    }


def load_ensemble(path: Path, seeds: Sequence[int] | None = None) -> Ensemble:
    """Read an ensemble.

    Args:
        path: folder that `tasks.ensemble` wrote.
        seeds: seeds to load; None: all.

    Raises:
        TrainingError: if it is no ensemble, or a member cannot be read or is not the one that was calibrated.
    """
    manifest = read_manifest(path)
    if not isinstance(manifest, ServableEnsemble):
        raise TrainingError(f"{path} is the bundle of one recipe, not an ensemble")
    for member in manifest.members:
        if hash_tree(path / MEMBERS / member.name) != member.hash:
            raise TrainingError(
                f"{path}: member {member.name} is missing or is not the one that was calibrated; build the ensemble again"
            )
    wanted = manifest.seeds if seeds is None else seeds
    members = {name: load_fitted(path / MEMBERS / name, wanted) for name in manifest.member_names}
    return Ensemble(manifest, read_calibrations(path), members, shared_encoders(path / MEMBERS, list(members)))


def shared_encoders(folder: Path, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Group members by the content of their preprocessors."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(hash_tree(folder / name / "preprocessor"), []).append(name)
    return tuple(map(tuple, groups.values()))


def _average(values: Sequence[Floats]) -> Floats:
    mean: Floats = np.mean(np.stack(values), axis=0)
    return mean
