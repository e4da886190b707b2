"""A tree of videos in which like ones share branches and all branches of a node weigh the same (docs/methods/retrieval.md#seater).

Shapes: V videos, C numbers of a vector, T tokens (the nodes of the tree, 0 the root), K children of a node, L longest path.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Vectors = NDArray[np.float32]
NO_TOKEN = -1
_ROUNDS = 3
"""Times that centres are moved to the videos assigned to them."""


@dataclass(frozen=True, eq=False)
class BalancedTree:
    """Where every video hangs.

    Attributes:
        child_TK: children of every token, `NO_TOKEN` where there are fewer.
        parent_T: parent of every token, `NO_TOKEN` of the root.
        video_T: video of a leaf, -1 of any other token.
        path_VL: tokens from below the root to the leaf of every video, `NO_TOKEN` behind its end.
        leaf_V: the last of them, the video's own token.
    """

    child_TK: Ints
    parent_T: Ints
    video_T: Ints
    path_VL: Ints
    leaf_V: Ints

    @classmethod
    def grow(cls, vector_VC: Vectors, branching: int, seed: int) -> "BalancedTree":
        """Split videos into `branching` equal parts, and those again, while a part has more than that many videos.

        Args:
            vector_VC: what says which videos are alike.
            branching: children of a node at most.
            seed: of the first centres.
        """
        children: list[list[int]] = [[]]
        parents, videos = [NO_TOKEN], [-1]

        def hang(below: int, video: int) -> int:
            children.append([])
            parents.append(below)
            videos.append(video)
            children[below].append(len(parents) - 1)
            return len(parents) - 1

        todo = [(0, np.arange(len(vector_VC)))]
        while todo:
            node, members = todo.pop()
            if len(members) <= branching:
                for video in members.tolist():
                    hang(node, video)
                continue
            part_M = balanced_parts(vector_VC[members], branching, seed)
            for part in range(branching):
                theirs = members[part_M == part]
                # a part of one video is its leaf: a node with a single child would ask nothing
                if theirs.size == 1:
                    hang(node, int(theirs[0]))
                else:
                    todo.append((hang(node, -1), theirs))
        return cls._of(children, parents, videos, len(vector_VC), branching)

    @classmethod
    def _of(
        cls, children: list[list[int]], parents: list[int], videos: list[int], num_videos: int, branching: int
    ) -> "BalancedTree":
        child_TK = np.full((len(children), branching), NO_TOKEN)
        for token, below in enumerate(children):
            child_TK[token, : len(below)] = below
        paths: list[list[int]] = [[] for _ in range(num_videos)]
        for token, video in enumerate(videos):
            if video >= 0:
                while token:
                    paths[video].append(token)
                    token = parents[token]
        path_VL = np.full((num_videos, max(map(len, paths))), NO_TOKEN)
        for video, path in enumerate(paths):
            path_VL[video, : len(path)] = path[::-1]
        leaf_V = np.array([path[0] for path in paths])
        return cls(child_TK, np.array(parents), np.array(videos), path_VL, leaf_V)

    @property
    def num_tokens(self) -> int:
        """T."""
        return len(self.parent_T)


def balanced_parts(vector_MC: NDArray[np.floating], parts: int, seed: int) -> Ints:
    """Return a part of every video, of equal sizes within one, [M]: k-means, then assignment to the nearest centre with room.

    Videos choose in the order of what they would lose by their second choice, most first; centres move to what they got, and
    all choose again.

    Args:
        vector_MC: vectors, at least as many as parts.
        parts: how many.
        seed: of the first centres.
    """
    # Seconds to load, for who grows trees and not for who reads them.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    vectors = vector_MC.astype(np.float64)
    with threadpool_limits(limits=1):  # several threads add the parts of a centre in the order they finish
        centre_KC = KMeans(parts, n_init=1, random_state=seed).fit(vectors).cluster_centers_
    for _ in range(_ROUNDS):
        # centre by centre: all differences at once would be as many numbers as videos x parts x width
        part_M = _with_room(np.stack([np.square(vectors - centre_C).sum(axis=1) for centre_C in centre_KC], axis=1))
        centre_KC = np.stack([vectors[part_M == part].mean(axis=0) for part in range(parts)])
    return part_M


def _with_room(distance_MK: NDArray[np.float64]) -> Ints:
    """Return the part of every video: each has floor(M / K) places, and the first M mod K to be full have one more."""
    size, parts = distance_MK.shape
    least, spare = divmod(size, parts)
    order_MK = np.argsort(distance_MK, axis=1, kind="stable")
    near_M2 = np.take_along_axis(distance_MK, order_MK[:, :2], axis=1)
    part_M = np.empty(size, dtype=np.int64)
    taken = [0] * parts
    for video in np.argsort(near_M2[:, 0] - near_M2[:, 1], kind="stable").tolist():
        for part in order_MK[video].tolist():
            if taken[part] < least or (taken[part] == least and spare):
                spare -= taken[part] == least
                taken[part] += 1
                part_M[video] = part
                break
    return part_M
