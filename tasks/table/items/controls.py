"""Codes that tell nothing of their video: what a gain from codes has to be held against
(docs/methods/representation.md#controls).

Shapes: V videos, L levels, T videos that taught the codes.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.table.items.tokenizer import Codes

Ids = NDArray[np.int64]


def shuffled(video_id_V: Ids, sizes: Sequence[int], fitted_TL: Codes) -> Codes:
    """Return the codes of a video that taught them, drawn by a hash of the id: what codes there are stays, whose they are goes."""
    return fitted_TL[_drawn(video_id_V, 0, len(fitted_TL))]


def random(video_id_V: Ids, sizes: Sequence[int], fitted_TL: Codes) -> Codes:
    """Return a code of every level that a hash of the id draws, each as likely: nothing of the codes stays but their number."""
    drawn = [_drawn(video_id_V, level, size) for level, size in enumerate(sizes, start=1)]
    return np.stack(drawn, axis=1).astype(np.int32)


def _drawn(video_id_V: Ids, purpose: int, among: int) -> Ids:
    """Return a number below `among` for every video; another one for another purpose."""
    salt = purpose.to_bytes(1, "little") if purpose else b""

    def of(video: int) -> int:
        name = video.to_bytes(8, "little", signed=True)
        return int.from_bytes(hashlib.blake2b(name, digest_size=8, salt=salt).digest(), "little") % among

    return np.array([of(int(video)) for video in video_id_V], dtype=np.int64)


CONTROLS: Mapping[str, Callable[[Ids, Sequence[int], Codes], Codes]] = {"shuffled": shuffled, "random": random}
"""`table.items.control` -> what draws the codes that are looked up in place of a video's own."""
