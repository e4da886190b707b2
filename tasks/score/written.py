"""Users, videos and scenes of the scores as the source writes them."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core.files import read_json
from tasks.core.identities import texts_of

KINDS = ("user_id", "video_id")


@dataclass(frozen=True)
class AsWritten:
    """What the source wrote where a table of scores holds codes.

    Attributes:
        texts: user_id and video_id -> code and text of those that are no numbers.
        scenes: names of the scenes, by number; empty: they have none.
    """

    texts: dict[str, pl.DataFrame]
    scenes: tuple[str, ...]

    @classmethod
    def of(cls, identities: Path, features: Path, users: pl.DataFrame, videos: pl.DataFrame) -> "AsWritten":
        """Look up some users and videos.

        Args:
            identities: data/raw/identities.
            features: data/features.
            users: user_id.
            videos: video_id.
        """
        codes = {"user_id": users["user_id"], "video_id": videos["video_id"]}
        texts = {kind: texts_of(identities, kind, found) for kind, found in codes.items()}
        return cls(texts, tuple(read_json(features / "source.json").get("scene_names", ())))

    def __call__(self, scored: pl.DataFrame) -> pl.DataFrame:
        """Return a table with its codes written out; a column of numbers only stays one."""
        columns = []
        for kind, texts in self.texts.items():
            if texts.height:
                number = pl.col(kind).cast(pl.String())
                columns.append(pl.col(kind).replace_strict(texts["code"], texts["text"], default=number).alias(kind))
        if self.scenes:
            columns.append(pl.col("scene").replace_strict(range(len(self.scenes)), self.scenes, default=None))
        return scored.with_columns(columns)
