"""Exported models as ONNX, for runtimes without torch: the same folder, with model.onnx in the place of program.pt2.

Every program is held against the one it was made of before it is written. The packages are an extra; they are imported where they run.
"""

import importlib.util
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import ExportedProgram
from torch.utils._pytree import tree_unflatten

from tasks.core.errors import ConfigError, DwellError
from tasks.core.files import read_json, writing
from tasks.features.history import CODES
from tasks.predict.program_file import PROGRAM
from tasks.predict.signature import FILE, LEVELS

ONNX = "model.onnx"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""What the extra `onnx` brings."""
RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""By how much an output may differ: a network computes in single precision, and another runtime sums in another order."""
_ROWS = 64
_DURATION = "duration_s"


def write_onnx(model: Path, out: Path) -> dict[str, float]:
    """Write an exported model as ONNX: its programs, and those of its members.

    Inputs are called as the signature calls them (`ids`, `dense`, `duration_s`, of past events `history.NAME`; of an ensemble
    `predicted.MEMBER.OUTPUT`, of trees `predicted.FIT`), outputs as the columns of scores.parquet. Floats keep their width.

    Args:
        model: folder of an exported model.
        out: folder to write, replaced as a whole.

    Returns:
        Member (the model itself: "") -> largest difference of an output on random rows, relative to the output.

    Raises:
        ConfigError: if there is no exported model, it would be replaced, or the extra is not installed.
        DwellError: if a program cannot be translated, or answers otherwise than the one it was made of.
    """
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise ConfigError(f"ONNX needs {', '.join(missing)}: install the extra, pip install 'dwell[onnx]'")
    programs = sorted(model.rglob(PROGRAM))
    if not programs:
        raise ConfigError(f"{model} holds no {PROGRAM}: every night leaves one in artifacts/scores/model")
    if out.resolve() in (model.resolve(), *model.resolve().parents):
        raise ConfigError(f"--out {out} is the model's own folder or holds it: name another, it is replaced as a whole")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    differences = {}
    with writing(out) as folder:
        shutil.copytree(model, folder, ignore=shutil.ignore_patterns(PROGRAM))
        for program in programs:
            place = program.parent.relative_to(model)
            differences[place.name] = _write(program.parent, folder / place / ONNX)
    return differences


