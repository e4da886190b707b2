"""Who watched what on the fit days of a table: codes of users and videos.

Shapes: U users and V videos of the fit days, P pairs, N any users or videos, B rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from models.retrieval.watched import NONE, Ids, Shown, Watched
from tasks.core.errors import TrainingError
from tasks.table.items.codes import ItemCodes, content_matrix
from tasks.table.training_table import TrainingTable
from tasks.table.vocabulary import UNKNOWN

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class VideoCodes:
    """Codes of videos as rows of one table, field after field.

    Attributes:
        row_VF: rows of every video; of a field that does not know it, the field's first.
        num_rows: of all fields.
        has_V: which videos any field knows.
    """

    row_VF: Ids
    num_rows: int
    has_V: Flags

    def first(self, videos: int) -> "VideoCodes":
        """Return those of the first so many videos."""
        return VideoCodes(self.row_VF[:videos], self.num_rows, self.has_V[:videos])


@dataclass(frozen=True, eq=False)
class Watches(Watched):
    """Who watched what on the fit days.

    Attributes:
        user_id_U: users with a row of the fit days, ascending.
        video_id_V: the catalogue: videos with such a row, those watched by most users first, of equal ones the smaller identifier.
            A code says how popular a video is: of equal scores the smaller one comes first.
        num_new: videos at the end of the catalogue that have no row of the fit days; `with_new` adds them.
        codes: of all videos; None where nothing asked for them. `with_codes` adds them.
    """

    num_new: int = field(default=0, kw_only=True)
    codes: VideoCodes | None = field(default=None, kw_only=True)

    @classmethod
    def of(
        cls,
        user_id_B: Ids,
        video_id_B: Ids,
        watched_B: Flags,
        time_B: Ids,
        servable: Ids,
        asked_by: str = "candidates.watched",
    ) -> Self:
        """Return the watches of some rows.

        Args:
            user_id_B: user of each row.
            video_id_B: its video.
            watched_B: whether it was watched.
            time_B: when, ms.
            servable: videos that can be scored; others are never proposed.
            asked_by: the key that says what a watch is, for messages.

        Raises:
            TrainingError: if no video of the rows can be scored, or none was watched.
        """
        user_id_U, videos = np.unique(user_id_B), np.intersect1d(video_id_B, servable)
        if not videos.size:
            raise TrainingError("no video of the fit days has a known duration: there is nothing to propose")
        kept_B = watched_B & np.isin(video_id_B, videos)
        if not kept_B.any():
            raise TrainingError(f"nothing was watched on the fit days: choose another {asked_by}")
        user_B = np.searchsorted(user_id_U, user_id_B[kept_B])
        video_B = np.searchsorted(videos, video_id_B[kept_B])
        watchers_V = np.bincount(distinct_pairs(user_B, video_B)[1], minlength=videos.size)
        order_V = np.lexsort((videos, -watchers_V))
        code_V = np.empty_like(order_V)
        code_V[order_V] = np.arange(videos.size)
        order_B = np.argsort(time_B[kept_B], kind="stable")
        pairs = np.stack([user_B, code_V[video_B]], axis=1)[order_B]
        first, place = np.unique(pairs, axis=0, return_index=True)
        time_P = time_B[kept_B][order_B][place]
        return cls(first[:, 0], first[:, 1], time_P, user_id_U=user_id_U, video_id_V=videos[order_V])

    @classmethod
    def of_table(
        cls, table: TrainingTable, watched: str, servable: Ids | None = None, asked_by: str = "candidates.watched"
    ) -> Self:
        """Return the watches of the fit days of a table, with the content of its videos where it holds some.

        Args:
            table: the night's.
            watched: binary label of a watch.
            servable: as in `of`; None: every video.
            asked_by: as in `of`.

        Raises:
            TrainingError: as `of` does.
        """
        user_id_B, video_id_B, watched_B = rows(table, ("fit",), watched)
        time_B, servable = (
            np.asarray(table.column("fit", "event_time_ms")),
            video_id_B if servable is None else servable,
        )
        watches = cls.of(user_id_B, video_id_B, watched_B, time_B, servable, asked_by)
        if table.contents is None:
            return watches
        content = table.contents.drop_nulls()
        content_NC = content_matrix(content, None, str(table.folder)).astype(np.float32)
        place_V = codes_of(watches.video_id_V, content["video_id"].to_numpy(), np.arange(content.height))
        content_VC = np.where((place_V == NONE)[:, None], np.float32(np.nan), content_NC[place_V])
        return replace(watches, content_VC=content_VC)

    def with_new(self, videos: pl.DataFrame, where: str) -> "Watches":
        """Return the same watches over a catalogue that ends with videos that the fit days do not know.

        Args:
            videos: `video_id`, ascending, and `content_vector`; those without count for nothing, and so do those that are known.
            where: they came from, for messages.

        Raises:
            ContractError: if content has another width than that of the fit days' videos.
        """
        assert self.content_VC is not None and self.codes is None, "codes are of a finished catalogue"
        new = videos.drop_nulls().filter(~pl.col("video_id").is_in(pl.Series(self.video_id_V).implode()))
        content_NC = content_matrix(new, self.content_VC.shape[1], where).astype(np.float32)
        return replace(
            self,
            video_id_V=np.concatenate([self.video_id_V, new["video_id"].to_numpy()]),
            content_VC=np.concatenate([self.content_VC, content_NC]),
            num_new=self.num_new + new.height,
        )

    def with_codes(self, items: ItemCodes, catalogue: Callable[[Sequence[str]], pl.DataFrame]) -> "Watches":
        """Return the same watches with the codes of their videos, as rows of the table have them.

        Args:
            items: the tokenizer, fitted.
            catalogue: returns some columns of every video.
        """
        local_VF = items.encode_videos(pl.Series("video_id", self.video_id_V), catalogue).astype(np.int64)
        sizes_F = np.array([size for _, size in items.fields])
        row_VF = local_VF + np.cumsum(sizes_F) - sizes_F
        return replace(self, codes=VideoCodes(row_VF, int(sizes_F.sum()), (local_VF != UNKNOWN).any(axis=1)))

    @property
    def of_fit_days(self) -> "Watches":
        """The same without new videos; codes stay what they are."""
        if not self.num_new:
            return self
        content_VC = None if self.content_VC is None else self.content_VC[: self.num_known]
        codes = None if self.codes is None else self.codes.first(self.num_known)
        return replace(
            self, video_id_V=self.video_id_V[: self.num_known], content_VC=content_VC, num_new=0, codes=codes
        )

    @property
    def num_known(self) -> int:
        """Videos with a row of the fit days."""
        return self.num_videos - self.num_new

    @cached_property
    def matrix(self) -> Any:
        """1 where a user watched a video, sparse [U, V]."""
        ones = np.ones(self.user_P.size)
        return sparse.csr_array((ones, (self.user_P, self.video_P)), shape=(self.num_users, self.num_videos))

    @cached_property
    def watchers(self) -> Ids:
        """Users who watched each video."""
        return np.bincount(self.video_P, minlength=self.num_videos)

    def users(self, user_id_N: Ids) -> Ids:
        """Return the codes of users, `NONE` where the fit days do not know them."""
        return codes_of(user_id_N, self.user_id_U, np.arange(self.num_users))

    def videos(self, video_id_N: Ids) -> Ids:
        """Return the codes of videos, `NONE` where they are not in the catalogue."""
        return codes_of(video_id_N, *self._by_id)

    def with_content(self, asked_by: str) -> "Watches":
        """Return the watches of videos that have content; the catalogue stays.

        Args:
            asked_by: what reads content, for messages.

        Raises:
            TrainingError: if the table holds none, or no watched video has some.
        """
        if self.content_VC is None:
            raise TrainingError(f"{asked_by}: the table holds no content of videos: set features.content: true")
        kept_P = ~np.isnan(self.content_VC[self.video_P, 0])
        if not kept_P.any():
            raise TrainingError(
                f"{asked_by}: no video that was watched on the fit days has content: does the source carry it?"
            )
        return self.of_pairs(kept_P)

    def with_shown(self, table: TrainingTable, watched: str) -> "Watches":
        """Return the same watches with the rows of the fit days, those that were not watched too.

        Args:
            table: where they are from, all of its videos among them.
            watched: binary label of a watch.
        """
        user_id_B, video_id_B, watched_B = rows(table, ("fit",), watched)
        user_B, video_B = self.users(user_id_B), self.videos(video_id_B)
        order_B = np.lexsort((watched_B, video_B, np.asarray(table.column("fit", "event_time_ms")), user_B))
        return replace(self, shown=Shown(user_B[order_B], video_B[order_B], watched_B[order_B]))

    @cached_property
    def _by_id(self) -> tuple[Ids, Ids]:
        order_V = np.argsort(self.video_id_V)
        return self.video_id_V[order_V], order_V


def rows(table: TrainingTable, splits: Sequence[str], watched: str) -> tuple[Ids, Ids, Flags]:
    """Return user, video and whether it was watched of every row of some splits."""
    label = table.tasks.index(watched)
    parts = [
        (table.column(split, "user_id"), table.column(split, "video_id"), table.column(split, "labels")[:, label] == 1)
        for split in splits
    ]
    user, video, flag = (np.concatenate(column) for column in zip(*parts, strict=True))
    return user, video, flag


def distinct_pairs(first_B: Ids, second_B: Ids) -> tuple[Ids, Ids]:
    """Return the pairs that differ, ascending."""
    pairs = np.unique(np.stack([first_B, second_B], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def codes_of(id_N: Ids, sorted_ids: Ids, codes: Ids) -> Ids:
    """Return the code that stands for each identifier, `NONE` for those that have none."""
    if not sorted_ids.size:
        return np.full(id_N.size, NONE)
    place_N = np.minimum(np.searchsorted(sorted_ids, id_N), sorted_ids.size - 1)
    return np.where(sorted_ids[place_N] == id_N, codes[place_N], NONE)
