"""Whether the codebooks in use still fit new videos, against codebooks learned from newer ones (docs/methods/weekly.md#codebooks-out-of-date).

Both are held against videos that neither learned from. Shapes: V recent videos, C numbers of content, L levels, B replicates.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.core.contract import CONTENT_VECTOR
from tasks.core.files import csv_text
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.table.items.codes import ItemCodes
from tasks.table.items.config import CodedItems
from tasks.table.items.report import usage
from tasks.table.source import FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.weekly.config import CodesReview

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Codebooks:
    """Codebooks on recent videos.

    Attributes:
        name: what they are called.
        codes: the codebooks.
        error_VL: [V, L] squared error of each video's content after each level, mean over its standardised numbers.
        codes_VL: the codes of the videos.
    """

    name: str
    codes: ItemCodes
    error_VL: Floats
    codes_VL: NDArray[np.int32]

    def rows(self) -> list[list[Any]]:
        """Return one line per level: name, level, codewords, how many are used, their perplexity, the error after it."""
        return [
            [
                self.name,
                level + 1,
                size,
                *usage(self.codes_VL[:, level], size),
                repr(float(self.error_VL[:, level].mean())),
            ]
            for level, size in enumerate(self.codes.tokenizer.sizes)
        ]


@dataclass(frozen=True)
class CodesOnRecentVideos:
    """The codebooks in use against new ones.

    Attributes:
        config: the review.
        until: last upload day of what the new ones learned from.
        through: last upload day of the recent videos.
        in_use: as the night's table has them; None: there are too few recent videos to say anything.
        new: learned up to `until`.
        excess: share by which the error of those in use exceeds that of the new ones, videos resampled.
        videos: how many recent ones have content.
        level: coverage of the interval.
    """

    config: CodesReview
    until: dt.date
    through: dt.date
    videos: int
    level: float
    in_use: Codebooks | None = None
    new: Codebooks | None = None
    excess: Interval | None = None

    @property
    def out_of_date(self) -> bool:
        """Whether the error in use is surely higher, and by more than is allowed."""
        return self.excess is not None and self.excess.low > 0 and self.excess.value > self.config.worse

    def says(self) -> tuple[str, ...]:
        """Say in a few lines what was found and how far it can be believed."""
        recent = f"videos uploaded from {self.until + dt.timedelta(days=1)} to {self.through}"
        if self.in_use is None or self.new is None or self.excess is None:
            return (
                f"codes: {self.videos} {recent} have content, and {self.config.least_videos} are needed: nothing is said",
            )
        errors = [of.error_VL[:, -1].mean() for of in (self.in_use, self.new)]
        return (
            f"codes: squared error on {self.videos} {recent}: {errors[0]:.4f} by the codebooks in use, {errors[1]:.4f} by new ones "
            f"learned up to {self.until} (1 is about what no codes leave)",
            f"higher by {self.excess.value:.1%} [{self.excess.low:.1%}, {self.excess.high:.1%}] ({self.level:.0%}, videos resampled); "
            f"{self.config.worse:.0%} is allowed",
        )

    def to_csv(self) -> str:
        """Return one line per level of both."""
        head = ["codebooks", "level", "codewords", "used", "perplexity", "error"]
        return csv_text([head, *(row for of in (self.in_use, self.new) if of is not None for row in of.rows())])


def codes_on_recent_videos(
    table: TrainingTable, features: FeatureFolder, config: CodesReview, evaluation: EvaluationConfig
) -> CodesOnRecentVideos:
    """Compare the codebooks of a night's table with ones learned from newer videos, on still newer ones.

    The last `recent_days` up to the validation day teach neither; nothing of the judge day is read.

    Args:
        table: of the night, with codes.
        features: of the night, with content.
        config: the review.
        evaluation: replicates, seed and confidence of the interval.

    Raises:
        ContractError: if too few videos have content for new codebooks.
    """
    in_use, items, through = table.preprocessor.items, table.metadata.config.items, table.validation_day
    assert in_use is not None and isinstance(items, CodedItems)
    until = through - dt.timedelta(days=config.recent_days)
    recent = features.uploaded(until, through).drop_nulls(CONTENT_VECTOR)
    if recent.height < config.least_videos:
        return CodesOnRecentVideos(config, until, through, recent.height, evaluation.confidence)
    newer = items.model_copy(update={"until": until})
    new = ItemCodes.fit(features.uploaded(None, until), newer, str(features.path))
    (_, content_VC), where = in_use.vectors(recent, str(features.path)), ("in use", "new")
    found = [
        _on(name, codes, content_VC, new.tokenizer.scale_C) for name, codes in zip(where, (in_use, new), strict=True)
    ]
    return CodesOnRecentVideos(
        config, until, through, recent.height, evaluation.confidence, found[0], found[1],
        _excess(found[0].error_VL[:, -1], found[1].error_VL[:, -1], evaluation),
    )  # fmt: skip


def _on(name: str, codes: ItemCodes, content_VC: Floats, scale_C: Floats) -> Codebooks:
    codes_VL = codes.tokenizer.encode(content_VC)
    levels = range(1, codes_VL.shape[1] + 1)
    gaps = [(content_VC - codes.tokenizer.reconstruct(codes_VL[:, :level])) / scale_C for level in levels]
    return Codebooks(name, codes, np.stack([(gap_VC**2).mean(axis=1) for gap_VC in gaps], axis=1), codes_VL)


def _excess(in_use_V: Floats, new_V: Floats, evaluation: EvaluationConfig) -> Interval:
    """Return by which share one mean exceeds another, the same videos resampled for both."""
    videos = len(in_use_V)
    generator = np.random.default_rng(evaluation.seed)
    drawn_BV = generator.multinomial(videos, np.full(videos, 1 / videos), evaluation.replicates)
    share_B = (drawn_BV @ in_use_V) / (drawn_BV @ new_V) - 1
    return Interval.percentile(float(in_use_V.mean() / new_V.mean() - 1), share_B, evaluation.confidence)
