"""An ensemble on the page: it has members and calibrators, and neither epochs nor losses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core.document import read_document
from tasks.core.files import read_json, write_json
from tasks.ensemble.manifest import EnsembleManifest, EnsembleSettings
from tasks.predict.manifest import Member
from tasks.report.inputs import Artifacts
from tasks.report.sections.lineage import lineage
from tasks.report.sections.training import training
from tasks.train.config import CalibrationConfig
from tasks.train.manifest import BundleManifest
from tests.report.reading import tables, texts, words

pytestmark = pytest.mark.slow


def into_ensemble(folder: Path, target: Path) -> None:
    """Make an ensemble of what was written as a recipe's bundle."""
    shared = read_document(folder / "manifest.json", BundleManifest, "train")
    members = tuple(Member(name=name, hash=name) for name in ("d2q", "wlr"))
    settings = EnsembleSettings(calibration=CalibrationConfig(), threads=1)
    EnsembleManifest(**dict(shared), members=members, training=settings).write(target / "manifest.json")
    validation = read_json(folder / "validation.json")
    kept = {seed: {k: v for k, v in of.items() if k not in ("loss", "best_epoch")} for seed, of in validation.items()}
    write_json(target / "validation.json", kept)


def test_an_ensemble_stands_beside_the_recipes(copy_of: Callable[[str], Any]) -> None:
    from tasks.report import render_report
    from tasks.report.config import ReportConfig

    night = copy_of("first")
    workspace = night.workspace
    into_ensemble(workspace.bundle("wlr_mmoe"), workspace.ensemble("wlr_mmoe"))
    artifacts = Artifacts.read(workspace)
    assert [recipe.name for recipe in artifacts.recipes] == ["d2q"]
    section = training(artifacts)
    assert "The mean of the percentiles of d2q and wlr" in words(section)
    found = {table.caption: [head.text for head in table.heads] for table in tables(section)}
    assert "Best epoch" in found["d2q on the validation day, by seed"]
    assert {"Best epoch", "Loss"}.isdisjoint(found["wlr_mmoe on the validation day, by seed"])
    assert any(row[0] == "wlr_mmoe" for table in tables(lineage(artifacts, night.key)) for row in texts(table))
    page = render_report(workspace, ReportConfig(), night.key, workspace.root / "report.html").read_text()
    assert "wlr_mmoe on the validation day, by seed" in page
