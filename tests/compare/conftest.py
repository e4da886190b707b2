"""A workspace whose registry holds judged nights with real prediction tables."""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from tasks.core.layout import Workspace
from tasks.core.predictions import bound_metadata
from tasks.registry import Registry
from tasks.registry.record import NightArtifacts
from tests.evaluate.conftest import make_table
from tests.flows.small_night import tiny_params
from tests.registry.conftest import Nights, day

WORSE = 1.5
"""Noise on the score of the model `b`, in its standard deviations."""


def predicted(path: Path, as_of: dt.date, noise: float, rows: int = 1500, draw: int = 0) -> Path:
    """Write the judge table of a model of one seed: the rows are the night's, the noise on its score its own."""
    table = make_table(rows=rows, users=200, seed=as_of.toordinal(), day=[as_of.isoformat()] * rows)
    extra = np.random.default_rng([draw, as_of.toordinal()]).normal(0, noise, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.with_columns(score_s0=pl.col("score_s0") + extra).write_parquet(path, metadata=bound_metadata(True))
    return path


class JudgedInWorkspace(Nights):
    """Nights of the challengers `a` and, worse, `b`."""

    @property
    def registry(self) -> Registry:
        return Registry(self.root / "registry/simulator")

    def artifacts(self, as_of: dt.date, champion: bool = True, names: Sequence[str] = ("a", "b")) -> NightArtifacts:
        found = super().artifacts(as_of, champion, names)
        for number, name in enumerate((*names, "champion")):
            predicted(
                self.root / "artifacts" / as_of.isoformat() / f"{name}.parquet",
                as_of,
                WORSE * (name == "b"),
                draw=number,
            )
        return found


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three nights: the first promotes `a`, which serves from then on; only to be read."""
    root = tmp_path_factory.mktemp("judged") / "workspace"
    params = tiny_params()
    params["recipes"] = dict.fromkeys(("a", "b", "idle"), params["recipes"]["d2q"])
    params["nightly"]["recipes"] = ["a", "b"]
    root.mkdir()
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    nights = JudgedInWorkspace(root)
    nights.run(1, "a")
    nights.run(2)
    nights.run(3)
    return root


@pytest.fixture
def workspace(judged: Path) -> Workspace:
    return Workspace(judged)


@pytest.fixture
def of_night() -> Callable[[int], dt.date]:
    return day
