"""Graph contrastive fits whose views a generator draws, against LightGCN, random edge dropping, DirectAU and edges by popularity.

The rule of the verdict stands in `RULE`, written before anything was run that is recorded. Shapes: N users of the judge day.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.representation.retrieval import FLOOR, SHOWN, Arm, Retrieval, days_of, short
from tasks.candidates.config import DirectAuConfig, GacnConfig, LightGcnConfig, PopularityConfig
from tasks.evaluate.estimate import Draw, average, difference, seed_sd
from tasks.evaluate.metrics.uncertainty import Interval

FILE = Path(__file__).resolve().parent / "gacn.yaml"
EPOCHS = 25
"""Passes of every arm, of which the validation day keeps the best."""
PLAIN, LEARNED = "lightgcn", "gacn"
ARMS: Mapping[str, Arm] = {
    FLOOR: Arm(PopularityConfig(), seeded=False),
    PLAIN: Arm(LightGcnConfig(loss="bpr", max_epochs=EPOCHS, patience=EPOCHS)),
    "directau": Arm(DirectAuConfig(max_epochs=EPOCHS, patience=EPOCHS)),
    "random edge dropping": Arm(GacnConfig(views="dropped", max_epochs=EPOCHS, patience=EPOCHS)),
    "edges by popularity": Arm(GacnConfig(views="popular", max_epochs=EPOCHS, patience=EPOCHS)),
    LEARNED: Arm(GacnConfig(max_epochs=EPOCHS, patience=EPOCHS)),
}
RIVALS = (PLAIN, "directau", "random edge dropping", "edges by popularity")
RULE = (
    "Rule, set before the run: the generator helps if its recall is above that of LightGCN, DirectAU, random edge dropping and edges drawn by "
    "popularity, each with the interval over users of the difference above 0 and the difference above the standard deviation over seeds of "
    "either. Popularity guard: whatever its recall, it is rejected if against LightGCN the interval of the difference in Gini lies above 0 or that in "
    "tail recall below 0."
)
Draws = Sequence[Mapping[str, Draw]]


def run(options: Options) -> list[Table]:
    """Simulate the days and fit every arm for as many epochs."""
    days = days_of(FILE, options)
    return [measured(days, options.seeds, {name: short(arm) for name, arm in ARMS.items()} if options.quick else ARMS)]


def measured(days: Retrieval, seeds: Sequence[int], arms: Mapping[str, Arm] = ARMS) -> Table:
    """Fit every arm with every seed, and hold all against LightGCN."""
    torch.set_num_threads(days.config.threads)
    level = days.evaluation.confidence
    found = {
        name: [days.draws(arm, seed) for seed in (seeds if arm.seeded else seeds[:1])] for name, arm in arms.items()
    }
    lines, numbers = [], {}
    for name, drawn in found.items():
        means = {of: average([one[of] for one in drawn], level) for of in SHOWN}
        cells = [name]
        for of in SHOWN[:3]:
            values = means[of].per_seed
            cells.append(mean_sd(values) if len(values) > 1 else f"{values[0]:.4f}")
            delta = over(drawn, found[PLAIN], of, level)
            cells.append("" if name == PLAIN else f"{delta.value:+.4f} [{delta.low:+.4f}, {delta.high:+.4f}]")
        lines.append([*cells, f"{means[SHOWN[3]].value:.4f}"])
        numbers[name] = {
            of: {"per_seed": estimate.per_seed, "low": estimate.low, "high": estimate.high}
            for of, estimate in means.items()
        }
    to_plain = f"to {PLAIN}"
    columns = [
        "proposer",
        f"recall@{days.config.length}",
        to_plain,
        "tail recall",
        to_plain,
        "Gini",
        to_plain,
        "coverage",
    ]
    notes = [
        days.about(),
        f"{EPOCHS} epochs each, of which the validation day keeps the best.",
        RULE,
        verdict(found, level),
    ]
    return Table("Views of the graph on simulated days of planted taste", columns, lines, notes, numbers)


def verdict(found: Mapping[str, Draws], level: float) -> str:
    """Return what the rule says of measured arms."""
    helps = {}
    for rival in RIVALS:
        delta = over(found[LEARNED], found[rival], "proposed_recall", level)
        sds = [seed_sd([one["proposed_recall"].result.value for one in found[name]]) for name in (LEARNED, rival)]
        helps[f"recall above {rival}"] = delta.low > 0 and all(delta.value > sd for sd in sds)
    gini, tail = (over(found[LEARNED], found[PLAIN], f"proposed_{of}", level) for of in ("gini", "tail_recall"))
    guard = {"Gini not worse": gini.low <= 0, "tail recall not worse": tail.high >= 0}
    said = "; ".join(f"{what}: {'yes' if is_so else 'no'}" for what, is_so in (helps | guard).items())
    if not all(guard.values()):
        return f"Verdict: {said}: rejected by the popularity guard."
    return f"Verdict: {said}: the generator {'helps' if all(helps.values()) else 'does not help'}."


def over(drawn: Draws, other: Draws, of: str, level: float) -> Interval:
    """Return the paired difference of one metric."""
    return difference([one[of] for one in drawn], [one[of] for one in other], level)
