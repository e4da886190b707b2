"""The baseline of boosted trees: a recipe like one that a night names, and the night's own fit of it where it names that one."""

from collections.abc import Sequence
from pathlib import Path

from tasks.baselines.config import BaselineConfig
from tasks.core.document import read_document
from tasks.core.files import hash_value, remove, write_json
from tasks.predict.days import predict_days
from tasks.predict.trees import load_trees
from tasks.table.source import FeatureDays
from tasks.table.training_table import TrainingTable
from tasks.train.config import TrainingConfig
from tasks.train.manifest import FILE as MANIFEST
from tasks.train.trees.manifest import TreesManifest, TreesSettings
from tasks.train.trees.run import train_trees

TREES = "lightgbm"


def baseline_of_trees(
    table: Path, rows: FeatureDays, config: BaselineConfig, bundles: Sequence[Path], out: Path, about: Path
) -> None:
    """Predict and describe the recipe of trees, fitted once with the seed of the baselines.

    Args:
        table: folder that the table stage wrote.
        rows: what to predict.
        config: the recipe, its calibration, its seed and its threads.
        bundles: recipes of trees that this night fitted; one that is the same fit is taken in place of another.
        out: prediction table to write.
        about: document to write: what is worth knowing of the fit.

    Raises:
        ContractError: if a day or a column is missing.
        TrainingError: if there is nothing to fit or to predict, or a bundle cannot be read.
    """
    wanted = TreesSettings(seeds=(config.seed,), calibration=config.calibration, threads=config.num_threads)
    fitted = next((bundle for bundle in bundles if _is_the_same_fit(bundle, table, config, wanted)), None)
    bundle = fitted or out.parent / "bundle"
    if fitted is None:
        training = TrainingConfig(seeds=wanted.seeds, calibration=wanted.calibration, threads=wanted.threads)
        train_trees(table, TREES, config.lightgbm, training, bundle)
    predict_days(bundle, rows, out, config.num_threads, seeds=wanted.seeds)
    manifest = read_document(bundle / MANIFEST, TreesManifest, "baselines")
    write_json(
        about,
        {
            "target": manifest.target,
            "chosen_by": manifest.chosen_by,
            "trees": manifest.num_trees[config.seed],
            "features": len(manifest.numbers) + len(manifest.fields),
            "most_important": load_trees(bundle, wanted.seeds).forests[config.seed].important(),
            "calibration_refused": manifest.calibration_refused.get(config.seed),
        },
    )
    if fitted is None:
        remove(bundle)


def _is_the_same_fit(bundle: Path, table: Path, config: BaselineConfig, wanted: TreesSettings) -> bool:
    """Return whether fitting `config` on a table would give what a bundle holds of the baselines' seed.

    The first seed chooses what the score learns, so it has to be the one.
    """
    found = read_document(bundle / MANIFEST, TreesManifest, "baselines")
    return (
        found.recipe == config.lightgbm
        and found.training.model_copy(update={"seeds": found.seeds[:1]}) == wanted
        and found.hashes.data == hash_value(TrainingTable.open(table).learned_hashes)
    )
