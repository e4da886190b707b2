"""Run a protocol: data once, then every variant's table, recipes and baselines on identical judge rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.days import Days
from tasks.layout import Workspace
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
        source = params.named_source(params.default_source)
        if self.data is not None:
            source = source.model_copy(update={"path": str(self.data)})
        ingest(source, self.days, workspace.raw)
        validate(workspace.raw, params.validation, self.days, workspace.validated)
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
        from tasks.train.run import train

        params, place = self.protocol.params, self.place(variant)
        bundle, out = place.bundle(recipe), place.predictions(recipe)
        train(place.table, recipe, params.recipe(recipe), params.training_of(recipe), bundle, place.scratch)
        judge = out / "judge.parquet"
        predict_days(bundle, self.workspace.features, self.days.judge, judge, params.training.threads)
        evaluate(judge, params.evaluation, out, name=recipe, duration_edges_s=self._edges(variant))

    def baselines(self) -> None:
        """Fit the baselines and measure them on the same rows."""
        from tasks.baselines.stage import fit_baselines
        from tasks.evaluate.stage import evaluate

        params, out = self.protocol.params, self.workspace.predictions("baselines")
        fitted = fit_baselines(self.workspace.features, self.days, params.baselines, out)
        edges = self._edges(self.protocol.baselines_on)
        for name in fitted.tables:
            evaluate(out / name / "judge.parquet", params.evaluation, out / name, name=name, duration_edges_s=edges)

    def results(self) -> dict[str, dict[str, Any]]:
        """Return group -> model -> its metrics document."""
        from tasks.files import read_json

        groups: dict[str, dict[str, Any]] = {}
        for name, variant in self.protocol.variants.items():
            place = self.place(name)
            groups[variant.title] = {
                recipe: read_json(place.predictions(recipe) / "metrics.json") for recipe in variant.recipes
            }
        folder = self.workspace.predictions("baselines")
        enabled = self.protocol.params.baselines.enabled
        groups["Baselines"] = {name: read_json(folder / name / "metrics.json") for name in enabled}
        return groups

    def place(self, name: str) -> Workspace:
        """Return where the table, the bundles and the predictions of one variant lie."""
        return Workspace(self.workspace.root / "variants" / name)

    def _edges(self, variant: str) -> list[float]:
        from tasks.evaluate.edges import fit_duration_edges

        return fit_duration_edges(self.place(variant).table, self.protocol.params.evaluation.duration_groups)
