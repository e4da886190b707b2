"""Watch times as sums of tokens: a vocabulary read off train labels, and the tree of all codes.

A code takes the largest token that fits, again and again, so its tokens never grow and a prefix of a code is the code of
its own sum: values and prefixes are the same thing, and the codes of 0 to the longest value are the nodes of a tree.

Shape legend: S values, L places of a code, V tokens.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

FIRST_LEVEL, LAST_LEVEL, LEVEL_DECAY = 0.9999, 0.9, 0.99
MOST_VALUES = 4_096
"""A tree of more is not walked for every row."""
MOST_TOKENS = 64
"""Longest code."""


def dynamic_vocabulary(value: Ints) -> Ints:
    """Return tokens, descending, the last one 1, [V].

    With r the values: z is r's quantile at a level that falls from .9999 by a hundredth each time, to .9 at least; z becomes
    a token, and is taken from every r that holds it; until nothing is left or z is under 1.

    Source: docs/methods/watch_time.md#generative-regression; the public code's vocabulary, its label on a whole scale.

    Args:
        value: whole numbers from 0 on, of train rows only.
    """
    left, level, tokens = value.copy(), FIRST_LEVEL, {1}
    while left.any():
        token = int(np.quantile(left, level, method="inverted_cdf"))
        if token < 1:
            break
        tokens.add(token)
        left[left >= token] -= token
        level = max(LAST_LEVEL, LEVEL_DECAY * level)
    return np.array(sorted(tokens, reverse=True), dtype=np.int64)


def encode(value: int, tokens: Ints) -> list[int]:
    """Return the code of a value as places in the vocabulary: the largest token that fits, again and again."""
    code: list[int] = []
    for place, token in enumerate(tokens.tolist()):
        times, value = divmod(value, token)
        code += [place] * times
    return code


@dataclass(frozen=True)
class CodeTree:
    """The codes of the values 0 to S - 1, as a tree whose nodes stand by depth, children of a node side by side.

    Attributes:
        value: of every node, [S]; the first is 0, the empty code.
        node: of every value, [S].
        parent: of every node but the first, [S - 1].
        last: place of its last token in the vocabulary, [S - 1].
        depth: tokens of its code, [S].
        path: token places of its code, padded with V, [S, L - 1], L - 1 the longest code.
        allowed: which tokens, and at place V the end, may follow it, bool [S, V + 1].
    """

    value: Ints
    node: Ints
    parent: Ints
    last: Ints
    depth: Ints
    path: Ints
    allowed: NDArray[np.bool_]

    @classmethod
    def of(cls, tokens: Ints, longest: int) -> "CodeTree":
        """Build the tree of all values up to `longest`.

        Raises:
            ValueError: if a code has more than 64 tokens.
        """
        codes = [tuple(encode(value, tokens)) for value in range(longest + 1)]
        most = max(map(len, codes))
        if most > MOST_TOKENS:
            raise ValueError(f"gr: the code of a watch time has {most} tokens, at most {MOST_TOKENS} can be decoded")
        order = sorted(range(longest + 1), key=lambda value: (len(codes[value]), codes[value]))
        place = {codes[value]: number for number, value in enumerate(order)}
        sorted_codes = [codes[value] for value in order]
        path = np.full((len(order), most), len(tokens))
        allowed = np.zeros((len(order), len(tokens) + 1), dtype=np.bool_)
        allowed[:, -1] = True
        parent = np.array([place[code[:-1]] for code in sorted_codes[1:]], dtype=np.int64)
        last = np.array([code[-1] for code in sorted_codes[1:]], dtype=np.int64)
        allowed[parent, last] = True
        for number, code in enumerate(sorted_codes):
            path[number, : len(code)] = code
        depth = np.array([len(code) for code in sorted_codes])
        return cls(np.array(order), np.argsort(order), parent, last, depth, path, allowed)
