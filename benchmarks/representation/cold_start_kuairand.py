"""The cold-start protocol on the days at hand of KuaiRand-Pure, which has no content vectors: codes of its videos' categories beside their
controls, and with every difference the smallest one that these rows could have shown.

The rule of the verdict stands in `RULE`, written before anything was run that is recorded. Shapes: B rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.parts.protocol import protocol_of
from benchmarks.representation.categories import CategoryVectors, backed_off_means, dealt, describe
from benchmarks.representation.slices import Sliced, heading, sliced, slices_of
from benchmarks.watchtime.measure import Outputs
from benchmarks.watchtime.testbed import Testbed
from tasks.core.document import read_document
from tasks.core.layout import Workspace
from tasks.protocol.run import ProtocolRun
from tasks.table.items.report import FOLDER, REPORT, CodebookReport
from tasks.table.training_table import TrainingTable

FILE = Path(__file__).resolve().parent / "cold_start_kuairand.yaml"
RECIPE = "network"
COLUMNS = ("tag", "upload_type", "video_type", "music_type")
"""Categories of videos that codes are learned of. Authors and sounds are identities: hardly two videos share one."""
OWN_ROW, CODES, DEALT, MEANS, CATEGORIES, NIGHT = "none", "rq", "rq_dealt", "category means", "categories", "night"
BASES: Mapping[str, str] = {
    **dict.fromkeys((CODES, "rq_shuffled", "rq_random", DEALT, "rq_alone", CATEGORIES, MEANS), OWN_ROW),
    **dict.fromkeys(("categories_rq", "categories_rq_shuffled"), CATEGORIES),
    **dict.fromkeys(("night_rq", "night_rq_shuffled"), NIGHT),
}
"""Arm -> what it is held against: the same without its codes."""
FEW, FEW_OF = "0-5", ("0", "1-5")
"""The slice of the rule, and those that it joins."""
PSEUDO_ROWS: Mapping[int, float] = {1: 10.0, 2: 10.0, 3: 50.0}
RULE = (
    f"Rule, set before the run, on videos with {FEW} fit rows, since those with none are too few: codes of categories help if the interval over "
    "videos of their XAUC over the own row is above 0 and shuffled and drawn codes keep less than a fifth of it; they say more than the categories "
    "they were made of if their interval over those is above 0; they are worth a night's while if their interval over all that nights read is above 0. "
    "What has 0 in its interval is called undecided, up to the detectable effect."
)
_QUICK = {"training": {"max_epochs": 1, "seeds": [0]}}


@dataclass(frozen=True)
class Measured:
    """Every arm on every slice.

    Attributes:
        found: arm -> slice -> what its fits are worth.
        rows: slice -> judge rows and their videos.
        sizes: arm -> embedding rows.
        report: on the codebooks.
        vectors: what the codes were learned of.
    """

    found: Mapping[str, Mapping[str, Sliced]]
    rows: Mapping[str, tuple[int, int]]
    sizes: Mapping[str, int]
    report: CodebookReport
    vectors: CategoryVectors


@dataclass(frozen=True)
class ColdStart:
    """The days of one log without content, on which arms are fitted and measured.

    Attributes:
        night: protocol, workspace and data.
        scratch: for fits.
        columns: categories of videos that codes are learned of.
    """

    night: ProtocolRun
    scratch: Path
    columns: Sequence[str] = COLUMNS

    def measured(self) -> Measured:
        """Fit every variant, those of codes on what `describe` makes of the catalogue."""
        found: dict[str, Mapping[str, Sliced]] = {}
        sizes: dict[str, int] = {}
        vectors = describe(self.night.workspace.features, self.columns, self._fit_videos)
        for arm in self.night.protocol.variants:
            testbed = self._testbed(arm)
            bundle = testbed.fit(RECIPE, self.night.protocol.params.recipe(RECIPE))
            found[arm] = self._sliced(testbed.judged(testbed.outputs(bundle)))
            sizes[arm] = TrainingTable.open(testbed.table).schema.num_rows
            if arm == CODES:
                report = read_document(testbed.table / FOLDER / REPORT, CodebookReport, "table")
                found[DEALT], sizes[DEALT] = self._of_dealt_codes(testbed, bundle), sizes[arm]
        means_B = self._category_means()
        found[MEANS] = self._sliced({0: Outputs(means_B, means_B, means_B, None, None, {})})
        video = self._plain.keys["video_id"].to_numpy()
        rows = {name: (index.size, np.unique(video[index]).size) for name, index in self._slices.items()}
        return Measured(found, rows, sizes, report, vectors)

    @cached_property
    def _plain(self) -> Testbed:
        return self._testbed(OWN_ROW)

    @cached_property
    def _fit_videos(self) -> NDArray[np.int64]:
        return np.unique(TrainingTable.open(self._plain.table).column("fit", "video_id"))

    @cached_property
    def _slices(self) -> dict[str, NDArray[np.int64]]:
        found = slices_of(self._plain, TrainingTable.open(self._plain.table))
        few = {name: found[name] for name in FEW_OF if name in found}
        many = {name: index for name, index in found.items() if name not in ("all", *FEW_OF)}
        return {"all": found["all"], **few, FEW: np.sort(np.concatenate(list(few.values()))), **many}

    def _testbed(self, arm: str) -> Testbed:
        training = self.night.protocol.params.training_of(RECIPE)
        features, table = self.night.workspace.features, self.night.table(arm)
        return Testbed(features, table, self.night.days, self.scratch / arm, training)

    def _sliced(self, outputs: Mapping[int, Outputs]) -> dict[str, Sliced]:
        return {name: sliced(self._plain, outputs, index) for name, index in self._slices.items()}

    def _of_dealt_codes(self, testbed: Testbed, bundle: Path) -> dict[str, Sliced]:
        """Return what fits with codes are worth where videos that they never saw have those of others of them."""
        shown = testbed.keys["video_id"].unique().to_numpy()
        new = np.setdiff1d(shown, self._fit_videos)
        others = replace(testbed, features=dealt(testbed.features, new, self.scratch / "dealt", seed=0))
        return self._sliced(testbed.judged(others.outputs(bundle)))

    def _category_means(self) -> NDArray[np.float64]:
        """Return mean seconds by length, scene and tags, of which each is pulled to the one without the last."""
        table = TrainingTable.open(self.night.place(NIGHT).table)
        place = [table.schema.names.index(name) for name in ("duration_bucket", "scene", "tag")]
        fit_BK, judge_BK = (np.asarray(table.column(split, "ids"))[:, place] for split in ("fit", "judge"))
        own_B = ~np.asarray(table.column("judge", "random"))
        return backed_off_means(np.asarray(table.column("fit", "watch_s")), fit_BK, judge_BK[own_B], PSEUDO_ROWS)


def run(options: Options) -> list[Table]:
    """Read the days and measure every arm."""
    protocol = protocol_of(FILE, options, _QUICK)
    night = ProtocolRun(protocol, Workspace(options.scratch / "night"), options.data / "KuaiRand-Pure")
    night.prepare()
    return tables(ColdStart(night, options.scratch / "fits").measured())


def tables(measured: Measured) -> list[Table]:
    """Return one table a slice, what the categories are and what the rule says."""
    slices = [_table(name, measured) for name in measured.rows]
    return [_verdict(measured), *slices]


def _table(name: str, measured: Measured) -> Table:
    lines: list[list[str]] = []
    numbers: dict[str, dict[str, Any]] = {}
    for arm, of in measured.found.items():
        against = None if arm not in BASES else measured.found[BASES[arm]][name]
        cells = ["", "", "", "", ""]
        numbers[arm] = {"per_seed": of[name].per_seed}
        if against is not None:
            over, (videos, fits) = of[name].over(against), of[name].detectable(against)
            intervals = ["{:+.4f} [{:+.4f}, {:+.4f}]".format(*over[unit]) for unit in ("videos", "users")]
            cells = [BASES[arm], *intervals, f"{videos:.4f}", f"{fits:.4f}"]
            numbers[arm] |= {**over, "detectable": videos, "detectable, fits too": fits}
        size = f"{measured.sizes[arm]:,}" if arm in measured.sizes else ""
        xauc = mean_sd(of[name].per_seed) if len(of[name].per_seed) > 1 else f"{of[name].per_seed[0]:.4f}"
        lines.append([arm, size, xauc, *cells])
    rows, videos_shown = measured.rows[name]
    columns = ["arm", "embedding rows", "XAUC", "against", "difference (videos)", "the same (users)"]
    columns += ["detectable", "detectable, fits too"]
    return Table(heading(name), columns, lines, [f"{rows:,} judge rows of {videos_shown:,} videos."], numbers)


def said_of(arm: str, name: str, measured: Measured) -> str:
    """Return whether an arm is above or below what it is held against on a slice, or what size of effect is undecided."""
    of, against = measured.found[arm][name], measured.found[BASES[arm]][name]
    value, low, high = of.over(against)["videos"]
    if low > 0 or high < 0:
        return f"{'above' if low > 0 else 'below'} ({value:+.4f} [{low:+.4f}, {high:+.4f}])"
    return f"undecided ({value:+.4f}; effects below {of.detectable(against)[1]:.4f} are not seen here)"


def _verdict(measured: Measured) -> Table:
    lines = [[arm, *(said_of(arm, name, measured) for name in ("0", FEW, "all"))] for arm in BASES]
    gain = measured.found[CODES][FEW].over(measured.found[OWN_ROW][FEW])["videos"]
    holds = {"codes of categories above the own row": gain[1] > 0}
    for arm in ("rq_shuffled", "rq_random"):
        kept = measured.found[arm][FEW].over(measured.found[OWN_ROW][FEW])["videos"][0]
        holds[f"{arm} keeps less than a fifth"] = gain[0] > 0 and kept < gain[0] / 5
    for arm, what in (("categories_rq", "above the categories themselves"), ("night_rq", "above all that nights read")):
        holds[what] = measured.found[arm][FEW].over(measured.found[BASES[arm]][FEW])["videos"][1] > 0
    verdict = f"Verdict on videos with {FEW} fit rows: " + "; ".join(
        f"{what}: {'yes' if is_so else 'no'}" for what, is_so in holds.items()
    )
    columns = ["arm", "0 fit rows", f"{FEW} fit rows", "all judge rows"]
    return Table("Verdict and power", columns, lines, [f"{verdict}.", RULE, *_about(measured)])


def _about(measured: Measured) -> list[str]:
    report, vectors = measured.report, measured.vectors
    errors = ", ".join(f"{level.error:.2f}" for level in report.levels)
    return [
        "No text, sound, picture or vector of a video is in this release. Codes are of the "
        f"{vectors.vector_VP.shape[1]} first principal components ({vectors.kept:.0%} of the variance) of {len(vectors.categories)} flags of "
        f"{', '.join(COLUMNS)} that {report.videos:,} videos of the fit days teach: categories made numbers, not what a video shows. Length is "
        "left out of them, since every arm reads it; authors and sounds are identities, which the arm `categories` reads. "
        f"Codes leave {errors} of the components' variance after each level; {report.shared:.0%} of the teaching videos share their full code.",
        f"`{DEALT}`: the fits of `{CODES}`, and videos without a fit row read the codes of others of them. `{MEANS}`: mean seconds by length bucket, scene and tags "
        "on the fit days, each cell pulled to the one around it by 10, 10 and 50 rows, one fit. `rq_random` is the own row alone in as many bytes as `rq`.",
        "Detectable: 2.80 standard errors of the paired difference, the true effect that a two-sided test at 5 % sees four times in five, by the sampling of "
        "videos (what a bootstrap of videos comes to), and with the variance between these fits. Mean ± sd over fits; 95 % intervals.",
    ]
