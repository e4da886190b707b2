"""A flat cluster index: one code, the nearest of K centres (docs/methods/representation.md#cluster-index)."""

from typing import Self

from tasks.table.items.config import CodedItems
from tasks.table.items.rq_kmeans import RqKMeans
from tasks.table.items.tokenizer import Doubles


class ClusterIndex(RqKMeans):
    """The first level of RQ-KMeans, and nothing of what it leaves over."""

    kind = "cluster"

    @classmethod
    def fitted(cls, content_VC: Doubles, config: CodedItems, codewords: int) -> Self:
        return cls.fit(content_VC, 1, codewords, config.seed)
