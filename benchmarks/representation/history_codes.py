"""Codes of past events: what they add to codes of the row's own video where users have a taste for what videos hold.

The rule of the verdict stands in `RULE`, written before anything was run that is recorded.
"""

from dataclasses import replace
from pathlib import Path

from benchmarks.parts.part import Options, Table
from benchmarks.parts.protocol import protocol_of
from benchmarks.representation.arms import Arms, said

FILE = Path(__file__).resolve().parent / "history_codes.yaml"
PLAIN, CANDIDATE, HISTORY, CONTROL = "none", "rq", "rq_history", "rq_history_shuffled"
COLD = "0"
RULE = (
    "Rule, set before the run: codes of past events hold if on videos without a fit row their XAUC over codes of the row's own video alone has both "
    "intervals, over users and over videos, above 0; with codes of other videos the whole keeps less than a fifth of its gain over the own row "
    "there; and over all rows their XAUC is not below that of codes of the row alone."
)
_QUICK = {
    "sources": {
        "simulator": {
            "impressions_per_day": 800,
            "users": 60,
            "new_users_per_day": 4,
            "videos": 120,
            "new_videos_per_day": 25,
        }
    },
    "features": {"history_length": 8},
    "training": {"max_epochs": 1, "batch_size": 256},
}


def run(options: Options) -> list[Table]:
    """Fit every arm on the same days and measure it by slices."""
    arms = Arms.fitted(protocol_of(FILE, options, _QUICK), options)
    first, *others = (
        arms.table(name, {PLAIN: "the own row", CANDIDATE: "codes of the row alone"}) for name in arms.rows
    )
    about = (
        "A caption vector is a noisy linear image of 4 factors of the video, for which users have a planted taste; neither authors nor topics come "
        "back, so that what a user watched tells of a new video through codes alone. Mean ± sd over fits; 95 % intervals of the "
        "paired difference hold the sampling of users, or of videos."
    )
    return [replace(first, notes=[*first.notes, _verdict(arms), RULE, about]), *others]


def _verdict(arms: Arms) -> str:
    gain, kept = (arms.over(arm, PLAIN, COLD)["users"][0] for arm in (HISTORY, CONTROL))
    holds = {
        "cold gain over codes of the row alone above both intervals": all(
            low > 0 for _, low, _ in arms.over(HISTORY, CANDIDATE, COLD).values()
        ),
        f"{CONTROL} keeps less than a fifth": kept < gain / 5,
        "overall not lower": arms.over(HISTORY, CANDIDATE, "all")["users"][0] >= 0,
    }
    return f"Verdict: {said(holds)}"
