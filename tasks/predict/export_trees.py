"""Trees as files that LightGBM reads anywhere, with all that makes their columns of feature rows.

inputs.json      the columns in order, how the fits are joined, what reads the score back
<what>-<k>.txt   LightGBM's text of fit k of `score`, `mean` or `p_<task>`
items/           codebooks, where a column comes from the content of the video

A column of kind "number" is (value - mean) / scale, clipped to +-clip, and 0 where the value is missing. One of kind
"level" is 1 + the place of the value among `levels`, and 0 where it is not among them; one of kind "bucket" is 1 + the
number of edges that are not above the duration in seconds. One of kind "item" is what the video's code of that level looks up in
the scheme of items/ (docs/methods/representation.md#embedding-schemes), and 0 where the video has no content. `score` is the mean of its fits, likewise every other.
"""

from pathlib import Path
from typing import Any

from tasks.core.files import write_json, writing
from tasks.predict.trees import TreeBundle
from tasks.table.preprocessor import DURATION_BUCKET, Preprocessor
from tasks.train.trees.manifest import ServableTrees

INPUTS = "inputs.json"


def export_trees(model: TreeBundle, seed: int, out: Path) -> Path:
    """Write one seed of a bundle of trees, before calibration.

    Args:
        model: the bundle.
        seed: which.
        out: folder to write, replaced as a whole.

    Returns:
        The folder.
    """
    forest = model.forests[seed]
    with writing(out) as folder:
        forest.save(folder)
        if model.preprocessor.items is not None:
            model.preprocessor.items.save(folder / "items")
        write_json(
            folder / INPUTS,
            {
                "columns": inputs(model.manifest, model.preprocessor),
                "fits": {name: len(fits) for name, fits in forest.boosters.items()},
                "target": model.manifest.target,
                "target_state": {name: value.tolist() for name, value in forest.target.state().items()},
            },
        )
    return out


def inputs(manifest: ServableTrees, preprocessor: Preprocessor) -> list[dict[str, Any]]:
    """Return what makes each column of the trees, in their order."""
    normalisation, levels = preprocessor.normalisation, {v.field: v.keys for v in preprocessor.vocabularies}
    numbers = [
        {"name": name, "kind": "number", "mean": float(mean), "scale": float(scale), "clip": normalisation.clip}
        for name, mean, scale in zip(normalisation.names, normalisation.mean, normalisation.scale, strict=True)
    ]
    fields: dict[str, dict[str, Any]] = {
        name: {"name": name, "kind": "level", "levels": keys.to_list()} for name, keys in levels.items()
    }
    fields[DURATION_BUCKET] = {
        "name": DURATION_BUCKET,
        "kind": "bucket",
        "edges": preprocessor.duration_edges_s.tolist(),
    }
    if preprocessor.items is not None:
        for level, (name, _) in enumerate(preprocessor.items.fields, start=1):
            fields[name] = {"name": name, "kind": "item", "level": level}
    return [*numbers, *(fields[name] for name in manifest.fields)]
