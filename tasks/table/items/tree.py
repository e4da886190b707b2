"""A balanced tree: content parted into equal shares, and each share again; codes are the nodes on the way down
(docs/methods/representation.md#balanced-tree).

Shapes: V videos, C numbers of a content vector, L levels, B children of a node, K = B^l nodes of level l, M distinct contents of a node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from models.retrieval.balanced_tree import balanced_parts
from tasks.core.errors import ContractError
from tasks.table.items.config import CodedItems
from tasks.table.items.tokenizer import Codes, Doubles, Tokenizer, nearest, standardising


@dataclass(frozen=True, eq=False)
class Tree(Tokenizer):
    """Node k of a level has the children B k ... B k + B - 1, so that the code of a level spells the path to it.

    Attributes:
        mean_C: as in `Tokenizer`.
        scale_C: as in `Tokenizer`.
        codebooks: [K, C] centre of every node, level by level.
    """

    kind = "tree"

    mean_C: Doubles
    scale_C: Doubles
    codebooks: tuple[Doubles, ...]

    @classmethod
    def fitted(cls, content_VC: Doubles, config: CodedItems, codewords: int) -> Self:
        mean_C, scale_C = standardising(content_VC)
        # What several videos share counts once: two halves of the same content would have the same centre.
        distinct_MC = np.unique((content_VC - mean_C) / scale_C, axis=0)
        branching = _branching(len(distinct_MC), config)
        node_M, codebooks = np.zeros(len(distinct_MC), dtype=np.int64), []
        for level in range(config.levels):
            below_M = np.empty_like(node_M)
            for node in range(branching**level):
                members = np.flatnonzero(node_M == node)
                below_M[members] = branching * node + balanced_parts(distinct_MC[members], branching, config.seed)
            node_M = below_M
            nodes = range(branching ** (level + 1))
            codebooks.append(np.stack([distinct_MC[node_M == node].mean(axis=0) for node in nodes]))
        return cls(mean_C, scale_C, tuple(codebooks))

    @classmethod
    def restored(
        cls, mean_C: Doubles, scale_C: Doubles, codebooks: tuple[Doubles, ...], arrays: Mapping[str, Doubles]
    ) -> Self:
        return cls(mean_C, scale_C, codebooks)

    def _codes(self, standardised_VC: Doubles) -> Codes:
        codes_VL = np.empty((len(standardised_VC), len(self.codebooks)), dtype=np.int32)
        node_V, branching = np.zeros(len(standardised_VC), dtype=np.int32), len(self.codebooks[0])
        for level, centre_KC in enumerate(self.codebooks):
            children_NBC = centre_KC.reshape(-1, branching, centre_KC.shape[1])
            node_V = branching * node_V + nearest(standardised_VC, children_NBC, node_V)
            codes_VL[:, level] = node_V
        return codes_VL

    def _standardised(self, codes_VL: Codes) -> Doubles:
        centre_VC: Doubles = self.codebooks[codes_VL.shape[1] - 1][codes_VL[:, -1]]
        return centre_VC


def _branching(contents: int, config: CodedItems) -> int:
    """Return the most children of a node that leave a node of the last level its videos.

    Raises:
        ContractError: if there are too few for two.
    """
    branching = 1
    while branching < config.codewords and (branching + 1) ** config.levels * config.videos_per_codeword <= contents:
        branching += 1
    if branching < 2:
        raise ContractError(
            f"table.items: {contents} videos differ, and a tree of levels {config.levels} needs 2^levels x videos_per_codeword = "
            f"{2**config.levels * config.videos_per_codeword}: lower levels or videos_per_codeword"
        )
    return branching
