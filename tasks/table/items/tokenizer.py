"""What every tokenizer does: content in, codes out, and back; its state is arrays, so that bundles and exports can carry it.

Shapes: V videos, C numbers of a content vector, L levels, K codewords of a level, D numbers of a codeword.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tasks.table.items.config import CodedItems

Doubles = NDArray[np.float64]
Codes = NDArray[np.int32]
_BLOCK = 4096
"""Videos whose distances are held at a time."""


class Tokenizer(ABC):
    """Codes of content: what is fitted encodes any content, that of a later video too.

    Attributes:
        kind: `table.items.tokenizer.kind`.
        mean_C: of the content of the videos it was fitted on.
        scale_C: their standard deviation, 1 where it is 0.
        codebooks: [K, D] codewords of every level.
    """

    kind: ClassVar[str]
    mean_C: Doubles
    scale_C: Doubles
    codebooks: tuple[Doubles, ...]

    @classmethod
    @abstractmethod
    def fitted(cls, content_VC: Doubles, config: CodedItems, codewords: int) -> Self:
        """Learn codes; the same rows in the same order give the same bits.

        Args:
            content_VC: content, one row a video.
            config: levels, seed and the tokenizer's own settings.
            codewords: of a level at most, at least 2.

        Raises:
            ContractError: if the content does not suffice for the settings.
        """

    @classmethod
    @abstractmethod
    def restored(
        cls, mean_C: Doubles, scale_C: Doubles, codebooks: tuple[Doubles, ...], arrays: Mapping[str, Doubles]
    ) -> Self:
        """Return the tokenizer that had this state."""

    @property
    def arrays(self) -> Mapping[str, Doubles]:
        """Name -> array of whatever else decides a code."""
        return {}

    @property
    def sizes(self) -> tuple[int, ...]:
        """K of every level."""
        return tuple(len(codebook) for codebook in self.codebooks)

    @property
    def width(self) -> int:
        """C."""
        return len(self.mean_C)

    def encode(self, content_VC: Doubles) -> Codes:
        """Return [V, L] codes from 0; a video's do not depend on which others are asked for."""
        return self._codes((content_VC - self.mean_C) / self.scale_C)

    def reconstruct(self, codes_VL: Codes) -> Doubles:
        """Return [V, C] content that the first levels stand for, as many as there are columns."""
        content_VC: Doubles = self._standardised(codes_VL) * self.scale_C + self.mean_C
        return content_VC

    def errors(self, content_VC: Doubles, codes_VL: Codes) -> Sequence[float]:
        """Return the mean squared error per standardised number after 1, 2 ... L levels; NaN without videos.

        On the videos of the fit 1 is what no codes at all would leave.
        """
        if not len(content_VC):
            return [float("nan")] * codes_VL.shape[1]
        return [
            float((((content_VC - self.reconstruct(codes_VL[:, : level + 1])) / self.scale_C) ** 2).mean())
            for level in range(codes_VL.shape[1])
        ]

    @abstractmethod
    def _codes(self, standardised_VC: Doubles) -> Codes:
        """Return the codes of standardised content."""

    @abstractmethod
    def _standardised(self, codes_VL: Codes) -> Doubles:
        """Return the standardised content that codes stand for."""


def standardising(content_VC: Doubles) -> tuple[Doubles, Doubles]:
    """Return mean and scale of content, [C] each; a constant number keeps scale 1."""
    deviation_C = content_VC.std(axis=0)
    return content_VC.mean(axis=0), np.where(deviation_C > 0, deviation_C, 1.0)


def nearest(residual_VD: Doubles, codebook_KD: Doubles, which_V: Codes | None = None) -> Codes:
    """Return [V] the nearest codeword of each residual; of equally near ones the first.

    Args:
        residual_VD: vectors.
        codebook_KD: the codewords; or several codebooks, [N, K, D].
        which_V: number of the codebook that each residual chooses in, where there are several.
    """
    parts = [np.empty(0, dtype=np.int32)]
    for start in range(0, len(residual_VD), _BLOCK):
        block = slice(start, start + _BLOCK)
        gap_VKD = residual_VD[block, None] - (codebook_KD if which_V is None else codebook_KD[which_V[block]])
        # No matrix product: its last bits would depend on how many videos are asked for at once.
        parts.append((gap_VKD**2).sum(axis=-1).argmin(axis=1).astype(np.int32))
    return np.concatenate(parts)


def residual_codes(vector_VD: Doubles, codebooks: Sequence[Doubles]) -> Codes:
    """Return [V, L] the nearest codeword of what the levels before leave over, level after level."""
    codes_VL = np.empty((len(vector_VD), len(codebooks)), dtype=np.int32)
    for level, codebook_KD in enumerate(codebooks):
        codes_VL[:, level] = nearest(vector_VD, codebook_KD)
        vector_VD = vector_VD - codebook_KD[codes_VL[:, level]]
    return codes_VL


def added_up(codes_VL: Codes, codebooks: Sequence[Doubles]) -> Doubles:
    """Return [V, D] the sum of the codewords of the first levels, as many as there are columns."""
    levels = range(codes_VL.shape[1])
    return sum((codebooks[level][codes_VL[:, level]] for level in levels), np.zeros(codebooks[0].shape[1]))


def product(rows_VA: Doubles, matrix_AB: Doubles) -> Doubles:
    """Return [V, B] the matrix product, of which a row does not depend on the others, up to the last bit."""
    total_VB = np.zeros((len(rows_VA), matrix_AB.shape[1]))
    for row_V, weight_B in zip(rows_VA.T, matrix_AB, strict=True):
        total_VB += row_V[:, None] * weight_B
    return total_VB
