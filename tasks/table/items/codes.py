"""The codes of videos as the table reads them: the one place that turns any feature rows into code fields.

Training rows, judge rows, unobserved pairs, candidates and the rows of a champion on a later night all come here.

Shapes: V videos, C numbers of a vector, L levels, F code fields.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.contract import CONTENT_VECTOR
from tasks.core.errors import ContractError
from tasks.core.files import hash_value, read_json, write_json
from tasks.table.items.cluster import ClusterIndex
from tasks.table.items.config import CodedItems
from tasks.table.items.controls import CONTROLS, Ids
from tasks.table.items.fsq import Fsq
from tasks.table.items.rq_kmeans import RqKMeans
from tasks.table.items.rq_vae import RqVae
from tasks.table.items.scheme import IdScheme
from tasks.table.items.schemes import ID_SCHEMES
from tasks.table.items.tokenizer import Codes, Doubles, Tokenizer
from tasks.table.items.tree import Tree
from tasks.table.items.watched import LearnedVectors
from tasks.table.rows import Array
from tasks.table.vocabulary import UNKNOWN

TOKENIZERS: dict[str, type[Tokenizer]] = {
    tokenizer.kind: tokenizer for tokenizer in (RqKMeans, Fsq, RqVae, Tree, ClusterIndex)
}
"""`table.items.tokenizer.kind` -> tokenizer."""
Flags = NDArray[np.bool_]
_ABOUT, _CODEBOOKS, _FITTED, _VECTORS = "items.json", "codebooks.parquet", "fitted.parquet", "vectors.parquet"


@dataclass(frozen=True, eq=False)
class ItemCodes:
    """A fitted tokenizer and the scheme its codes are looked up by.

    Attributes:
        kind: of the scheme.
        tokenizer: from vectors to codes.
        fitted_VL: codes of the videos that taught them, by ascending identifier; drawn ones under the control `random`.
        control: `table.items.control`.
        learned: vectors of videos; None: their content.
        of_events: whether past events carry the codes of their videos too.
    """

    kind: str
    tokenizer: Tokenizer
    fitted_VL: Codes
    control: str | None = None
    learned: LearnedVectors | None = None
    of_events: bool = False

    @classmethod
    def fit(cls, videos: pl.DataFrame, config: CodedItems, where: str) -> Self:
        """Learn codes from the content of videos.

        Args:
            videos: `video_id`, ascending, and `content_vector`; those without count for nothing.
            config: how many levels and codewords.
            where: the videos came from, for messages.

        Raises:
            ContractError: if too few videos have content for two codewords, or content does not suffice for the tokenizer.
        """
        with_content = videos.drop_nulls(CONTENT_VECTOR)
        codewords = _codewords(with_content.height, "content", config, where)
        return cls._fitted(
            with_content["video_id"].to_numpy(), content_matrix(with_content, None, where), config, codewords
        )

    @classmethod
    def fit_learned(cls, learned: LearnedVectors, config: CodedItems, where: str) -> Self:
        """Learn codes from vectors that were learned from who watched what; other arguments and errors as for `fit`."""
        codewords = _codewords(learned.video_id_V.size, f"vectors {learned.kind!r}", config, where)
        return cls._fitted(learned.video_id_V, learned.vector_VD.astype(np.float64), config, codewords, learned)

    @classmethod
    def _fitted(
        cls,
        video_id_V: Ids,
        vector_VC: Doubles,
        config: CodedItems,
        codewords: int,
        learned: LearnedVectors | None = None,
    ) -> Self:
        tokenizer = TOKENIZERS[config.tokenizer.kind].fitted(vector_VC, config, codewords)
        codes_VL = tokenizer.encode(vector_VC)
        if config.control == "random":
            codes_VL = CONTROLS[config.control](video_id_V, tokenizer.sizes, codes_VL)
        return cls(config.kind, tokenizer, codes_VL, config.control, learned, config.history)

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of feature rows that are read."""
        return ("video_id", CONTENT_VECTOR) if self.learned is None else ("video_id",)

    @cached_property
    def scheme(self) -> IdScheme:
        """What the codes look up."""
        return ID_SCHEMES[self.kind](self.tokenizer.sizes, self.fitted_VL)

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        """Name and number of rows of every code field."""
        return self.scheme.fields

    @cached_property
    def id(self) -> str:
        """Hash of all that decides a code: what was trained on the codes of another tokenizer means nothing under this one."""
        further = [array for _, array in sorted(self.tokenizer.arrays.items())]
        arrays = [self.tokenizer.mean_C, self.tokenizer.scale_C, *self.tokenizer.codebooks, *further, self.fitted_VL]
        names = [] if self.control is None else [self.control]
        if self.learned is not None:
            names.append(self.learned.kind)
            arrays += [self.learned.video_id_V, self.learned.vector_VD]
        hashes = (hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for array in arrays)
        return hash_value([self.kind, *names, *hashes])

    def tokens(self, videos: pl.DataFrame, where: str) -> tuple[Flags, Codes]:
        """Return which of some videos have a vector, [V], and the codes of those, [with a vector, L].

        Raises:
            ContractError: if content has another width than that of the fit days.
        """
        has_vector_V, vector_VC = self.vectors(videos, where)
        return has_vector_V, self.tokenizer.encode(vector_VC)

    def vectors(self, videos: pl.DataFrame, where: str) -> tuple[Flags, Doubles]:
        """Return which of some videos have a vector, [V], and those, [with a vector, C]; errors as for `tokens`."""
        if self.learned is not None:
            return self.learned.of(videos["video_id"].to_numpy())
        has_content_V = videos[CONTENT_VECTOR].is_not_null().to_numpy()
        return has_content_V, content_matrix(videos.drop_nulls(CONTENT_VECTOR), self.tokenizer.width, where)

    def encode(self, frame: pl.DataFrame, where: str) -> Array:
        """Return [rows, F] local rows of the code fields, 0 where a video has no vector.

        Args:
            frame: rows with the columns of `reads`.
            where: they came from, for messages.

        Raises:
            ContractError: if content has another width than that of the fit days.
        """
        return self._looked_up(frame["video_id"], frame.select(self.reads).unique("video_id", keep="first"), where)

    def encode_videos(self, video_id: pl.Series, catalogue: Callable[[Sequence[str]], pl.DataFrame]) -> Array:
        """Return what `encode` does of rows of some videos, [videos, F]: 0 too where the catalogue does not know one.

        Args:
            video_id: of past events, or of whatever else is no feature row; each as often as it comes.
            catalogue: returns columns of every video of the night that is read.

        Raises:
            ContractError: as `encode` does.
        """
        videos = pl.DataFrame({"video_id": video_id.unique()})
        described = videos.join(catalogue(self.reads), on="video_id", how="left")
        return self._looked_up(video_id, described, "the catalogue of videos")

    def _looked_up(self, video_id: pl.Series, videos: pl.DataFrame, where: str) -> Array:
        """Return the local rows of the videos of some rows.

        Args:
            video_id: of the rows.
            videos: the columns of `reads`, each video once.
            where: they came from, for messages.
        """
        videos = videos.sort("video_id", nulls_last=True)
        has_vector_V, codes_VL = self.tokens(videos, where)
        rows_VF = np.full((videos.height, len(self.fields)), UNKNOWN, dtype=np.int32)
        known = videos["video_id"].to_numpy()
        if self.control is not None:
            codes_VL = CONTROLS[self.control](known[has_vector_V], self.tokenizer.sizes, self.fitted_VL)
        rows_VF[has_vector_V] = self.scheme.lookup(codes_VL)
        return rows_VF[np.searchsorted(known, video_id.to_numpy())]

    def save(self, folder: Path) -> None:
        """Write what `load` reads: two Parquet files and one of JSON, and a third of vectors where they were learned."""
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = self.tokenizer
        about = {"kind": self.kind, "mean": tokenizer.mean_C.tolist(), "scale": tokenizer.scale_C.tolist()}
        if tokenizer.kind != RqKMeans.kind:
            arrays = {name: array.tolist() for name, array in tokenizer.arrays.items()}
            about |= {"tokenizer": tokenizer.kind, "arrays": arrays}
        if self.control is not None:
            about["control"] = self.control
        if self.of_events:
            about["history"] = True
        if self.learned is not None:
            about["vectors"] = self.learned.kind
            self.learned.save(folder / _VECTORS)
        write_json(folder / _ABOUT, about)
        level = np.repeat(np.arange(1, len(tokenizer.sizes) + 1), tokenizer.sizes)
        vectors = pl.Series("vector", np.concatenate(tokenizer.codebooks).tolist(), dtype=pl.List(pl.Float64))
        pl.DataFrame({"level": level, "vector": vectors}).write_parquet(folder / _CODEBOOKS, compression="zstd")
        code_table(self.fitted_VL).write_parquet(folder / _FITTED, compression="zstd")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        about, books = read_json(folder / _ABOUT), pl.read_parquet(folder / _CODEBOOKS)
        levels = books.partition_by("level", maintain_order=True)
        tokenizer = TOKENIZERS[about.get("tokenizer", RqKMeans.kind)].restored(
            np.array(about["mean"], dtype=np.float64),
            np.array(about["scale"], dtype=np.float64),
            tuple(np.array(level["vector"].to_list(), dtype=np.float64) for level in levels),
            {name: np.array(array, dtype=np.float64) for name, array in about.get("arrays", {}).items()},
        )
        fitted_VL = pl.read_parquet(folder / _FITTED).to_numpy().astype(np.int32)
        learned = LearnedVectors.load(about["vectors"], folder / _VECTORS) if "vectors" in about else None
        of_events = about.get("history", False)
        return cls(about["kind"], tokenizer, fitted_VL, about.get("control"), learned, of_events)


