"""What others published on KuaiVideo_x1: figures to hold ours against, none of them run here.

Every one of BARS was stopped on the test rows themselves (its configurations name test.csv as validation data) and reads visual vectors.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row of the ladder; log loss where it was published."""

    model: str
    auc: float
    gauc: float
    logloss: float | None
    source: str


_BARS, _SECONDARY = "BARS", "lswhim/rankmixer, README"
LADDER = (
    Published("DMIN", 0.750777, 0.672621, 0.430187, _BARS),
    Published("DIEN", 0.750372, 0.671148, 0.433049, _BARS),
    Published("DIN", 0.749537, 0.669568, 0.432120, _BARS),
    Published("BST", 0.748407, 0.669039, 0.433819, _BARS),
    Published("xDeepFM", 0.747075, 0.669617, 0.437683, _BARS),
    Published("DCNv2", 0.746953, 0.667472, 0.437494, _BARS),
    Published("DeepFM", 0.745152, 0.666502, 0.440012, _BARS),
    Published("FM", 0.741790, 0.659864, 0.439771, _BARS),
    Published("TokenMixer-S", 0.7483, 0.6677, None, _SECONDARY),
    Published("DCNv2", 0.7461, 0.6658, None, _SECONDARY),
    Published("DeepFM", 0.7440, 0.6624, None, _SECONDARY),
    Published("RankMixer-S", 0.7436, 0.6634, None, _SECONDARY),
)
