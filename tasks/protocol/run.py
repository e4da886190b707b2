"""Run a protocol: data once, then every variant's table, recipes and baselines on identical judge rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.days import Days
from tasks.core.layout import JUDGE_TABLE, Workspace
from tasks.protocol.config import Protocol


@dataclass(frozen=True)
class ProtocolRun:
    """A protocol in a workspace of its own.

    Attributes:
        protocol: what is run.
        workspace: where; partitions and checkpoints of an earlier run are re-used.
        data: path of the source, instead of the one in the protocol.
    """

    protocol: Protocol
    workspace: Workspace
    data: Path | None = None

    @property
    def days(self) -> Days:
        """The roles of the days."""
        return self.protocol.days.days(self.protocol.params.window.lookback_days)

    def prepare(self) -> None:
        """Ingest, validate and build features."""
        from tasks.features.build import build_features
        from tasks.ingest.stage import ingest
        from tasks.validate.stage import validate

        params, workspace = self.protocol.params, self.workspace
        ingest(params.source_at(params.default_source, self.data), self.days, workspace.raw)
        validate(workspace.raw, params.validation, self.days, workspace.validated, params.cluster)
        build_features(workspace.validated, params.features, self.days, workspace.features, params.cluster)

    def table(self, variant: str) -> Path:
        """Build the table of one variant."""
        from tasks.table.build import build_table

        out = self.place(variant).table
        build_table(self.workspace.features, self.protocol.variants[variant].table, self.days, out)
        return out

    def fit(self, variant: str, recipe: str) -> None:
        """Fit one recipe with every seed, predict the judge days and measure them."""
        from tasks.evaluate.stage import evaluate
        from tasks.predict import predict_days
        from tasks.protocol.as_published import gain_table, write_as_published
        from tasks.table.source import FeatureDays
        from tasks.train.run import NamedRecipe, train

        params, place = self.protocol.params, self.place(variant)
        bundle, out = place.bundle(recipe), place.predictions(recipe)
        train(
            place.table,
            NamedRecipe(recipe, params.recipe(recipe), params.training_of(recipe)),
            bundle,
            place.scratch,
        )
        judge = out / JUDGE_TABLE
        predict_days(bundle, FeatureDays(self.workspace.features, self.days.judge), judge, params.training.threads)
        evaluate(
            judge, params.evaluation, out, name=recipe, duration_edges_s=self._edges(variant), frozen=self.days.frozen
        )
        write_as_published(judge, gain_table(place.table), out, self.days.frozen)

    def baselines(self) -> None:
        """Fit the baselines and measure them on the same rows."""
        from tasks.baselines.stage import fit_baselines
        from tasks.evaluate.stage import evaluate
        from tasks.protocol.as_published import gain_table, write_as_published

        params, out = self.protocol.params, self.workspace.predictions("baselines")
        table, edges = self.place(self.protocol.baselines_on).table, self._edges(self.protocol.baselines_on)
        fitted = fit_baselines(self.workspace.features, table, self.days, params.baselines, out)
        gains = gain_table(table)
        for name, judge in fitted.items():
            evaluate(judge, params.evaluation, judge.parent, name=name, duration_edges_s=edges, frozen=self.days.frozen)
            write_as_published(judge, gains, judge.parent, self.days.frozen)

    def results(self) -> dict[str, dict[str, Any]]:
        """Return group -> model -> its metrics document."""
        groups: dict[str, dict[str, Any]] = {}
        for name, variant in self.protocol.variants.items():
            place = self.place(name)
            groups[variant.title] = {recipe: _document(place.predictions(recipe)) for recipe in variant.recipes}
        folder = self.workspace.predictions("baselines")
        groups["Baselines"] = {name: _document(folder / name) for name in self.protocol.params.baselines.enabled}
        return groups

    def place(self, name: str) -> Workspace:
        """Return where the table, the bundles and the predictions of one variant lie."""
        return Workspace(self.workspace.root / "variants" / name)

    def _edges(self, variant: str) -> list[float]:
        from tasks.evaluate.edges import fit_duration_edges

        return fit_duration_edges(self.place(variant).table, self.protocol.params.evaluation.duration_groups)


def _document(folder: Path) -> dict[str, Any]:
    from tasks.core.files import read_json
    from tasks.protocol.as_published import FILE

    return {**read_json(folder / "metrics.json"), "as_published": read_json(folder / FILE)}
