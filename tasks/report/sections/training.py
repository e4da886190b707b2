"""How the fits went: curves per recipe and seed, and what the validation day said."""

from collections.abc import Iterator, Sequence

from tasks.report import charts
from tasks.report.inputs import Artifacts, Bundle
from tasks.report.view import Block, Cell, Chart, Charts, Head, Heading, Row, Section, Table, Text, fold
from tasks.report.wording import Measure, count, listed, measure, number, task

_LOSS = Measure("loss", "", 4)
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
        blocks += _recipe(bundle)
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
        Head("Best epoch", numeric=True),
        Head("Loss", numeric=True),
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
                    Cell(str(values["best_epoch"]), f"of {len(_seed_rows(bundle, seed))}", numeric=True),
                    Cell(number(values["loss"], _LOSS), numeric=True),
                    *(Cell(number(values[name], measure(name)), numeric=True) for name in _DAY),
                    Cell(after, f"before {before}", numeric=True),
                    Cell("refused", refused, tone="bad") if refused else Cell("kept", tone="good"),
                ),
                marked=seed == str(bundle.manifest["serving_seed"]),
            )
        )
    return Table(f"{bundle.name} on the validation day, by seed", heads, tuple(rows))


def _tasks(bundle: Bundle) -> list[str]:
    columns = bundle.curves[0] if bundle.curves else {}
    return [name.removeprefix("train_") for name in columns if name.startswith("train_")]


def _task_losses(bundle: Bundle, tasks: Sequence[str]) -> Table:
    heads = (Head("Seed"), *(Head(task(name).capitalize(), "validation, fit", numeric=True) for name in tasks))
    rows = []
    for seed, epoch in bundle.manifest["best_epoch"].items():
        best = next((row for row in _seed_rows(bundle, seed) if int(row["epoch"]) == int(epoch)), {})
        cells = (
            Cell(
                number(_float(best.get(f"validation_{name}")), _LOSS),
                number(_float(best.get(f"train_{name}")), _LOSS),
                numeric=True,
            )
            for name in tasks
        )
        rows.append(Row((Cell(f"seed {seed}, epoch {epoch}"), *cells)))
    return Table(f"Losses of {bundle.name} at its best epoch", heads, tuple(rows))


def _float(text: str | None) -> float | None:
    return float(text) if text else None
