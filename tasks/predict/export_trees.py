"""Trees as files that LightGBM reads anywhere, with all that makes their columns of feature rows.

signature.json   the columns in order, how the fits are joined, what reads the score back
<what>-<k>.txt   LightGBM's text of fit k of `score`, `mean` or `p_<task>`
program.pt2      calibrates what they say
items/           codebooks, where a column comes from the content of the video

Columns are made as `tasks.predict.signature` says; `levels` are a field's levels in order. `score` is the mean of its fits,
likewise every other.
"""

from pathlib import Path
from typing import Any

from models.serving import export_rows
from tasks.core.files import write_json
from tasks.predict.program import CalibrationProgram
from tasks.predict.program_file import about, example_durations, example_outputs, save_program
from tasks.predict.signature import FILE, fields, numbers
from tasks.predict.trees import TreeBundle
from tasks.table.preprocessor import Preprocessor
from tasks.train.trees.manifest import ServableTrees


def export_trees(model: TreeBundle, seed: int, folder: Path) -> None:
    """Write one seed of a bundle of trees.

    Args:
        model: the bundle.
        seed: which.
        folder: an empty one.
    """
    forest = model.forests[seed]
    forest.save(folder)
    if model.preprocessor.items is not None:
        model.preprocessor.items.save(folder / "items")
    example = example_outputs(forest.boosters), example_durations()
    program = export_rows(CalibrationProgram(model.calibrations[seed]), example)
    save_program(program, folder)
    write_json(
        folder / FILE,
        about(model, "trees", seed)
        | {
            "columns": columns(model.manifest, model.preprocessor),
            "fits": {name: len(fits) for name, fits in forest.boosters.items()},
            "target": model.manifest.target,
            "target_state": {name: value.tolist() for name, value in forest.target.state().items()},
        },
    )


def columns(manifest: ServableTrees, preprocessor: Preprocessor) -> list[dict[str, Any]]:
    """Return what makes each column of the trees, in their order."""
    made, levels = fields(preprocessor), {v.field: v.keys.to_list() for v in preprocessor.vocabularies}
    with_levels = {name: field | ({"levels": levels[name]} if name in levels else {}) for name, field in made.items()}
    read = (number for number in numbers(preprocessor) if number["name"] in manifest.numbers)
    return [*read, *(with_levels[name] for name in manifest.fields)]
