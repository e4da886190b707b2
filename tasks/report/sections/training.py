"""How the fits went: curves per recipe and seed, and what the validation day said."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tasks.report import charts
from tasks.report.formatting import Measure, count, listed, measure, number, task
from tasks.report.inputs import Artifacts, Bundle
from tasks.report.view import Block, Cell, Chart, Charts, Head, Heading, Row, Section, Table, Text, fold

_LOSS = Measure("loss", "", 4)
_SHARE = Measure("share", "", 2)
_COSINE = Measure("cosine", "", 2)
_CONFLICT = -0.1
"""Cosine below which a task is marked as pulling against watch time."""
_DAY = ("xauc", "xgauc", "mae", "rmse")


def training(artifacts: Artifacts) -> Section:
    """Return the section."""
    days = artifacts.bundles[0].manifest["days"]
    blocks: list[Block] = [
        Text(
            f"Fitted on {_span(days['fit'])}, stopped early and calibrated on {_span(days['validation'])}. Validation numbers "
            "carry no interval: they choose the epoch and the seed, and claim nothing."
        )
    ]
    for bundle in artifacts.bundles:
        blocks += _ensemble(bundle) if bundle.members else _recipe(bundle)
    return Section("training", "Training", tuple(blocks))


def _span(days: Sequence[str]) -> str:
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _recipe(bundle: Bundle) -> Iterator[Block]:
    manifest = bundle.manifest
    yield Heading(bundle.name, f"seed {manifest['serving_seed']} would serve")
    rows = f"{count(manifest['rows']['fit'])} fit rows, {count(manifest['rows']['validation'])} validation rows."
    frozen = manifest["frozen_tasks"]
    yield Text(rows + (f" Frozen for want of positives: {listed(map(task, frozen))}." if frozen else ""))
    yield Charts(tuple(_charts(bundle)))
    yield _seeds(bundle)
    others = [name for name in _tasks(bundle) if name != "watch_time"]
    if others:
        yield fold("Losses of the other tasks", _task_losses(bundle, others))
        yield fold("What the tasks ask of the layers they share", _gradients(bundle, _tasks(bundle)))


def _ensemble(bundle: Bundle) -> Iterator[Block]:
    yield Heading(bundle.name, f"seed {bundle.manifest['serving_seed']} would serve")
    yield Text(
        f"The mean of the percentiles of {listed(bundle.members)}, each in its scores of the validation day "
        f"({count(bundle.manifest['rows']['validation'])} rows). Nothing is fitted but the calibrators."
    )
    yield _seeds(bundle)


def _seed_rows(bundle: Bundle, seed: str) -> list[dict[str, str]]:
    return [dict(row) for row in bundle.curves if row["seed"] == seed]


def _charts(bundle: Bundle) -> Iterator[Chart]:
    losses, ranking = [], []
    for colour, seed in enumerate(dict.fromkeys(row["seed"] for row in bundle.curves)):
        rows = _seed_rows(bundle, seed)
        epochs = [int(row["epoch"]) for row in rows]
        for part, dashed in (("validation", False), ("train", True)):
            values = [float(row[f"{part}_watch_time"]) for row in rows]
            losses.append(charts.Series(f"seed {seed}, {part}", epochs, values, colour, dashed))
        ranking.append(charts.Series(f"seed {seed}", epochs, [float(row["validation_xauc"]) for row in rows], colour))
    best = ", ".join(f"seed {seed}: epoch {epoch}" for seed, epoch in bundle.manifest["best_epoch"].items())
    caption = f"Watch-time loss of {bundle.name}"
    svg = charts.lines(losses, "epoch", "loss", f"{caption}, fit and validation, by epoch. Best: {best}", whole_x=True)
    yield Chart(f"{caption}; dashed: on fit days.", svg)
    caption = f"XAUC of {bundle.name} on the validation day"
    yield Chart(
        f"{caption}.", charts.lines(ranking, "epoch", "XAUC", f"{caption}, by epoch. Best: {best}", whole_x=True)
    )


def _seeds(bundle: Bundle) -> Table:
    heads = (
        Head("Seed"),
        *(() if bundle.members else (Head("Best epoch", numeric=True), Head("Loss", numeric=True))),
        *(Head(measure(name).label, numeric=True) for name in _DAY),
        Head("Total error", "held out, before and after", numeric=True),
        Head("Calibrator"),
    )
    rows = []
    for seed, values in sorted(bundle.validation.items(), key=lambda item: int(item[0])):
        refused = bundle.manifest["calibration_refused"].get(seed)
        total = measure("tre_signed")
        before, after = (number(values.get(f"tre_{when}"), total, signed=True) for when in ("before", "after"))
        rows.append(
            Row(
                (
                    Cell(f"seed {seed}"),
                    *(() if bundle.members else _fit(bundle, seed, values)),
                    *(Cell(number(values[name], measure(name)), numeric=True) for name in _DAY),
                    Cell(after, f"before {before}", numeric=True),
                    Cell("refused", refused, tone="bad") if refused else Cell("kept", tone="good"),
                ),
                marked=seed == str(bundle.manifest["serving_seed"]),
            )
        )
    return Table(f"{bundle.name} on the validation day, by seed", heads, tuple(rows))


def _fit(bundle: Bundle, seed: str, values: Mapping[str, Any]) -> tuple[Cell, Cell]:
    return (
        Cell(str(values["best_epoch"]), f"of {len(_seed_rows(bundle, seed))}", numeric=True),
        Cell(number(values["loss"], _LOSS), numeric=True),
    )


def _tasks(bundle: Bundle) -> list[str]:
    columns = bundle.curves[0] if bundle.curves else {}
    return [name.removeprefix("train_") for name in columns if name.startswith("train_")]


def _task_losses(bundle: Bundle, tasks: Sequence[str]) -> Table:
    def cell(best: Mapping[str, str], name: str) -> Cell:
        validation, fit = (_float(best.get(f"{part}_{name}")) for part in ("validation", "train"))
        return Cell(number(validation, _LOSS), number(fit, _LOSS), numeric=True)

    return _at_best_epoch(bundle, tasks, f"Losses of {bundle.name} at its best epoch", "validation, fit", cell)


def _gradients(bundle: Bundle, tasks: Sequence[str]) -> Table:
    def cell(best: Mapping[str, str], name: str) -> Cell:
        share, cosine = (_float(best.get(f"gradient_{part}_{name}")) for part in ("share", "cosine"))
        against = cosine is not None and cosine < _CONFLICT
        detail = number(cosine, _COSINE, signed=True) + (", pulls against it" if against else "")
        return Cell(number(share, _SHARE), detail, numeric=True, tone="bad" if against else "plain")

    title = f"Share of the gradient norm of {bundle.name} by task at its best epoch, on rows of the fit days"
    return _at_best_epoch(bundle, tasks, title, "share, cosine with watch time", cell)


def _at_best_epoch(
    bundle: Bundle, tasks: Sequence[str], title: str, detail: str, cell: Callable[[Mapping[str, str], str], Cell]
) -> Table:
    heads = (Head("Seed"), *(Head(task(name).capitalize(), detail, numeric=True) for name in tasks))
    rows = []
    for seed, epoch in bundle.manifest["best_epoch"].items():
        best = next((row for row in _seed_rows(bundle, seed) if int(row["epoch"]) == int(epoch)), {})
        rows.append(Row((Cell(f"seed {seed}, epoch {epoch}"), *(cell(best, name) for name in tasks))))
    return Table(title, heads, tuple(rows))


def _float(text: str | None) -> float | None:
    return float(text) if text else None