def _write(model: Path, file: Path) -> float:
    program = torch.export.load(model / PROGRAM)
    spec = program.call_spec.out_spec
    assert spec is not None
    outputs: Mapping[str, int] = tree_unflatten(range(spec.num_leaves), spec)
    names = list(_names(program, read_json(model / FILE)))
    try:
        translated = torch.onnx.export(
            program, dynamo=True, input_names=names, output_names=list(outputs), verbose=False, external_data=False
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise DwellError(
            f"{model / PROGRAM} cannot be translated to ONNX: {' '.join(str(error).split())[:300]}"
        ) from error
    assert translated is not None
    for node in translated.model.graph.all_nodes():
        node.metadata_props.clear()  # lines of code that torch made up, counted from the start of the process
    translated.save(str(file))
    return held_against(model, file)


def held_against(model: Path, file: Path) -> float:
    """Return by how much an ONNX model differs from the program of an exported model, on random rows.

    Args:
        model: folder of the exported model.
        file: the ONNX model.

    Returns:
        The largest difference of an output, relative to the output where that is above 1.

    Raises:
        DwellError: if an output differs by more than it may.
    """
    import onnxruntime

    program, signature = torch.export.load(model / PROGRAM), read_json(model / FILE)
    names = list(_names(program, signature))
    rows = _random_rows(model, signature) if "inputs" in signature else _random_parts(len(names))
    spec = program.call_spec.in_spec
    assert spec is not None
    arguments, further = tree_unflatten(rows, spec)
    with torch.no_grad():
        expected: Mapping[str, Tensor] = program.module()(*arguments, **further)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    read = {entry.name for entry in session.get_inputs()}
    given = {name: values.numpy() for name, values in zip(names, rows, strict=True) if name in read}
    found = dict(zip(expected, session.run(list(expected), given), strict=True))
    largest = 0.0
    for name, tensor in expected.items():
        values, other = tensor.numpy(), found[name]
        apart = np.abs(other - values)
        if values.dtype != other.dtype or not np.allclose(other, values, rtol=RELATIVE, atol=ABSOLUTE):
            raise DwellError(f"{file.name}: {name} is not what {PROGRAM} computes: up to {apart.max():.2g} apart")
        largest = max(largest, float((apart / np.maximum(np.abs(values), 1)).max()))
    return largest


def _arguments(program: ExportedProgram) -> tuple[Any, ...]:
    """Return the arguments of a program with the places of its inputs in the place of tensors."""
    spec = program.call_spec.in_spec
    assert spec is not None
    positional, _ = tree_unflatten(range(spec.num_leaves), spec)
    return tuple(positional)


def _names(program: ExportedProgram, signature: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of a program's inputs, in their order."""
    if "inputs" not in signature:
        joined, _ = _arguments(program)
        yield from _joined(joined, "predicted.")
        yield _DURATION
        return
    yield from ("ids", "dense", _DURATION)
    if history := signature["inputs"]["history"]:
        names = (*(field["name"] for field in history["fields"]), *history["codes"], "is_event")
        yield from (f"history.{name}" for name in names)


def _joined(parts: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, part in parts.items():
        if isinstance(part, Mapping):
            yield from _joined(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _random_parts(count: int) -> list[Tensor]:
    """Return what an ensemble joins or trees predict, as many outputs as there are inputs before the durations."""
    random = np.random.default_rng(0)
    return [*(torch.from_numpy(random.random(_ROWS)) for _ in range(count - 1)), torch.from_numpy(_durations(random))]


def _random_rows(model: Path, signature: Mapping[str, Any]) -> list[Tensor]:
    """Return rows that a network may get: known and unknown ids, any feature, users with and without past events."""
    random, inputs = np.random.default_rng(0), signature["inputs"]
    sizes = _sizes(model, inputs["ids"])
    ids = [_codes(random, field["offset"], sizes[field["name"]], (_ROWS,)) for field in inputs["ids"]]
    rows: list[NDArray[Any]] = [
        np.stack(ids, axis=1),
        random.normal(size=(_ROWS, len(inputs["dense"]))).astype(np.float32),
        _durations(random).astype(np.float32),
    ]
    if inputs["history"]:
        rows += _random_history(random, inputs["history"], sizes)
    return [torch.from_numpy(values) for values in rows]


def _durations(random: np.random.Generator) -> NDArray[np.float64]:
    return random.uniform(3, 120, _ROWS)


def _random_history(
    random: np.random.Generator, history: Mapping[str, Any], sizes: Mapping[str, int]
) -> list[NDArray[Any]]:
    """Return past events, the newest last, padded on the left; a tenth of the users have none."""
    length = history["length"]
    events = random.integers(0, length + 1, (_ROWS, 1)) * (random.random((_ROWS, 1)) > 0.1)
    is_event = np.arange(length) >= length - events
    found = []
    for field in history["fields"]:
        codes = _codes(random, field["offset"], sizes[field["name"]], is_event.shape)
        found.append(np.where(is_event, codes, field["offset"]))
    for name in history["codes"]:
        found.append(np.where(is_event, random.integers(1, CODES[name] + 1, is_event.shape), 0))
    return [*found, is_event]


def _sizes(model: Path, fields: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return field -> its largest code."""
    levels = dict(pl.read_parquet(model / LEVELS).group_by("field").len().iter_rows())
    return {field["name"]: levels.get(field["name"], len(field.get("edges", ()))) for field in fields}


def _codes(random: np.random.Generator, offset: int, largest: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    return offset + random.integers(0, largest + 1, shape)
