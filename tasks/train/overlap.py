"""What the propensities of a recipe can carry, for `overlap.json`: weights, overlap with D, balance, calibration.

Everything follows from the rows and the state alone, so equal inputs give equal bytes. Fit days show the weights that
training used; the validation day shows how the same propensities do on rows they were not fitted on.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.propensity.base import Exposures, Floats, PropensityState
from models.propensity.diagnostics import (
    LARGEST_SMD,
    FeatureBalance,
    doubts,
    expected_calibration_error,
    mean_inverse,
    reliability,
)
from models.propensity.fit import propensities
from models.recipe import Recipe
from models.weights import effective_sample_size, share_of_largest
from tasks.table.columns import open_column
from tasks.table.preprocessor import Preprocessor
from tasks.table.training_table import LEARNED, TrainingTable
from tasks.table.unobserved import FOLDER as UNOBSERVED
from tasks.train.overlap_summary import (
    FeatureDifference,
    Overlap,
    OverlapSplits,
    SplitOverlap,
    WeightBin,
    WeightSummary,
)
from tasks.train.propensity import population

_CHUNK = 1 << 16
_MOST_LEVELS = 12
"""A field with more levels than this is left out of the balance."""
_WEIGHT_EDGES = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def overlap(recipe: Recipe, state: PropensityState, table: TrainingTable) -> Overlap:
    """Return the diagnostics of the fit and the validation split, and the warnings of the former.

    Args:
        recipe: its propensity and selection.
        state: of the propensity model.
        table: the table.
    """
    fit, validation = (split_overlap(recipe, state, table.split(split), table) for split in LEARNED)
    after = [(difference.feature, difference.after) for difference in fit.balance or ()]
    warnings = () if fit.ess_share is None else tuple(doubts(fit.ess_share, fit.mean_inverse, after))
    splits = OverlapSplits(fit=fit, validation=validation)
    return Overlap(splits=splits, warnings=warnings, largest_difference=LARGEST_SMD)


def split_overlap(recipe: Recipe, state: PropensityState, folder: Path, table: TrainingTable) -> SplitOverlap:
    """Return the diagnostics of one split, the rows of `folder`."""
    rows = population(recipe, folder, table)
    raw, clip = propensities(recipe.propensity, state, rows), recipe.propensity.clip
    used, chosen, policy = np.maximum(raw, clip), rows.chosen, ~rows.random
    weight, known_population = 1 / used[chosen], recipe.selection.kind != "impression"
    known_propensities = known_population and not bool(np.isnan(used[policy]).any())
    bins = reliability(chosen[policy], used[policy], rows.stands_for[policy]) if known_propensities else []
    features = _balance(recipe, rows, used, folder, table)
    return SplitOverlap(
        observed=len(weight),
        random=int(rows.random.sum()),
        population=float(rows.stands_for[policy].sum()) if known_population else None,
        expected_observed=float((used * rows.stands_for)[policy].sum()) if known_propensities else None,
        clipped=_or_none(float((raw[chosen] < clip).mean()) if len(weight) else np.nan),
        mean_inverse=mean_inverse(chosen[policy], used[policy], rows.stands_for[policy]) if known_population else None,
        weights=_weights(weight),
        before_clipping=_weights(1 / raw[chosen]),
        ess_share=_or_none(effective_sample_size(weight) / len(weight) if len(weight) else np.nan),
        histogram=tuple(_histogram(weight)),
        ece=expected_calibration_error(bins) if known_propensities else None,
        reliability=tuple(bins),
        compared_with="population" if known_population else "random rows" if rows.random.any() else None,
        balance=_largest_first(features) if known_population or rows.random.any() else None,
        bmse=_or_none(features[1].bmse()) if known_propensities else None,
    )


def _weights(weight: Floats) -> WeightSummary:
    return WeightSummary(
        ess=effective_sample_size(weight),
        largest=_or_none(float(weight.max()) if len(weight) else np.nan),
        top_share=_or_none(share_of_largest(weight)),
        mean=_or_none(float(weight.mean()) if len(weight) else np.nan),
    )


def _histogram(weight: Floats) -> Iterator[WeightBin]:
    """Yield the share of rows, and of all weight, by size of the weight; the last bin is open."""
    place = np.searchsorted(_WEIGHT_EDGES, weight, side="right") - 1
    rows = np.bincount(place, minlength=len(_WEIGHT_EDGES)) / max(len(weight), 1)
    mass = np.bincount(place, weight, len(_WEIGHT_EDGES)) / (weight.sum() or 1.0)
    last = int(np.flatnonzero(rows).max(initial=-1))
    ends = [*_WEIGHT_EDGES[1:], None]
    for i in range(last + 1):
        yield WeightBin(start=_WEIGHT_EDGES[i], end=ends[i], rows=float(rows[i]), weight=float(mass[i]))


def _balance(
    recipe: Recipe, rows: Exposures, used: Floats, folder: Path, table: TrainingTable
) -> tuple[list[str], FeatureBalance]:
    """Return feature names and the sums of their balance."""
    known_population = recipe.selection.kind != "impression"
    inside = np.where(~rows.random & known_population, rows.stands_for, 0.0)
    target = inside if known_population else rows.random.astype(np.float64)
    levels = _small_fields(table.preprocessor)
    names = [*table.schema.dense_names, *(f"{field} {level}" for field, level, *_ in levels)]
    sums = FeatureBalance(len(names), recipe.propensity.clip)
    finite, begin = np.nan_to_num(used, nan=1.0), 0
    folders = [folder, folder / UNOBSERVED] if recipe.selection.kind == "candidate" else [folder]
    for dense, ids in (part for each in folders for part in _chunks(each)):
        part = slice(begin, begin + len(dense))
        hot = [ids[:, column] == code for _, _, column, code in levels]
        feature = np.column_stack([dense.astype(np.float64), *hot]) if hot else dense.astype(np.float64)
        sums.add(feature, rows.chosen[part], finite[part], inside[part], target[part])
        begin += len(dense)
    return names, sums


def _chunks(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield dense features and ids of a folder's rows, a part at a time from maps of its own."""
    size = len(open_column(folder, "ids"))
    for begin in range(0, size, _CHUNK):
        yield open_column(folder, "dense")[begin : begin + _CHUNK], open_column(folder, "ids")[begin : begin + _CHUNK]


def _small_fields(preprocessor: Preprocessor) -> list[tuple[str, str, int, int]]:
    """Return (field, level, column of `ids`, packed code) for every level of the fields with few of them."""
    offsets = preprocessor.schema.offsets
    return [
        (vocabulary.field, str(key), column, offsets[column] + 1 + place)
        for column, vocabulary in enumerate(preprocessor.vocabularies)
        if len(vocabulary.keys) <= _MOST_LEVELS
        for place, key in enumerate(vocabulary.keys)
    ]


def _largest_first(features: tuple[list[str], FeatureBalance]) -> tuple[FeatureDifference, ...]:
    """Return the difference of every feature, the largest after weighting first."""
    names, sums = features
    before, after = sums.differences()
    order = sorted(range(len(names)), key=lambda i: (-abs(after[i]), names[i]))
    differences = (FeatureDifference(names[i], float(before[i]), float(after[i])) for i in order)
    return tuple(difference for difference in differences if np.isfinite(difference.after))


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
