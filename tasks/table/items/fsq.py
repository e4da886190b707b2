"""FSQ: a few numbers of the content, each bounded and rounded; there is no codebook to collapse
(docs/methods/representation.md#finite-scalar-quantisation).

Shapes: V videos, C numbers of a content vector, L chunks, P numbers of a chunk, D = L P, K codewords of a chunk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from tasks.core.errors import ContractError
from tasks.table.items.config import CodedItems, FsqTokenizer
from tasks.table.items.tokenizer import Codes, Doubles, Tokenizer, product, standardising

LEAST = 3
"""Values that a number is rounded to at least: of two, one would be nearly all."""
_INSIDE = 1e-3
_SINGULAR = 1e-9
"""Share of the largest variance below which a component says nothing."""


@dataclass(frozen=True, eq=False)
class Fsq(Tokenizer):
    """Principal components of the content, of unit variance, rounded in chunks; codewords are what their codes stand for.

    Attributes:
        mean_C: as in `Tokenizer`.
        scale_C: as in `Tokenizer`.
        codebooks: [K, P] means of the components of the teaching videos by code, number by number.
        into_CD: from standardised content to components.
        back_DC: from components to standardised content.
        counts_P: values that each number of a chunk is rounded to.
    """

    kind = "fsq"

    mean_C: Doubles
    scale_C: Doubles
    codebooks: tuple[Doubles, ...]
    into_CD: Doubles
    back_DC: Doubles
    counts_P: Doubles

    @classmethod
    def fitted(cls, content_VC: Doubles, config: CodedItems, codewords: int) -> Self:
        from threadpoolctl import threadpool_limits

        assert isinstance(config.tokenizer, FsqTokenizer)
        mean_C, scale_C = standardising(content_VC)
        standardised_VC = (content_VC - mean_C) / scale_C
        with threadpool_limits(limits=1):
            variance_C, vectors_CC = np.linalg.eigh(standardised_VC.T @ standardised_VC / len(standardised_VC))
        numbers, wanted = config.tokenizer.numbers, config.levels * config.tokenizer.numbers
        held = int((variance_C > _SINGULAR * variance_C[-1]).sum())
        counts = _counts(codewords, numbers)
        if held < wanted or counts[-1] < LEAST:
            raise ContractError(
                f"table.items: the content holds {held} independent numbers and the videos allow {codewords} codewords; fsq needs "
                f"levels x numbers = {wanted} and {LEAST}^numbers = {LEAST**numbers}: lower levels, tokenizer.numbers or "
                "videos_per_codeword"
            )
        vectors_CD, deviation_D = vectors_CC[:, ::-1][:, :wanted], np.sqrt(variance_C[::-1][:wanted])
        largest_D = np.abs(vectors_CD).argmax(axis=0)
        vectors_CD = vectors_CD * np.sign(vectors_CD[largest_D, np.arange(wanted)])
        into_CD, back_DC = vectors_CD / deviation_D, vectors_CD.T * deviation_D[:, None]
        component_VD = product(standardised_VC, into_CD)
        counts_P = np.array(counts, dtype=np.float64)
        codebooks = tuple(
            _codewords(component_VD[:, begin : begin + numbers], counts_P) for begin in range(0, wanted, numbers)
        )
        return cls(mean_C, scale_C, codebooks, into_CD, back_DC, counts_P)

    @classmethod
    def restored(
        cls, mean_C: Doubles, scale_C: Doubles, codebooks: tuple[Doubles, ...], arrays: Mapping[str, Doubles]
    ) -> Self:
        return cls(mean_C, scale_C, codebooks, arrays["into"], arrays["back"], arrays["counts"])

    @property
    def arrays(self) -> Mapping[str, Doubles]:
        return {"into": self.into_CD, "back": self.back_DC, "counts": self.counts_P}

    def _codes(self, standardised_VC: Doubles) -> Codes:
        component_VD, numbers = product(standardised_VC, self.into_CD), len(self.counts_P)
        chunks = (component_VD[:, begin : begin + numbers] for begin in range(0, component_VD.shape[1], numbers))
        place_P = _places(self.counts_P)
        return np.stack([(rounded(of_VP, self.counts_P) @ place_P).astype(np.int32) for of_VP in chunks], axis=1)

    def _standardised(self, codes_VL: Codes) -> Doubles:
        parts = [self.codebooks[level][codes_VL[:, level]] for level in range(codes_VL.shape[1])]
        component_VD = np.concatenate(parts, axis=1)
        return product(component_VD, self.back_DC[: component_VD.shape[1]])


def rounded(number_VP: Doubles, counts_P: Doubles) -> Doubles:
    """Return [V, P] the value of every number, from 0: bounded by tanh to as many as there are, then rounded."""
    half_P, offset_P, shift_P = _bounds(counts_P)
    whole_VP = np.round(np.tanh(number_VP + shift_P) * half_P - offset_P)
    value_VP: Doubles = whole_VP + counts_P // 2
    return value_VP


def _bounds(counts_P: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    half_P = (counts_P - 1) * (1 - _INSIDE) / 2
    offset_P = np.where(counts_P % 2 == 0, 0.5, 0.0)
    return half_P, offset_P, np.tan(offset_P / half_P)


def _places(counts_P: Doubles) -> Doubles:
    """Return what each number's value counts in a code: the product of the counts before it."""
    place_P: Doubles = np.concatenate([[1.0], np.cumprod(counts_P)[:-1]])
    return place_P


def _counts(codewords: int, numbers: int) -> list[int]:
    """Return values per number, as even as can be, the first ones the larger, that make no more codes than allowed."""
    counts = [int(codewords ** (1 / numbers) + 1e-9)] * numbers
    for place in range(numbers):
        if np.prod(counts) // counts[place] * (counts[place] + 1) <= codewords:
            counts[place] += 1
    return counts


def _codewords(number_VP: Doubles, counts_P: Doubles) -> Doubles:
    """Return [K, P] what the codes of one chunk stand for: of each number the mean of the videos that have its value.

    A value that no video has stands for what is rounded to it exactly.
    """
    value_VP, (half_P, offset_P, shift_P) = rounded(number_VP, counts_P), _bounds(counts_P)
    means = []
    for place, count in enumerate(counts_P.astype(int)):
        share_N = (np.arange(count) - count // 2 + offset_P[place]) / half_P[place]
        mean_N = np.arctanh(np.clip(share_N, _INSIDE - 1, 1 - _INSIDE)) - shift_P[place]
        for value in np.unique(value_VP[:, place]).astype(int):
            mean_N[value] = number_VP[value_VP[:, place] == value, place].mean()
        means.append(mean_N)
    code_K = np.arange(int(np.prod(counts_P)))
    values_KP = (code_K[:, None] // _places(counts_P).astype(int)) % counts_P.astype(int)
    return np.stack([mean_N[values_KP[:, place]] for place, mean_N in enumerate(means)], axis=1)
