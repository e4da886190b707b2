"""Videos by how often the fit days showed them: what codes of content add to their own row, and codes of other videos do not.

The rule of the verdict stands in `RULE`, written before anything was run that is recorded. Shapes: B judge rows.
"""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.feedback.settings import merged
from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.representation.slices import Sliced, heading, sliced, slices_of
from benchmarks.watchtime.testbed import Testbed
from tasks.core.document import read_document
from tasks.core.layout import Workspace
from tasks.core.yaml_config import parse
from tasks.core.yaml_file import read_yaml
from tasks.protocol.config import Protocol
from tasks.protocol.run import ProtocolRun
from tasks.table.items.report import FOLDER, REPORT, CodebookReport
from tasks.table.training_table import TrainingTable

FILE = Path(__file__).resolve().parent / "cold_start.yaml"
RECIPE = "network"
PLAIN, CODED, CONTROL = "none", "rq", "random"
COLD = "0"
RULE = (
    "Rule, set before the run: rq holds if on videos without a fit row its XAUC over the own row alone has both intervals, over users "
    "and over videos, above 0; random keeps less than a fifth of that; and over all rows the XAUC of rq is not lower."
)
_QUICK = {
    "sources": {"simulator": {"impressions_per_day": 1200, "users": 100, "videos": 150, "new_videos_per_day": 25}},
    "training": {"max_epochs": 1, "batch_size": 256},
}


def run(options: Options) -> list[Table]:
    """Fit every arm on the same days and measure it by slices."""
    protocol = _protocol(options)
    night = ProtocolRun(protocol, Workspace(options.scratch / "night"))
    night.prepare()
    found: dict[str, dict[str, Sliced]] = {}
    sizes, report = {}, None
    for arm in protocol.variants:
        table = night.table(arm)
        training = protocol.params.training_of(RECIPE)
        testbed = Testbed(night.workspace.features, table, night.days, options.scratch / "fits" / arm, training)
        outputs = testbed.judged(testbed.outputs(testbed.fit(RECIPE, protocol.params.recipe(RECIPE))))
        slices = slices_of(testbed, TrainingTable.open(table))
        found[arm] = {name: sliced(testbed, outputs, index) for name, index in slices.items()}
        sizes[arm] = TrainingTable.open(table).schema.num_rows
        if arm == CODED:
            report = read_document(table / FOLDER / REPORT, CodebookReport, "table")
    assert report is not None
    return [
        *(_table(name, index.size, found, sizes) for name, index in slices.items()),
        _codebook(report, _verdict(found)),
    ]


def _verdict(found: Mapping[str, Mapping[str, Sliced]]) -> str:
    gains = {arm: of[COLD].over(found[PLAIN][COLD]) for arm, of in found.items()}
    gain, kept = gains[CODED]["users"][0], gains[CONTROL]["users"][0]
    holds = {
        "cold gain above both intervals": all(low > 0 for _, low, _ in gains[CODED].values()),
        "random keeps less than a fifth": kept < gain / 5,
        "overall not lower": found[CODED]["all"].over(found[PLAIN]["all"])["users"][0] >= 0,
    }
    return "Verdict: " + "; ".join(f"{what}: {'yes' if is_so else 'no'}" for what, is_so in holds.items()) + "."


def _table(name: str, rows: int, found: Mapping[str, Mapping[str, Sliced]], sizes: Mapping[str, int]) -> Table:
    lines, numbers = [], {}
    for arm, of in found.items():
        against = of[name].over(found[PLAIN][name])
        cells = ["" if arm == PLAIN else "{:+.4f} [{:+.4f}, {:+.4f}]".format(*against[unit]) for unit in against]
        lines.append([arm, f"{sizes[arm]:,}", mean_sd(of[name].per_seed, 4), *cells])
        numbers[arm] = {"per_seed": of[name].per_seed, **against}
    columns = ["arm", "embedding rows", "XAUC", "against the own row (users)", "against the own row (videos)"]
    return Table(heading(name), columns, lines, [f"{rows:,} judge rows."], numbers)


def _codebook(report: CodebookReport, verdict: str) -> Table:
    lines = [
        [str(number), str(level.codewords), str(level.used), f"{level.perplexity:.1f}", f"{level.error:.3f}", f"{level.error_later or 0:.3f}"]
        for number, level in enumerate(report.levels, start=1)
    ]  # fmt: skip
    notes = [
        verdict,
        RULE,
        f"{report.videos:,} videos of the fit days taught the codes, {report.later:,} later ones were encoded; {report.shared:.1%} of the "
        "former share their full code with another.",
        "A caption vector is a noisy linear image of 8 factors, one direction of which moves preference by 1 s.d. of the latent noise; "
        "rq and random have tables of equal size. Mean ± sd over fits; 95 % intervals of the paired difference hold the sampling of "
        "users, or of videos.",
    ]
    columns = ["level", "codewords", "used", "perplexity", "error, fit videos", "error, later videos"]
    return Table("Codebook and verdict", columns, lines, notes, report.as_json())


def _protocol(options: Options) -> Protocol:
    file = read_yaml(FILE)
    asked = merged({"training": {"seeds": list(options.seeds)}}, _QUICK if options.quick else {})
    protocol = parse(Protocol, merged(file.value, {"params": asked}), file.place)
    protocol.params.check(file.place.below("params"))
    return protocol
