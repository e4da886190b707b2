"""Models as programs that run where no dwell code does.

An exported model is a folder:

program.pt2      a `torch.export` program that ends in the columns of scores.parquet
signature.json   what it reads, in order, what makes that of feature rows, and what it returns
levels.parquet   of a network: levels of its categorical fields
items/           codebooks, where a field comes from the content of the video
members/NAME/    of an ensemble: the folder of each member, whose outputs its program joins

Trees have LightGBM's files and a program that calibrates what they say (`tasks.predict.export_trees`).
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.serving import export_ranker, export_rows
from tasks.core.files import write_json, writing
from tasks.predict.bundle import Bundle
from tasks.predict.ensemble import MEMBERS, Ensemble
from tasks.predict.export_trees import export_trees
from tasks.predict.load import load_model
from tasks.predict.manifest import read_manifest
from tasks.predict.model import Model
from tasks.predict.program import EnsembleProgram, NetworkEnd
from tasks.predict.program_file import about, example_durations, example_outputs, save_program
from tasks.predict.signature import FILE, LEVELS, network_inputs
from tasks.predict.trees import TreeBundle
from tasks.train.batches import EncodedRows


def export_model(path: Path, out: Path, seed: int | None = None) -> None:
    """Write one seed of a model as an exported one; equal bundles give equal bytes.

    Args:
        path: bundle of a recipe, or an ensemble.
        out: folder to write, replaced as a whole.
        seed: which; None: the serving seed.
    """
    seed = read_manifest(path).serving_seed if seed is None else seed
    _export(load_model(path, [seed]), seed, out)


def _export(model: Model[Any], seed: int, out: Path) -> None:
    with writing(out) as folder:
        folder.mkdir(parents=True)
        if isinstance(model, TreeBundle):
            export_trees(model, seed, folder)
        elif isinstance(model, Bundle):
            _export_network(model, seed, folder)
        else:
            assert isinstance(model, Ensemble)
            _export_ensemble(model, seed, folder)


def _export_network(bundle: Bundle, seed: int, folder: Path) -> None:
    end = NetworkEnd(bundle.calibrations[seed])
    program = export_ranker(bundle.rankers[seed], example_rows(bundle).batch(0, 2), end)
    save_program(program, folder)
    inputs = network_inputs(bundle.preprocessor, with_history=bundle.reads_history)
    write_json(folder / FILE, about(bundle, "network", seed) | {"inputs": inputs})
    bundle.preprocessor.save_levels(folder, LEVELS)


def _export_ensemble(model: Ensemble, seed: int, folder: Path) -> None:
    said = {}
    for name, member in model.members.items():
        _export(member, seed, folder / MEMBERS / name)
        said[name] = example_outputs(member.outputs(seed))
    program = export_rows(EnsembleProgram(model.calibrations[seed]), (said, example_durations()))
    save_program(program, folder)
    members = {name: list(outputs) for name, outputs in said.items()}
    write_json(folder / FILE, about(model, "ensemble", seed) | {"members": members})


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
