"""How the fits went: curves per recipe and seed, and what the validation day said."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from tasks.report import charts
from tasks.report.fitted import FittedBundle, FittedEnsemble, FittedRecipe, FittedTrees
from tasks.report.formatting import Measure, count, listed, measure, number, plural, share, task
from tasks.report.inputs import Artifacts
from tasks.report.view import (
    Cell,
    Chart,
    Charts,
    Heading,
    PageBlock,
    PageTable,
    Section,
    TableHead,
    TableRow,
    Text,
    fold,
)
from tasks.table.selection.summary import SelectionSummary
from tasks.train.curves import Epoch
from tasks.train.trees.config import TargetName
from tasks.train.validation_metrics import CalibratedMetrics

_LOSS = Measure("loss", "", 4)
_SHARE = Measure("share", "", 2)
_TIMES = Measure("weight", "", 1)
_WATCH = Measure("watch time", "", 2, "s")
_COSINE = Measure("cosine", "", 2)
_CONFLICT = -0.1
"""Cosine below which a task is marked as pulling against watch time."""
_DAY: Mapping[str, Callable[[CalibratedMetrics], float]] = {
    "xauc": lambda day: day.xauc,
    "xgauc": lambda day: day.xgauc,
    "mae": lambda day: day.mae,
    "rmse": lambda day: day.rmse,
}
"""What is shown of the validation day."""
_TARGETS: Mapping[TargetName, str] = {
    "log": "the logarithm of watch time",
    "percentile": "its percentile",
    "seconds": "seconds",
    "duration_percentile": "its percentile among equal durations",
}
"""What the trees of a score are fitted to."""


def training(artifacts: Artifacts) -> Section:
    """Return the section."""
    days = artifacts.bundles[0].manifest.days
    blocks: list[PageBlock] = [
        Text(
            f"Fitted on {_span(days.fit)}, stopped early and calibrated on {_span(days.validation)}. Validation numbers "
            "carry no interval: they choose the epoch and the seed, and claim nothing."
        )
    ]
    selected = next((found for bundle in artifacts.bundles if (found := bundle.manifest.selection)), None)
    if selected is not None:
        blocks.append(_selected(selected))
    for bundle in artifacts.bundles:
        if isinstance(bundle, FittedRecipe):
            blocks += _recipe(bundle)
        else:
            blocks += _trees(bundle) if isinstance(bundle, FittedTrees) else _ensemble(bundle)
    return Section("training", "Training", tuple(blocks))


def _selected(found: SelectionSummary) -> Text:
    """Say which rows the steps read, and warn where the weights do not give back a mean that is known."""
    drawn = f"{count(found.kept_units)} of {plural(found.units, found.unit)}"
    words = (
        f"Steps read {count(found.kept)} of {count(found.pool)} fit rows ({share(found.kept, found.pool)}), drawn by {found.kind!r} "
        f"({drawn}) with recorded probabilities, each weighed by its inverse: as good as {count(round(found.effective))} rows drawn alike, "
        f"largest weight {number(found.largest_weight, _TIMES)}. Quantiles, counts and propensities are those of all fit rows. The "
        f"weighted mean watch time is {number(found.weighted_watch_s, _WATCH)} ± {number(found.error_s, _WATCH)}, of all rows "
        f"{number(found.pool_watch_s, _WATCH)}"
    )
    if found.agrees:
        return Text(f"{words}.")
    return Text(f"{words}: further apart than 1.96 standard errors, as one night of 20 is by chance.", "warn")


def _span(days: Sequence[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _recipe(bundle: FittedRecipe) -> Iterator[PageBlock]:
    manifest = bundle.manifest
    yield Heading(bundle.name, f"seed {manifest.serving_seed} would serve")
    rows = f"{count(manifest.rows.fit)} fit rows, {count(manifest.rows.validation)} validation rows."
    frozen = manifest.frozen_tasks
    yield Text(rows + (f" Frozen for want of positives: {listed(map(task, frozen))}." if frozen else ""))
    yield Charts(tuple(_charts(bundle)))
    yield _seeds(bundle)
    others = [name for name in _tasks(bundle) if name != "watch_time"]
    if others:
        yield fold("Losses of the other tasks", _task_losses(bundle, others))
        yield fold("What the tasks ask of the layers they share", _gradients(bundle, _tasks(bundle)))


def _trees(bundle: FittedTrees) -> Iterator[PageBlock]:
    manifest = bundle.manifest
    yield Heading(bundle.name, f"seed {manifest.serving_seed} would serve")
    tried = listed(f"{_TARGETS[name]} ({number(found, measure('xauc'))})" for name, found in manifest.chosen_by.items())
    trees = listed(map(str, manifest.num_trees[manifest.serving_seed]["score"]))
    frozen = manifest.frozen_tasks
    yield Text(
        f"{count(manifest.rows.fit)} fit rows, {count(manifest.rows.validation)} validation rows. The score is the mean of "
        f"{plural(manifest.recipe.fits, 'fit')} of boosted trees ({trees} trees), fitted to {_TARGETS[manifest.target]}; "
        f"tried, with the XAUC of the first fit: {tried}. Read most: {listed(manifest.most_important[:5])}."
        + (f" Left out for want of positives: {listed(map(task, frozen))}." if frozen else "")
    )
    caption = f"XAUC of the first fit of {bundle.name} on the validation day, by number of trees"
    ranking = [
        charts.Series(
            f"seed {seed}", [row.epoch for row in rows], [row.measured["validation_xauc"] for row in rows], place
        )
        for place, seed in enumerate(dict.fromkeys(epoch.seed for epoch in bundle.curves))
        for rows in [_epochs(bundle, seed)]
    ]
    yield Charts((Chart(f"{caption}.", charts.lines(ranking, "trees", "XAUC", caption, whole_x=True)),))
    yield _seeds(bundle)


def _ensemble(bundle: FittedEnsemble) -> Iterator[PageBlock]:
    yield Heading(bundle.name, f"seed {bundle.manifest.serving_seed} would serve")
    yield Text(
        f"The mean of the percentiles of {listed(bundle.manifest.member_names)}, each in its scores of the validation day "
        f"({count(bundle.manifest.rows.validation)} rows). Nothing is fitted but the calibrators."
    )
    yield _seeds(bundle)


def _epochs(bundle: FittedRecipe | FittedTrees, seed: int) -> list[Epoch]:
    return [epoch for epoch in bundle.curves if epoch.seed == seed]


def _charts(bundle: FittedRecipe) -> Iterator[Chart]:
    losses, ranking = [], []
    for colour, seed in enumerate(dict.fromkeys(epoch.seed for epoch in bundle.curves)):
        rows = _epochs(bundle, seed)
        epochs = [row.epoch for row in rows]
        for part, dashed in (("validation", False), ("train", True)):
            values = [row.measured[f"{part}_watch_time"] for row in rows]
            losses.append(charts.Series(f"seed {seed}, {part}", epochs, values, colour, dashed))
        xauc = [row.measured["validation_xauc"] for row in rows]
        ranking.append(charts.Series(f"seed {seed}", epochs, xauc, colour))
    best = ", ".join(f"seed {seed}: epoch {epoch}" for seed, epoch in bundle.manifest.best_epoch.items())
    caption = f"Watch-time loss of {bundle.name}"
    plot = charts.lines(losses, "epoch", "loss", f"{caption}, fit and validation, by epoch. Best: {best}", whole_x=True)
    yield Chart(f"{caption}; dashed: on fit days.", plot)
    caption = f"XAUC of {bundle.name} on the validation day"
    yield Chart(
        f"{caption}.", charts.lines(ranking, "epoch", "XAUC", f"{caption}, by epoch. Best: {best}", whole_x=True)
    )


def _seeds(bundle: FittedBundle) -> PageTable:
    fits = _fits(bundle) if isinstance(bundle, FittedRecipe) else {}
    heads = (
        TableHead("Seed"),
        *((TableHead("Best epoch", numeric=True), TableHead("Loss", numeric=True)) if fits else ()),
        *(TableHead(measure(name).label, numeric=True) for name in _DAY),
        TableHead("Total error", "held out, before and after", numeric=True),
        TableHead("Calibrator"),
    )
    rows = []
    for seed, values in sorted(bundle.validation.items()):
        refused = bundle.manifest.calibration_refused.get(seed)
        total = measure("tre_signed")
        before, after = (number(tre, total, signed=True) for tre in (values.tre_before, values.tre_after))
        rows.append(
            TableRow(
                (
                    Cell(f"seed {seed}"),
                    *fits.get(seed, ()),
                    *(Cell(number(of(values), measure(name)), numeric=True) for name, of in _DAY.items()),
                    Cell(after, f"before {before}", numeric=True),
                    Cell("refused", refused, tone="bad") if refused else Cell("kept", tone="good"),
                ),
                marked=seed == bundle.manifest.serving_seed,
            )
        )
    return PageTable(f"{bundle.name} on the validation day, by seed", heads, tuple(rows))


def _fits(bundle: FittedRecipe) -> dict[int, tuple[Cell, Cell]]:
    """Return the epoch kept and its loss, by seed."""
    return {
        seed: (
            Cell(str(values.best_epoch), f"of {len(_epochs(bundle, seed))}", numeric=True),
            Cell(number(values.loss, _LOSS), numeric=True),
        )
        for seed, values in bundle.validation.items()
    }


def _tasks(bundle: FittedRecipe) -> list[str]:
    columns = bundle.curves[0].measured if bundle.curves else {}
    return [name.removeprefix("train_") for name in columns if name.startswith("train_")]


def _task_losses(bundle: FittedRecipe, tasks: Sequence[str]) -> PageTable:
    def cell(best: Epoch | None, name: str) -> Cell:
        validation, fit = (_column(best, f"{part}_{name}") for part in ("validation", "train"))
        return Cell(number(validation, _LOSS), number(fit, _LOSS), numeric=True)

    return _at_best_epoch(bundle, tasks, f"Losses of {bundle.name} at its best epoch", "validation, fit", cell)


def _gradients(bundle: FittedRecipe, tasks: Sequence[str]) -> PageTable:
    def cell(best: Epoch | None, name: str) -> Cell:
        share, cosine = (_column(best, f"gradient_{part}_{name}") for part in ("share", "cosine"))
        against = cosine is not None and cosine < _CONFLICT
        detail = number(cosine, _COSINE, signed=True) + (", pulls against it" if against else "")
        return Cell(number(share, _SHARE), detail, numeric=True, tone="bad" if against else "plain")

    title = f"Share of the gradient norm of {bundle.name} by task at its best epoch, on rows of the fit days"
    return _at_best_epoch(bundle, tasks, title, "share, cosine with watch time", cell)


def _at_best_epoch(
    bundle: FittedRecipe, tasks: Sequence[str], title: str, detail: str, cell: Callable[[Epoch | None, str], Cell]
) -> PageTable:
    heads = (TableHead("Seed"), *(TableHead(task(name).capitalize(), detail, numeric=True) for name in tasks))
    rows = []
    for seed, epoch in bundle.manifest.best_epoch.items():
        best = next((row for row in _epochs(bundle, seed) if row.epoch == epoch), None)
        rows.append(TableRow((Cell(f"seed {seed}, epoch {epoch}"), *(cell(best, name) for name in tasks))))
    return PageTable(title, heads, tuple(rows))


def _column(epoch: Epoch | None, name: str) -> float | None:
    return None if epoch is None else epoch.measured.get(name)
