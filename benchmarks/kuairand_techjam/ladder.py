"""What others published on the test days of the public split: figures to hold ours against, none of them run here.

The organisers' starter kit gives the floors, the machine and the ceiling; the rest are public repositories of participants.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row of the ladder: primary is the mean of the other two."""

    method: str
    gauc: float
    ndcg: float
    primary: float
    source: str


LADDER = (
    Published("random", 0.4996, 0.4511, 0.4753, "organisers"),
    Published("popularity (prior 20)", 0.6308, 0.5121, 0.5715, "organisers"),
    Published("FM, official", 0.6610, 0.5282, 0.5946, "organisers; ± .0008 between seeds"),
    Published("FM + BPR", 0.6638, 0.5304, 0.5971, "gaozilin2005"),
    Published("FM + two relation fields (live state)", 0.6689, 0.5326, 0.6008, "a participant"),
    Published("the same + censored watch time, weight .2: best single model", 0.6702, 0.5333, 0.6017, "a participant"),
    Published("five DeepFM", 0.6656, 0.5310, 0.5983, "rbrishi15"),
    Published("BST + 2 FM, z-scores within the user: best ensemble", 0.6724, 0.5344, 0.6034, "a participant"),
    Published("oracle", 1.0, 0.7289, 0.8645, "organisers"),
)