def _codewords(videos: int, what: str, config: CodedItems, where: str) -> int:
    """Return the codewords of a level at most; raises as `ItemCodes.fit` says."""
    codewords = min(config.codewords, videos // config.videos_per_codeword)
    if codewords < 2:
        which = "of the fit days" if config.until is None else f"uploaded until {config.until}"
        raise ContractError(
            f"{where}: {videos} videos {which} have {what}, and table.items needs "
            f"{2 * config.videos_per_codeword} for two codewords of {config.videos_per_codeword} videos: lower "
            "table.items.videos_per_codeword, fit on more days, or set table.items.kind to none"
        )
    return codewords


def code_table(codes_VL: Codes) -> pl.DataFrame:
    """Return codes as columns `level_1` ..., one row a video."""
    return pl.DataFrame({f"level_{level}": codes_VL[:, level - 1] for level in range(1, codes_VL.shape[1] + 1)})


def content_matrix(videos: pl.DataFrame, width: int | None, where: str) -> Doubles:
    """Return the content of videos that have some, [V, C]; all of one width, which is the first's if none is given."""
    lengths = videos[CONTENT_VECTOR].list.len()
    width = int(lengths[0]) if width is None else width
    other = videos.filter(lengths != width)
    if other.height:
        raise ContractError(
            f"{where}: the content of video {other['video_id'][0]} has {len(other[CONTENT_VECTOR][0])} numbers and not {width}, on which "
            "codes were fitted: give every video vectors of one embedding, and train anew where it changed"
        )
    return videos[CONTENT_VECTOR].explode(empty_as_null=False).to_numpy().astype(np.float64).reshape(-1, width)
