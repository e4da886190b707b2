"""Protocol R0 with features of every morning: a network with and without a ranking term."""

from typing import Any

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.ladder import ATTENTIVE, SLOW
from benchmarks.watchtime.r0 import r0_testbed, refreshed
from benchmarks.within_user.arms import CONTROLS, PLAIN, RULES, Arm, Terms, fitted, gap, table
from tasks.train.config import TrainingConfig

RECIPE = {"head": {"kind": "tr_log"}, "encoder": ATTENTIVE}
TERMS: Terms = {
    **CONTROLS,
    "pairs, 0.1": {"kind": "pairs", "weight": 0.1},
    "pairs, 0.3": {"kind": "pairs", "weight": 0.3},
    "pairs by residual, 0.1": {"kind": "pairs", "weight": 0.1, "match": "residual"},
    "JRC, 0.1": {"kind": "jrc", "weight": 0.1},
    "ListNet, 0.1": {"kind": "listnet", "weight": 0.1},
}
NOT_INFERIOR, TOTALS = -0.001, 0.01


def run(options: Options) -> list[Table]:
    """Fit every arm and measure it on 1-4 May."""
    changes: dict[str, Any] = {"max_epochs": 1} if options.quick else {}
    training = TrainingConfig(seeds=tuple(options.seeds), learning_rate=SLOW, **changes)
    testbed = r0_testbed(options.data / "KuaiRand-Pure", options.scratch, "features", training)
    judged = refreshed(testbed, options.scratch)
    terms = dict(list(TERMS.items())[:3]) if options.quick else TERMS
    arms = fitted(testbed, judged, RECIPE, terms, training)
    verdicts = {name: _verdict(arm, arms[PLAIN]) for name, arm in arms.items() if name not in CONTROLS}
    notes = [
        f"{len(judged.rows):,} judge rows of 1-4 May, features as of every morning; XGAUC within a user's day. tr_log with point-in-time "
        "features and history under target attention, learning rate and all else as in benchmarks/watchtime.",
        RULES["r0"],
    ]
    return [table("KuaiRand-Pure, protocol R0", arms, verdicts, notes)]


def _verdict(arm: Arm, plain: Arm) -> str:
    _, gains, _ = gap(arm, plain, "xgauc")
    _, keeps, _ = gap(arm, plain, "xauc")
    moved = abs(arm.scored.metrics["tre_signed"].value - plain.scored.metrics["tre_signed"].value)
    return "default" if gains > 0 and keeps > NOT_INFERIOR and moved <= TOTALS else "no"
