"""How good codes are: how many are in use, how often videos share all of theirs, what of the vectors they keep
(docs/methods/representation.md#codebook-report).

Shapes: V videos, C numbers of a vector, L levels.
"""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.document import Document
from tasks.table.items.codes import ItemCodes, code_table
from tasks.table.items.tokenizer import Codes, Doubles

FOLDER = "items"
CODES, REPORT = "item_codes.parquet", "codebook_report.json"


class LevelReport(Document):
    """One level of the codebook."""

    codewords: int
    used: int
    """Codewords that a video that taught them has."""
    perplexity: float
    """exp(entropy in nats) of the codes of those videos: as many codes used alike would be as hard to guess."""
    error: float
    """Mean squared error of those videos' vectors after this level, per standardised number; 1 before the first."""
    error_later: float | None
    """The same of later videos; None without any."""


class CodebookReport(Document):
    """`codebook_report.json`: what stands in one table's tokenizer."""

    id: str
    """Names the tokenizer; what was trained on its codes is refused with another's."""
    kind: str
    """Scheme that its codes are looked up by."""
    vectors: str
    """What they are codes of: content, or vectors that were learned from who watched what."""
    tokenizer: str
    """What finds the codes."""
    videos: int
    """Videos with a vector that the codes were learned from."""
    later: int
    """Further videos of the catalogue with a vector, which were encoded and not learned from."""
    without_vector: int
    """Videos of the catalogue without a vector; their codes are unknown."""
    distinct: int
    """Different full codes of the videos that taught them."""
    shared: float
    """Share of those videos whose full code another of them has too."""
    levels: tuple[LevelReport, ...]


def write_items(codes: ItemCodes, catalogue: pl.DataFrame, fitted: NDArray[np.int64], folder: Path) -> CodebookReport:
    """Write the codes of the whole catalogue and the codebook report; neither enters a fit.

    Args:
        codes: the tokenizer.
        catalogue: `video_id`, ascending, and what else the codes read of every video.
        fitted: identifiers of the videos that taught the codes.
        folder: to write to.

    Raises:
        ContractError: if a video's content has another width than that of the fit days.
    """
    folder.mkdir(parents=True, exist_ok=True)
    has_vector_V, vector_VC = codes.vectors(catalogue, "the catalogue of videos")
    codes_VL, videos = codes.tokenizer.encode(vector_VC), catalogue.filter(has_vector_V)
    is_fitted = pl.Series("fitted", np.isin(videos["video_id"].to_numpy(), fitted))
    table = pl.DataFrame([videos["video_id"], is_fitted]).hstack(code_table(codes_VL))
    table.write_parquet(folder / CODES, compression="zstd", statistics=True)
    report = _report(codes, vector_VC, codes_VL, is_fitted.to_numpy(), catalogue.height)
    report.write(folder / REPORT)
    return report


def _report(
    codes: ItemCodes, vector_VC: Doubles, codes_VL: Codes, is_fitted_V: NDArray[np.bool_], catalogue: int
) -> CodebookReport:
    learned_VL = codes_VL[is_fitted_V]
    errors = codes.tokenizer.errors(vector_VC[is_fitted_V], learned_VL)
    later = codes.tokenizer.errors(vector_VC[~is_fitted_V], codes_VL[~is_fitted_V])
    has_later = not is_fitted_V.all()
    _, counts = np.unique(learned_VL, axis=0, return_counts=True)
    return CodebookReport(
        id=codes.id,
        kind=codes.kind,
        vectors="content" if codes.learned is None else codes.learned.kind,
        tokenizer=codes.tokenizer.kind,
        videos=len(learned_VL),
        later=int((~is_fitted_V).sum()),
        without_vector=catalogue - len(codes_VL),
        distinct=len(counts),
        shared=float(counts[counts > 1].sum() / counts.sum()),
        levels=tuple(
            LevelReport(
                codewords=size,
                used=(use := usage(learned_VL[:, level], size))[0],
                perplexity=use[1],
                error=errors[level],
                error_later=later[level] if has_later else None,
            )
            for level, size in enumerate(codes.tokenizer.sizes)
        ),
    )


def usage(code_V: Codes, codewords: int) -> tuple[int, float]:
    """Return how many codewords of one level are in use, and the perplexity of the codes."""
    counts = np.bincount(code_V, minlength=codewords)
    share = counts[counts > 0] / counts.sum()
    return len(share), float(np.exp(-(share * np.log(share)).sum()))
