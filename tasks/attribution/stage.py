"""Attribute one fitted network: rank its fields per task, and say how many seconds each of them makes.

importance.json       ranks and mean seconds
attributions.parquet  every attributed row

Shape legend: B rows, F attributed fields, W numbers per row.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from models.attribution.fields import GROUPED, FieldRows
from models.attribution.integrated_gradients import Attributions, integrated_gradients
from models.attribution.permutation import f_permutation
from tasks.attribution.document import DECODE, FILE, ROWS_FILE, FieldScores, FieldSeconds, Importance
from tasks.attribution.ranks import agreement, ranks
from tasks.attribution.sample import ValidationSample, validation_sample
from tasks.core.files import writing
from tasks.evaluate.stage import rounded
from tasks.predict.bundle import load_bundle
from tasks.predict.manifest import read_manifest
from tasks.table.preprocessor import DURATION_BUCKET
from tasks.table.source import FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.train.manifest import ServableRecipe

ATTRIBUTED_ROWS = 500
_SECOND_BASELINE_SEED = 1
_DURATION_KEY = "duration_bucket"
_OF_DURATION = (_DURATION_KEY, DURATION_BUCKET, "duration_log", DECODE)
"""Fields that tell the duration, beside aggregates by duration."""


def attribute(bundle: Path, table: Path, features: Path, out: Path, threads: int = 1) -> Importance | None:
    """Write the files above for the network that would serve; None, and nothing, where the bundle is of no network.

    Args:
        bundle: folder that the stage `train` wrote.
        table: folder that the table stage wrote; its validation split is read and no other.
        features: folder of the features stage; only its description is read.
        out: folder to write into.
        threads: CPU threads; a fixed number, because the last bits of sums depend on it.

    Raises:
        ContractError: if there is no table.
        TrainingError: if the bundle cannot be read, or the table lacks what the recipe reads.
    """
    manifest = read_manifest(bundle)
    if not isinstance(manifest, ServableRecipe):
        return None
    torch.set_num_threads(threads)
    ranker = load_bundle(bundle, (manifest.serving_seed,)).rankers[manifest.serving_seed]
    opened, folder = TrainingTable.open(table), FeatureFolder.open(features)
    sample = validation_sample(ranker, opened, folder)
    names = sample.rows.layout.names
    scores = {task: score_F.numpy() for task, score_F in f_permutation(sample.rows).items()}
    made = _seconds_made(sample)
    seconds = None
    if made is not None:
        seconds = _summary(made, names, folder)
        _write_rows(made, sample, names, opened, out / ROWS_FILE)
    found = Importance(
        name=manifest.name,
        seed=manifest.serving_seed,
        day=opened.validation_day,
        rows=len(sample.index),
        fields=names,
        tasks={task: FieldScores(score=tuple(of.tolist()), rank=ranks(of, names)) for task, of in scores.items()},
        seconds=seconds,
    )
    found = Importance.model_validate(rounded(found.model_dump()))
    found.write(out / FILE)
    return found


@dataclass(frozen=True, eq=False)
class _SecondsMade:
    """Attributions of the first rows of a sample.

    Attributes:
        of: mean or median.
        attributions: from the mean of the fields.
        from_a_row: the same from another baseline, one row drawn at random.
        decode_B: seconds that the head makes of what it reads itself, less their mean.
    """

    of: str
    attributions: Attributions
    from_a_row: Attributions
    decode_B: NDArray[np.float64]


def _seconds_made(sample: ValidationSample) -> _SecondsMade | None:
    """Attribute the seconds of the first rows; None where no head predicts any."""
    rows: FieldRows = sample.rows.take(torch.arange(min(ATTRIBUTED_ROWS, len(sample.index))))
    try:
        of, _ = rows.seconds(rows.x_BW)
    except ValueError:
        return None
    assert sample.rows.batch.watch_B is not None
    deviation = float(sample.rows.batch.watch_B.double().std(correction=0))
    other = int(np.random.default_rng(_SECOND_BASELINE_SEED).integers(len(sample.index)))
    first, second = (
        integrated_gradients(rows.seconds_at, rows.x_BW, baseline_W, rows.layout, deviation)
        for baseline_W in (sample.rows.mean(), sample.rows.x_BW[other])
    )
    baseline_B = first.baseline_B.double().numpy()
    return _SecondsMade(of, first, second, baseline_B - baseline_B.mean())


def _summary(made: _SecondsMade, names: tuple[str, ...], features: FeatureFolder) -> FieldSeconds:
    found = made.attributions
    complete_B = found.complete_B.numpy()
    if not complete_B.any():
        mean_absolute: dict[str, float | None] = dict.fromkeys((*names, DECODE))
        duration_share = None
    else:
        of_field = dict(zip(names, found.mean_absolute().tolist(), strict=True))
        of_field[DECODE] = float(np.abs(made.decode_B[complete_B]).mean())
        by_duration = {f"{GROUPED}{name}" for name, group in features.groups.items() if _DURATION_KEY in group.keys}
        total = sum(of_field.values())
        told = sum(value for name, value in of_field.items() if name in by_duration.union(_OF_DURATION))
        mean_absolute, duration_share = dict(of_field), told / total if total else None
    both = found.accepted and made.from_a_row.accepted
    orders = (one.mean_absolute().numpy() for one in (found, made.from_a_row))
    return FieldSeconds(
        of="mean" if made.of == "mean" else "median",
        rows=len(complete_B),
        complete_share=found.complete_share,
        accepted=found.accepted,
        predicted_s=float(found.value_B.double().mean()),
        baseline_s=float(found.baseline_B.double().mean()),
        mean_absolute_s=mean_absolute,
        duration_share=duration_share,
        agreement=agreement(*orders) if both else None,
    )


def _write_rows(
    made: _SecondsMade, sample: ValidationSample, names: tuple[str, ...], table: TrainingTable, path: Path
) -> None:
    """Write one line per attributed row, in the order of the day."""
    found = made.attributions
    index = sample.index[: len(found.value_B)]
    users, videos = (np.asarray(table.column("validation", name)[index]) for name in ("user_id", "video_id"))
    frame = pl.DataFrame(
        {
            "row": index,
            "user_id": users,
            "video_id": videos,
            "predicted_s": found.value_B.numpy(),
            "baseline_s": found.baseline_B.numpy(),
            "steps": found.steps_B.numpy().astype(np.int32),
            "incomplete": ~found.complete_B.numpy(),
            **{f"ig_{name}": found.field_BF[:, i].numpy() for i, name in enumerate(names)},
        }
    ).sort("row")
    with writing(path) as temporary:
        frame.write_parquet(temporary)
