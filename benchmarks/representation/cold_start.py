"""Videos by how often the fit days showed them: what codes of content, or of who watched them, add to their own row, and codes of
other videos and drawn ones do not.

The rule of the verdict stands in `RULE`, written before anything was run that is recorded. Shapes: B judge rows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.parts.part import Options, Table
from benchmarks.parts.protocol import protocol_of
from benchmarks.representation.arms import Arms, control_of, controls, said
from tasks.core.document import read_document
from tasks.protocol.config import Protocol
from tasks.table.items.report import FOLDER, REPORT, CodebookReport

FILE = Path(__file__).resolve().parent / "cold_start.yaml"
PLAIN = "none"
COLD = "0"
RULE = (
    "Rule, set before the run: codes of content hold if on videos without a fit row their XAUC over the own row alone has both intervals, "
    "over users and over videos, above 0; every control of theirs keeps less than a fifth of that; and over all rows their XAUC is not "
    "lower. Codes of who watched a video are unknown on videos without a fit row: nothing is asked of them there."
)
_QUICK = {
    "sources": {"simulator": {"impressions_per_day": 1200, "users": 100, "videos": 150, "new_videos_per_day": 25}},
    "training": {"max_epochs": 1, "batch_size": 256},
}
_QUICK_ARMS = (PLAIN, "tree", "tree_shuffled", "collaborative")


def run(options: Options) -> list[Table]:
    """Fit every arm on the same days and measure it by slices."""
    protocol = _protocol(options)
    arms = Arms.fitted(protocol, options)
    reports = {
        arm: read_document(table / FOLDER / REPORT, CodebookReport, "table")
        for arm, table in arms.tables.items()
        if control_of(protocol, arm) is None and arm != PLAIN
    }
    verdicts = [_verdict(arm, controls(protocol, arm), arms) for arm, of in reports.items() if of.vectors == "content"]
    return [*(arms.table(name, {PLAIN: "the own row"}) for name in arms.rows), _codebooks(reports, verdicts)]


def _verdict(arm: str, controls: Sequence[str], arms: Arms) -> str:
    over = {name: arms.over(name, PLAIN, COLD) for name in (arm, *controls)}
    gain = over[arm]["users"][0]
    holds = {
        "cold gain above both intervals": all(low > 0 for _, low, _ in over[arm].values()),
        **{f"{name} keeps less than a fifth": over[name]["users"][0] < gain / 5 for name in controls},
        "overall not lower": arms.over(arm, PLAIN, "all")["users"][0] >= 0,
    }
    return f"Verdict on {arm}: {said(holds)}"


def _codebooks(reports: Mapping[str, CodebookReport], verdicts: Sequence[str]) -> Table:
    lines = [
        [
            arm,
            str(number),
            str(level.codewords),
            str(level.used),
            f"{level.perplexity:.1f}",
            f"{level.error:.3f}",
            "" if level.error_later is None else f"{level.error_later:.3f}",
        ]
        for arm, report in reports.items()
        for number, level in enumerate(report.levels, start=1)
    ]
    notes = [
        *verdicts,
        RULE,
        *(
            f"{arm}: {report.videos:,} videos taught the codes, {report.later:,} later ones were encoded, {report.without_vector:,} have none; "
            f"{report.shared:.1%} of the first share their full code with another."
            for arm, report in reports.items()
        ),
        "A caption vector is a noisy linear image of 8 factors, one direction of which moves preference by 1 s.d. of the latent noise; "
        "an arm and its controls have tables of equal size. On videos without a fit row codes of who watched them are unknown, the same for all: "
        "what such an arm gains there it does not have from codes, but from how the network reads the rest of a row without any. Mean ± sd over fits; 95 % intervals of the paired difference hold the "
        "sampling of users, or of videos.",
    ]
    columns = ["arm", "level", "codewords", "used", "perplexity", "error, teaching videos", "error, later videos"]
    return Table(
        "Codebooks and verdicts", columns, lines, notes, {arm: report.as_json() for arm, report in reports.items()}
    )


def _protocol(options: Options) -> Protocol:
    protocol = protocol_of(FILE, options, _QUICK)
    if not options.quick:
        return protocol
    return protocol.model_copy(update={"variants": {arm: protocol.variants[arm] for arm in _QUICK_ARMS}})
