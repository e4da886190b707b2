"""Does it pay to choose learners by how little others move the estimate, and does the gate refuse what it should?

Made-up rows of known mean, real watch times under artificial exposure (`exposed_log.py`), simulated judge days
(`nuisance_days.py`), and an instrument with a direct effect. Everything is estimated by the classes of a night (`tasks/evaluate/nuisance`).

Shapes: N rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import binomtest

from benchmarks.debias import nuisance_days
from benchmarks.debias.exposed_log import Floats, Regime, World, expose, read_world
from benchmarks.debias.semi_synthetic import QUICK_ROWS, REGIMES
from benchmarks.parts.part import Options, Table
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.nuisance.config import NuisanceConfig
from tasks.evaluate.nuisance.grid import Gated, PartlyObserved, fit_outcomes, fit_propensities, gated
from tasks.evaluate.nuisance.instrument import InstrumentAudit, audit

ROWS = 4000
REAL_ROWS = 8000
REAL_NAMES = ("known causes, strong", "taste", "hidden cause")
LEVEL = 1.959964
MINIMUM_ROWS = 100.0
"""Effective rows below which nothing counts, as a night has it."""


@dataclass(frozen=True)
class Case:
    """Which learners there are; `constant` knows nothing: the one that is broken on purpose.

    Attributes:
        config: the learners.
        draws: logs per seed.
        bend: of exposure and outcome, which linear learners do not see.
    """

    config: NuisanceConfig
    draws: int
    bend: float = 1.0


LINEAR_AND_BOOSTING = NuisanceConfig(propensities=("logistic", "boosting"), outcomes=("ridge", "boosting"))
LINEAR = NuisanceConfig(propensities=("constant", "logistic"), outcomes=("constant", "ridge"))
CASES = {
    "three and three": Case(NuisanceConfig(), 8),
    "linear and boosting of each": Case(LINEAR_AND_BOOSTING, 8),
    "the same and a broken one of each": Case(
        NuisanceConfig(
            propensities=("constant", *LINEAR_AND_BOOSTING.propensities),
            outcomes=("constant", *LINEAR_AND_BOOSTING.outcomes),
        ),
        3,
    ),
    "boosting and a broken one of each": Case(
        NuisanceConfig(propensities=("constant", "boosting"), outcomes=("constant", "boosting")), 40
    ),
    "linear propensities, boosting for outcomes": Case(
        NuisanceConfig(propensities=("constant", "logistic"), outcomes=("constant", "boosting")), 5
    ),
    "linear and a broken one of each": Case(LINEAR, 20),
    "the same, and nothing bends": Case(LINEAR, 100, bend=0.0),
}
QUICK_CASE = "linear and a broken one of each"
INSTRUMENTS = ((5000, 1.0, 0.0), (5000, 1.0, 0.5), (5000, 0.3, 0.5), (50_000, 0.3, 0.5), (5000, 0.0, 0.5))
"""Rows, how much the instrument adds to the spread of the exposure, its direct effect."""
REPETITIONS = 200
PUBLISHED = ("1.003 (.048), 1.003, 1.42", ".996 (.049), 2.00, 1.44", ".997 (.181), 2.01, 1.65", "1.001 (.056), 2.00, 1.65",
             "1.81 (1.57), 2.01, 1.76")  # fmt: skip
"""This estimator, Wald and least squares of an independent implementation, for the same five lines."""


@dataclass(frozen=True)
class Tried:
    """One estimate and what is known of it.

    Attributes:
        found: by every pair, chosen and gated.
        truth: mean outcome of all rows.
        naive: of the observed rows.
    """

    found: Gated
    truth: float
    naive: float

    @property
    def errors(self) -> dict[str, float]:
        """Error of the chosen pair, of the median and the best pair, of the mean over pairs, of the observed rows."""
        values_EM = self.found.value_EM
        of_pairs_EM = np.abs(values_EM - self.truth)
        return {
            "chosen": abs(self.found.sums.value - self.truth),
            "median": float(np.median(of_pairs_EM)),
            "mean": abs(float(values_EM.mean()) - self.truth),
            "best": float(of_pairs_EM.min()),
            "observed": abs(self.naive - self.truth),
        }

    @property
    def held(self) -> bool:
        """Whether the interval holds the truth."""
        return abs(self.found.sums.value - self.truth) < LEVEL * self.found.standard_error

    @property
    def counts(self) -> bool:
        """Whether the gate lets it pass."""
        return not self.found.refusal(MINIMUM_ROWS)


def run(options: Options) -> list[Table]:
    """Return the tables of made-up rows, of real watch times, of simulated days, and of the instrument."""
    cases = {QUICK_CASE: Case(CASES[QUICK_CASE].config, 2)} if options.quick else CASES
    made = {
        name: [
            tried(made_rows(seed, draw, case.bend), case.config) for seed in options.seeds for draw in range(case.draws)
        ]
        for name, case in cases.items()
    }
    world = read_world(options.data / "KuaiRand-Pure", QUICK_ROWS if options.quick else None)
    regimes = [regime for regime in REGIMES if regime.name in REAL_NAMES]
    real = {
        regime.name: [tried(real_rows(world, regime, seed), LINEAR_AND_BOOSTING) for seed in options.seeds]
        for regime in regimes
    }
    repetitions = 5 if options.quick else REPETITIONS
    audits = {line: [audited(*line, seed) for seed in range(repetitions)] for line in INSTRUMENTS}
    return [
        _table(made, f"Made-up rows: {ROWS:,} rows, known mean", _ABOUT_MADE),
        _table(
            real, f"Real watch times under artificial exposure: {REAL_ROWS:,} rows, mean log(1 + s) of all", _ABOUT_REAL
        ),
        nuisance_days.table(nuisance_days.days(options.seeds, options.scratch)),
        _instrument_table(audits),
    ]


def tried(known: tuple[PartlyObserved, float, float], config: NuisanceConfig) -> Tried:
    """Estimate from rows, with their true mean and that of the observed ones."""
    rows, truth, naive = known
    return Tried(gated(rows, fit_propensities(rows, config, 0), fit_outcomes(rows, config, 0), config, 0), truth, naive)


def made_rows(seed: int, draw: int, bend: float = 1.0) -> tuple[PartlyObserved, float, float]:
    """Return rows, the mean outcome of all that could be drawn, and that of the observed ones.

    Exposure and outcome share a linear cause and a bent one; two rows of a user share an effect.
    """
    random = np.random.default_rng([seed, draw])
    input_NF = random.normal(size=(ROWS, 4))
    one_N, two_N, three_N, _ = input_NF.T
    chance_N = expit(-0.4 + 0.7 * one_N + bend * (0.5 * (np.square(two_N) - 1) - 0.6 * np.maximum(three_N, 0)))
    observed_N = random.random(ROWS) < chance_N
    users = Groups(np.arange(ROWS) // 2, ROWS // 2)
    expected_N = 3 + 1.2 * one_N + bend * (1.5 * np.abs(two_N) + one_N * three_N)
    outcome_N = expected_N + random.normal(0, 0.7, ROWS // 2)[users.code_B] + random.normal(0, 1.5, ROWS)
    rows = _partly(input_NF, observed_N, outcome_N, users)
    return rows, 3 + bend * 1.5 * float(np.sqrt(2 / np.pi)), float(outcome_N[observed_N].mean())


def real_rows(world: World, regime: Regime, seed: int) -> tuple[PartlyObserved, float, float]:
    """Return some rows of the log, the mean log(1 + s) of all of it, and that of the exposed ones among the rows.

    Learners read popularity, duration and the slot, which are all that exposure follows unless the regime says taste or a hidden cause.
    """
    exposure = expose(world, regime, seed)
    kept = np.sort(np.random.default_rng([seed, 2]).choice(len(world), min(REAL_ROWS, len(world)), replace=False))
    input_NF = np.stack([world.log_popularity, world.log_duration, exposure.slot], axis=1)[kept]
    outcome_N, observed_N = np.log1p(world.watch_s), exposure.observed[kept]
    rows = _partly(input_NF, observed_N, outcome_N[kept], encode_groups(world.user[kept]))
    return rows, float(outcome_N.mean()), float(outcome_N[kept][observed_N].mean())


def audited(rows: int, spread: float, direct: float, seed: int) -> InstrumentAudit:
    """Return the audit of an exposure of effect 1 that a hidden cause moves with the outcome."""
    random = np.random.default_rng([seed, rows])
    instrument_N = (random.random(rows) < 0.5).astype(np.float64)
    hidden_N = random.normal(size=rows)
    exposure_N = 0.5 * instrument_N + hidden_N + (1 + spread * instrument_N) * random.normal(size=rows)
    outcome_N = exposure_N + direct * instrument_N + 1.5 * hidden_N + 0.7 * random.normal(size=rows)
    return audit(instrument_N, exposure_N, outcome_N, np.empty((rows, 0)), Groups(np.arange(rows), rows))


def _partly(input_NF: Floats, observed_N: np.ndarray, outcome_N: Floats, users: Groups) -> PartlyObserved:
    return PartlyObserved(input_NF, observed_N, np.where(observed_N, outcome_N, np.nan), np.ones(len(outcome_N)), users)


def _table(found: Mapping[str, Sequence[Tried]], title: str, notes: Sequence[str]) -> Table:
    rows = []
    for name, runs in found.items():
        errors = [run.errors for run in runs]
        nearer = [of["chosen"] < of["median"] for of in errors]
        rows.append(
            [
                name,
                str(len(runs)),
                _share([run.held for run in runs]),
                _share([run.held for run in runs if run.counts]),
                _share([run.counts for run in runs]),
                _share(nearer),
                *(
                    _root_mean_square([of[kind] for of in errors])
                    for kind in ("chosen", "median", "mean", "best", "observed")
                ),
            ]
        )
    return Table(
        title=title,
        columns=[
            "learners or exposure", "logs", "interval holds the truth", "of those that count", "counts", "nearer than the median pair",
            "RMSE: chosen", "median pair", "mean of pairs", "best pair (unattainable)", "observed rows",
        ],
        rows=rows,
        notes=notes,
        numbers={name: [run.errors for run in runs] for name, runs in found.items()},
    )  # fmt: skip


def _instrument_table(found: Mapping[tuple[int, float, float], Sequence[InstrumentAudit]]) -> Table:
    rows = []
    for (size, spread, direct), runs, published in zip(found, found.values(), PUBLISHED, strict=True):
        values = [run.value for run in runs if run.value is not None]
        held = [
            abs(run.value - 1) < LEVEL * run.standard_error
            for run in runs
            if run.value is not None and run.standard_error is not None
        ]
        rows.append(
            [
                f"{size:,}, {spread:g}, {direct:g}",
                _share([run.value is None for run in runs]),
                _median(values) if values else "no number",
                _share(held),
                _median([run.wald for run in runs]),
                _median([run.regression for run in runs]),
                published,
            ]
        )
    return Table(
        title=f"Instrument with a direct effect: truth 1, median (interquartile range) of {max(map(len, found.values()))} logs",
        columns=[
            "rows, heteroscedasticity, direct effect", "refused", "this estimator", "interval holds the truth", "Wald", "least squares",
            "independent implementation: this, Wald, least squares",
        ],
        rows=rows,
        notes=[
            "Z is 0 or 1 with equal chance, D = Z/2 + U + (1 + h Z) e, Y = D + direct Z + 1.5 U + .7 e', all noise standard normal: our "
            "reading of the world behind the independent figures, which gives their Wald and least-squares columns. Those figures "
            "are without the test of variances, so their last line holds what is refused here.",
        ],
        numbers={str(line): [run.value for run in runs] for line, runs in found.items()},
    )  # fmt: skip


def _share(true: Sequence[bool]) -> str:
    """Return a share with its exact 95 % interval."""
    if not true:
        return ""
    within = binomtest(sum(true), len(true)).proportion_ci(0.95)
    return f"{100 * np.mean(true):.1f} % [{100 * within.low:.1f}, {100 * within.high:.1f}]"


def _root_mean_square(errors: Sequence[float]) -> str:
    return f"{np.sqrt(np.mean(np.square(errors))):.4f}"


def _median(values: Sequence[float]) -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.3f} ({high - low:.3f})"


_ABOUT_MADE = (
    "Intervals of 95 % around the share of logs. Nearer than the median pair: the chosen estimate against the median over all pairs "
    "of the absolute error. Exposure and outcome share a linear cause, which every learner but `constant` sees, and a bent one, "
    "which boosting and the perceptron see.",
)
_ABOUT_REAL = (
    "Linear and boosted learners of each kind read popularity, duration and slot. Under *taste* and *hidden cause* something else moves exposure "
    "too: what counts there and misses is what the gate cannot see. Each seed draws rows, slots and exposures anew.",
)
