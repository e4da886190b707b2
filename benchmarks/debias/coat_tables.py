"""The printed tables of the Coat benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.pairs.scoring import LOWER_IS_BETTER, PROBABILITY, RANKING, Estimate, Scores
from benchmarks.parts.cells import spread
from benchmarks.parts.part import Table

LABELS = {
    "auc": "AUC",
    "user_auc": "user AUC",
    "ndcg@5": "NDCG@5",
    "ndcg@10": "NDCG@10",
    "recall@5": "Recall@5",
    "recall@10": "Recall@10",
    "f1@5": "F1@5",
    "f1@10": "F1@10",
    "ure@10": "Recall@10 of all 300 (URE)",
    "log_loss": "log-loss",
    "brier": "Brier",
    "ece": "ECE",
    "mean_prediction": "mean prediction",
}
LITERATURE_COLUMNS = ("auc", "ndcg@5", "ndcg@10", "recall@5", "f1@5", "brier")
HONEST_COLUMNS = RANKING
DECIDING = ("auc", "user_auc", "ndcg@5", "recall@5")


@dataclass(frozen=True, eq=False)
class Judged:
    """One method under both variants.

    Attributes:
        name: as printed.
        literature: metrics of the literature variant.
        honest: metrics of the honest variant.
        fits: how many.
        epochs: mean number of epochs; None where there are none.
        settings: what was chosen on validation.
        published: literature AUC and NDCG@5 to be held against.
        source: where these come from.
        diagnostics: numbers the objective learned, mean over fits.
    """

    name: str
    literature: Scores
    honest: Scores
    fits: int = 1
    epochs: float | None = None
    settings: str = ""
    published: tuple[float, float] | None = None
    source: str = ""
    diagnostics: Mapping[str, float] = field(default_factory=dict)


def floors_table(floors: Sequence[Judged]) -> Table:
    """Return the floors under both variants, in the columns of docs/methods/debias.md#floors-on-coat."""
    shown = ("auc", "user_auc", "ndcg@5", "recall@5", "f1@5")
    columns = ["score", *(f"lit. {LABELS[m]}" for m in shown), *(f"honest {LABELS[m]}" for m in shown)]
    rows = [
        [floor.name, *(_plain(floor.literature[m]) for m in shown), *(_plain(floor.honest[m]) for m in shown)]
        for floor in floors
    ]
    notes = [
        "Fitted on all 6,960 training ratings. Tied scores are ranked in 20 random orders and averaged.",
        "The logistic regressions are scikit-learn's with its default stopping rule, as in the reference table; run to "
        "convergence the two change by up to .003.",
    ]
    return Table("Floors (both variants)", columns, rows, notes, {floor.name: _numbers(floor) for floor in floors})


def literature_table(methods: Sequence[Judged]) -> Table:
    """Return the metrics of the literature variant beside published figures."""
    columns = [
        "method",
        *(_label(m, "MSE") for m in LITERATURE_COLUMNS),
        "epochs",
        "reference AUC / NDCG@5",
        "AUC - reference",
    ]
    rows = [[m.name, *(_spread(m.literature.get(c)) for c in LITERATURE_COLUMNS), *_reference(m)] for m in methods]
    notes = [
        "All 4,640 test rows: 366 of these pairs were trained on with the same rating. A user without positives has NDCG 1 "
        "and recall 0. Mean ± standard deviation between fits. For comparison with published figures only.",
        "Reference: docs/methods/debias.md#reference-figures-on-coat, measured on public code or, for MF with "
        "biases, with validation.",
    ]
    return Table("Literature variant", columns, rows, notes, {m.name: _numbers(m)["literature"] for m in methods})


def honest_table(title: str, methods: Sequence[Judged], notes: Sequence[str] = ()) -> Table:
    """Return the ranking metrics of the honest variant."""
    columns = ["method", *(LABELS[m] for m in HONEST_COLUMNS), "chosen on validation"]
    rows = [[m.name, *(_spread(m.honest[c]) for c in HONEST_COLUMNS), m.settings] for m in methods]
    return Table(f"Honest variant: {title}", columns, rows, notes, {m.name: _numbers(m) for m in methods})


