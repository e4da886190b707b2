"""Models as programs that run where no dwell code does."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from models.serving import export_ranker
from tasks.core.files import writing
from tasks.predict.bundle import Bundle, load_bundle
from tasks.predict.ensemble import MEMBERS
from tasks.predict.export_trees import export_trees
from tasks.predict.manifest import ServableEnsemble, read_manifest
from tasks.predict.trees import load_trees
from tasks.train.batches import EncodedRows
from tasks.train.trees.manifest import ServableTrees


def export_model(path: Path, folder: Path) -> tuple[Path, ...]:
    """Write the serving seed of a model, before calibration: `model.pt2` of a network, the folder `model` of trees
    (`tasks.predict.export_trees`), and `model-<member>` of either for every member of an ensemble (its members read
    inputs of their own; what joins them stands in `calibrators.json`).

    Args:
        path: bundle of a recipe, or an ensemble.
        folder: where to write.

    Returns:
        The files and folders written.
    """
    manifest = read_manifest(path)
    if not isinstance(manifest, ServableEnsemble):
        return (_export(path, folder, "model", manifest.serving_seed),)
    return tuple(
        _export(path / MEMBERS / name, folder, f"model-{name}", manifest.serving_seed) for name in manifest.member_names
    )


def _export(path: Path, folder: Path, name: str, seed: int) -> Path:
    if isinstance(read_manifest(path), ServableTrees):
        return export_trees(load_trees(path, [seed]), seed, folder / name)
    export_bundle(path, folder / f"{name}.pt2", seed)
    return folder / f"{name}.pt2"


def export_bundle(path: Path, out: Path, seed: int | None = None) -> ExportedProgram:
    """Write one seed of a network as a `torch.export` program (`.pt2`) that runs without dwell.

    Equal bundles give equal bytes: torch writes the file's name into the archive, so it is saved through a buffer.

    Args:
        path: bundle of a recipe.
        out: file to write.
        seed: which; None: the serving seed.
    """
    bundle = load_bundle(path, None if seed is None else [seed])
    ranker = bundle.rankers[bundle.serving_seed if seed is None else seed]
    program = export_ranker(ranker, example_rows(bundle).batch(0, 2))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with writing(out) as temporary:
        temporary.write_bytes(buffer.getbuffer())
    return program


def example_rows(bundle: Bundle) -> EncodedRows:
    """Return two rows of unknown ids, to trace a program with."""
    schema = bundle.preprocessor.schema
    columns: dict[str, NDArray[Any]] = {
        "ids": np.tile(np.array(schema.offsets, dtype=np.int32), (2, 1)),
        "dense": np.zeros((2, schema.num_dense), dtype=np.float32),
        "duration_s": np.full(2, 30, dtype=np.float32),
    }
    if not bundle.reads_history:
        return EncodedRows(columns, {})
    return EncodedRows(columns | {"history_index": np.zeros(2, dtype=np.int32)}, bundle.preprocessor.empty_history())
