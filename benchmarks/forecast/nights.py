"""Boosted trees fitted every simulated night, in three worlds: are the intervals kept, and is more said than yesterday?"""

import datetime as dt
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.forecast import recognised
from benchmarks.forecast.worlds import LOG, QUICK_LOG, START, WORLDS, Bend, bend
from benchmarks.parts.part import Options, Table
from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig
from tasks.forecast.inputs import ForecastInputs, Model
from tasks.forecast.measured import JudgedRows
from tasks.forecast.stage import forecast
from tasks.forecast.words import LABELS, shown
from tasks.ingest.stage import ingest
from tasks.predict import predict_days
from tasks.registry.forecast import Metric, NightForecast, Series, Served
from tasks.simulate.config import SimulatorConfig
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureDays
from tasks.train.config import CalibrationConfig, TrainingConfig
from tasks.train.run import NamedRecipe, train
from tasks.train.trees.config import TreesRecipe

FIT_DAYS, LOOKBACK = 4, 7
NIGHTS, QUICK_NIGHTS = 62, 4
QUICK_WORLDS = ("drifting",)
WARM = 14
"""Nights on whose errors the intervals do not rest yet; figures are given of those after them."""
RECIPE = TreesRecipe(
    candidates=("log",), fits=1, num_leaves=15, learning_rate=0.15, max_rounds=40, patience=10, max_bin=31,
    feature_fraction=0.3, tasks=("skip",),
)  # fmt: skip
STANDS = 4
"""Every fourth night the champion stays; on the others the night's fit takes its place."""
_DAY = dt.timedelta(days=1)


def run(options: Options) -> list[Table]:
    """Return forecasts against what came, by world, and the recognised methods beside the law."""
    (seed,) = options.seeds
    log = (QUICK_LOG if options.quick else LOG).model_copy(update={"seed": 20260101 + seed})
    nights = QUICK_NIGHTS if options.quick else NIGHTS
    raw = options.scratch / "raw"
    if not raw.is_dir():
        ingest(log, _days(nights), raw)
    lines = {}
    for name in QUICK_WORLDS if options.quick else WORLDS:
        lines[name] = Line.of(options.scratch / name, raw, WORLDS[name], nights)
        lines[name].run(nights, seed)
    warm = 1 if options.quick else WARM
    return [_series(lines, log, warm), _methods(lines, warm)]


def _days(nights: int) -> Days:
    """Return the days of all nights as the roles of one: every day but the lookback holds examples."""
    last = START + (LOOKBACK + FIT_DAYS + nights) * _DAY
    return Days.of_night(last, FIT_DAYS + nights - 1, LOOKBACK)


@dataclass
class Line:
    """A line of nights in one world.

    Attributes:
        folder: of all that is made.
        records: of the nights, in order.
        estimates: method -> error metrics by night, where there was a champion.
    """

    folder: Path
    records: list[NightForecast] = field(default_factory=list)
    estimates: dict[str, list[recognised.Estimates]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, raw: Path, world: Bend, nights: int) -> "Line":
        """Make the world's log and its features."""
        clean = folder / "clean"
        shutil.copytree(raw, clean)
        bend(clean / "impressions", world)
        build_features(clean, FeatureConfig(), _days(nights), folder / "features", NoCluster())
        return cls(folder)

    def run(self, nights: int, seed: int) -> None:
        """Run the nights."""
        champion: Served | None = None
        for number in range(nights):
            as_of = START + (LOOKBACK + FIT_DAYS + 1 + number) * _DAY
            made = self._fit(as_of, seed)
            winner = made if champion is None or number % STANDS else champion
            standing = (
                None
                if champion is None
                else Model(champion, self._judged(champion, as_of), self._earlier(champion, as_of))
            )
            serves = Model(winner, self._judged(winner, as_of))
            days = [as_of - back * _DAY for back in range(min(8, FIT_DAYS + number + 2))][::-1]
            inputs = ForecastInputs(days, self.folder / "features", standing, serves, tuple(self.records[-60:]), True)
            self.records.append(forecast(inputs, self.folder / "forecast"))
            if standing is not None:
                self._estimate(standing.earlier, standing.judged)
            champion = winner

    def _fit(self, as_of: dt.date, seed: int) -> Served:
        days, table = Days.of_night(as_of, FIT_DAYS, LOOKBACK), self.folder / "table"
        build_table(self.folder / "features", TableConfig(), days, table)
        training = TrainingConfig(seeds=(seed,), calibration=CalibrationConfig(min_rows=100, max_tre=10))
        train(table, NamedRecipe("trees", RECIPE, training), self._bundle(as_of), self.folder / "scratch")
        return self._fit_of(as_of)

    def _fit_of(self, night: dt.date) -> Served:
        return Served(recipe="trees", recipe_hash="trees", made=night)

    def _bundle(self, made: dt.date) -> Path:
        return self.folder / f"bundles/{made}"

    def _judged(self, model: Served, day: dt.date) -> Path:
        """Return a model's prediction table of a day, made once."""
        path = self.folder / f"judged/{model.made}/{day}.parquet"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            predict_days(self._bundle(model.made), FeatureDays(self.folder / "features", (day,)), path)
        return path

    def _earlier(self, champion: Served, as_of: dt.date) -> tuple[Path, ...]:
        """Return what six nights of evidence hold: the champion's tables since it was made, before that each night's own fit's."""
        first = START + (LOOKBACK + FIT_DAYS + 1) * _DAY
        days = [day for back in range(6, 0, -1) if (day := as_of - back * _DAY) >= first]
        return tuple(self._judged(champion if day >= champion.made else self._fit_of(day), day) for day in days)

    def _estimate(self, earlier: Sequence[Path], judged: Path) -> None:
        labelled, rows = JudgedRows.read("champion", *earlier), JudgedRows.read("champion", judged)
        found = {
            "came": recognised.realised(rows),
            "law": recognised.by_law(labelled, rows),
            "DLE, CBPE": recognised.recognised(labelled, rows),
            "yesterday": recognised.realised(JudgedRows.read("champion", earlier[-1])),
        }
        for method, estimates in found.items():
            self.estimates.setdefault(method, []).append(estimates)