def probability_table(methods: Sequence[Judged], mean_label: float) -> Table:
    """Return the probability metrics of the honest variant."""
    shown = [m for m in methods if PROBABILITY[0] in m.honest]
    rows = [[m.name, *(_spread(m.honest[c]) for c in PROBABILITY), _learned(m)] for m in shown]
    notes = [
        f"Each model's own link. The mean label of the random rows is {mean_label:.3f}; that of the self-selected training "
        "ratings is .520, and whatever is fitted to those alone promises too much.",
    ]
    columns = ["method", *(LABELS[m] for m in PROBABILITY), "learned"]
    return Table("Honest variant: probabilities", columns, rows, notes)


def differences_table(methods: Sequence[Judged], floors: Sequence[Judged]) -> Table:
    """Return paired differences to the strongest floors, and on which metrics a method beats every floor."""
    strongest = floors[-2:]
    columns = [
        "method",
        *(f"{LABELS[m]} - {_short(f.name)}" for f in strongest for m in DECIDING),
        "beats every floor on",
    ]
    rows = []
    numbers: dict[str, object] = {}
    for method in methods:
        cells = [_interval(method.honest[m].minus(floor.honest[m])) for floor in strongest for m in DECIDING]
        won = [m for m in DECIDING if all(better(method.honest[m], floor.honest[m], m) for floor in floors)]
        rows.append([method.name, *cells, ", ".join(LABELS[m] for m in won) or "none"])
        numbers[method.name] = {
            floor.name: {m: _difference(method.honest[m].minus(floor.honest[m])) for m in DECIDING} for floor in floors
        }
    notes = [
        "Mean over fits minus the floor [95 % interval over 1,000 resamples of users, the same for both]. The interval does "
        "not hold the spread between fits, which is in the tables above. Differences below .01 AUC are noise at this size.",
        "A method beats a floor where the interval lies above 0. With about thirty methods, one or two would do so by chance "
        "at a true difference of 0.",
    ]
    return Table("Honest variant: paired differences to the floors", columns, rows, notes, numbers)


def better(method: Estimate, floor: Estimate, metric: str) -> bool:
    """Return whether the paired 95 % interval of the difference lies on the good side of 0."""
    low, high = method.minus(floor).interval()
    return high < 0 if metric in LOWER_IS_BETTER else low > 0


def _numbers(judged: Judged) -> dict[str, object]:
    def of(scores: Scores) -> dict[str, object]:
        return {
            name: {"value": e.value, "fit_sd": e.fit_sd, "low": e.interval()[0], "high": e.interval()[1]}
            for name, e in scores.items()
        }

    return {
        "literature": of(judged.literature),
        "honest": of(judged.honest),
        "fits": judged.fits,
        "settings": judged.settings,
    }


def _difference(estimate: Estimate) -> dict[str, float]:
    low, high = estimate.interval()
    return {"value": estimate.value, "low": low, "high": high}


def _label(metric: str, brier: str) -> str:
    return brier if metric == "brier" else LABELS[metric]


def _reference(judged: Judged) -> list[str]:
    epochs = "" if judged.epochs is None else f"{judged.epochs:.0f}"
    if judged.published is None:
        return [epochs, "", ""]
    auc, ndcg = judged.published
    return [
        epochs,
        f"{_digits(auc)} / {_digits(ndcg)} ({judged.source})",
        f"{judged.literature['auc'].value - auc:+.3f}",
    ]


def _learned(judged: Judged) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in judged.diagnostics.items())


def _short(name: str) -> str:
    return "featured logistic" if "features" in name else "id logistic"


def _plain(estimate: Estimate) -> str:
    return _digits(estimate.value)


def _spread(estimate: Estimate | None) -> str:
    return "" if estimate is None else spread(estimate.value, estimate.fit_sd, _digits)


def _interval(estimate: Estimate) -> str:
    low, high = estimate.interval()
    return f"{estimate.value:+.3f} [{low:+.3f}, {high:+.3f}]"


def _digits(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
