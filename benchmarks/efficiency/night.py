"""The night of params.yaml up to its table, with two fields of pure noise beside its own."""

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.config import load_params
from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.core.files import writing
from tasks.core.layout import Workspace
from tasks.features.build import build_features
from tasks.ingest.stage import ingest
from tasks.table.build import build_table
from tasks.table.training_table import SPLITS, TrainingTable
from tasks.validate.stage import validate

PARAMS = load_params(Path(__file__).resolve().parents[2] / "params.yaml")
RECIPE = "four_heads"
NOISE = ("noise_id", "noise")
"""A categorical field of a thousand levels and a dense feature, drawn without looking at the rows."""
_LEVELS = 1_000
_AS_OF = dt.date(2026, 1, 15)
_QUICK = {"impressions_per_day": 1_500, "users": 200, "videos": 150, "new_users_per_day": 5, "new_videos_per_day": 5}


@dataclass(frozen=True)
class PlantedNight:
    """Features and the table with noise in it.

    Attributes:
        features: folder of the features stage.
        table: folder of the table.
        days: roles of the days.
    """

    features: Path
    table: Path
    days: Days


def planted_night(folder: Path, quick: bool) -> PlantedNight:
    """Build the night, unless an earlier run did.

    Args:
        folder: where it lies.
        quick: a small variant that shows that it runs.
    """
    workspace, planted = Workspace(folder), folder / "planted"
    days = Days.of_night(_AS_OF, 2 if quick else PARAMS.window.fit_days, PARAMS.window.lookback_days)
    source = PARAMS.named_source("simulator")
    if quick:
        source = source.model_copy(update=_QUICK)
    if not TrainingTable.stands_in(workspace.table):
        ingest(source, days, workspace.raw)
        validate(workspace.raw, PARAMS.validation, days, workspace.validated)
        build_features(workspace.validated, PARAMS.features, days, workspace.features, NoCluster())
        build_table(workspace.features, PARAMS.table, days, workspace.table)
    if not TrainingTable.stands_in(planted):
        with writing(planted) as temporary:
            plant(workspace.table, temporary)
    return PlantedNight(workspace.features, planted, days)


def plant(table: Path, out: Path) -> None:
    """Copy a table and append the noise as the last field and the last dense feature of every split."""
    shutil.copytree(table, out)
    metadata = TrainingTable.open(out).metadata
    schema, random = metadata.input_schema, np.random.default_rng(0)
    for split in SPLITS:
        ids, dense = (np.load(out / split / f"{name}.npy") for name in ("ids", "dense"))
        drawn = random.integers(1, _LEVELS + 1, size=len(ids)) + schema.num_rows
        noise = random.normal(size=len(ids))
        np.save(out / split / "ids.npy", np.column_stack([ids, drawn.astype(ids.dtype)]))
        np.save(out / split / "dense.npy", np.column_stack([dense, noise.astype(dense.dtype)]))
    planted = schema.model_copy(
        update={
            "fields": (*schema.fields, (NOISE[0], _LEVELS + 1)),
            "num_dense": schema.num_dense + 1,
            "dense_names": (*schema.dense_names, NOISE[1]),
        }
    )
    hashes = {name: f"{value}-planted" for name, value in metadata.hashes.items()}
    metadata.model_copy(update={"input_schema": planted, "hashes": hashes}).write(out)