def _series(lines: dict[str, Line], log: SimulatorConfig, warm: int) -> Table:
    rows, numbers = [], []
    for world, line in lines.items():
        for series in get_args(Series):
            for metric in get_args(Metric):
                found = _measured(line.records, series, metric, warm)
                rows.append([f"{world}, {series}", LABELS[metric], *found.cells(metric)])
                numbers.append({"world": world, "series": series, "metric": metric, **vars(found)})
    alarmed = {world: sum(bool(record.alarms) for record in line.records) for world, line in lines.items()}
    return Table(
        title="90 % intervals, and errors against those of yesterday's value",
        columns=[
            "series",
            "metric",
            "intervals that held",
            "the same, all nights",
            "mean half-width",
            "mean error",
            "of yesterday's value",
        ],
        rows=rows,
        notes=[
            f"{log.impressions_per_day:,} impressions a day of {log.users:,} users; one line of nights a world, trees fitted every "
            f"night on {FIT_DAYS} days, the champion replaced on all nights but every {STANDS}th. Figures of the nights after the "
            f"first {warm}, whose intervals rest on earlier errors alone; the column after them counts the first ones too. "
            "Errors are mean absolute ones.",
            "Nights with an alarm: "
            + ", ".join(f"{world} {count} of {len(lines[world].records)}" for world, count in alarmed.items())
            + ".",
            "steady: every day drawn alike; weekly: two days in seven have a quarter more rows, watched a tenth longer; drifting: "
            "what is watched grows by .3 % a day, and the share of one scene.",
        ],
        numbers=numbers,
    )


@dataclass(frozen=True)
class Measured:
    """One series of one metric.

    Attributes:
        held: intervals that held what came.
        judged: nights.
        held_ever: those of the first nights too.
        judged_ever: likewise.
        half_width: mean.
        error: mean absolute one of the value said.
        persistence: that of yesterday's realised value.
    """

    held: int
    judged: int
    held_ever: int
    judged_ever: int
    half_width: float
    error: float
    persistence: float

    def cells(self, metric: Metric) -> list[str]:
        """Return the row's cells."""
        shares = [
            f"{held / judged:.0%} of {judged}"
            for held, judged in ((self.held, self.judged), (self.held_ever, self.judged_ever))
        ]
        return [*shares, *(_digits(metric, value) for value in (self.half_width, self.error, self.persistence))]


def _digits(metric: Metric, value: float) -> str:
    return f"{100 * value:.2f} %" if metric == "skip_rate" else shown(metric, value)


def _measured(records: Sequence[NightForecast], series: Series, metric: Metric, warm: int) -> Measured:
    nights = [
        (record.bounds(series)[metric], record.realised[metric], before.realised.get(metric))
        for before, record in itertools.pairwise(records)
        if metric in record.bounds(series) and metric in record.realised
    ]
    held = [said.holds(came) for said, came, _ in nights]
    later = nights[warm:]
    yesterday = [abs(before - came) for _, came, before in later if before is not None]
    return Measured(
        sum(held[warm:]), len(later), sum(held), len(held),
        float(np.mean([said.half_width for said, _, _ in later])),
        float(np.mean([abs(said.value - came) for said, came, _ in later])),
        float(np.mean(yesterday)),
    )  # fmt: skip


def _methods(lines: dict[str, Line], warm: int) -> Table:
    """Return mean absolute and mean signed errors of estimates without labels."""
    names = {"mae": "MAE, s", "rmse": "RMSE, s", "tre_signed": "signed TRE", "auc_skip": "AUC of skip"}
    rows, numbers = [], {}
    for world, line in lines.items():
        for method in ("law", "DLE, CBPE", "yesterday"):
            cells = []
            for metric in names:
                pairs = zip(line.estimates[method][warm:], line.estimates["came"][warm:], strict=True)
                error = np.array([estimate[metric] - came[metric] for estimate, came in pairs])
                cells.append(f"{np.abs(error).mean():.4f} ({error.mean():+.4f})")
                numbers[f"{world}, {method}, {metric}"] = error.tolist()
            rows.append([f"{world}, {method}", *cells])
    return Table(
        title="Metrics without labels: the law, the field's methods, and yesterday's value",
        columns=["method", *names.values()],
        rows=rows,
        notes=[
            "Mean absolute error, in brackets the mean error, of the champion's metrics on its day, estimated from its predictions "
            "there and the labelled rows of up to six nights before. DLE for the seconds, CBPE for the AUC of skip; neither says anything of "
            "XAUC, the order of a continuous label."
        ],
        numbers=numbers,
    )
