"""The stages of a night by name: what each reads, writes and is configured by. Only wiring.

Stage packages are imported where they run: a stage pays for the libraries it needs, not for those of the others.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from tasks.config import Params, load_params
from tasks.core.days import Days
from tasks.core.document import read_document
from tasks.core.errors import ConfigError
from tasks.core.files import write_json, writing
from tasks.core.layout import ANCHOR_TABLE, BUNDLE_MANIFEST, JUDGE_TABLE, OLDER_STATE_TABLE, Workspace
from tasks.core.run_key import RunKey, load_run_key
from tasks.core.torchrun import torchrun
from tasks.ingest.config import SourceConfig
from tasks.train.recipe_types import is_trees


@dataclass(frozen=True)
class Night:
    """Everything a stage may know: the configuration, the key of the night and where things lie."""

    params: Params
    key: RunKey
    workspace: Workspace

    @classmethod
    def load(cls, workspace: Workspace) -> "Night":
        """Read params.yaml and run.yaml."""
        return cls(load_params(workspace.params), load_run_key(workspace.run_key), workspace)

    @property
    def source(self) -> SourceConfig:
        """The source of this night, reading from the path in the run key."""
        config = self.params.named_source(self.key.source)
        return config.model_copy(update={"path": self.key.data}) if "path" in type(config).model_fields else config

    @property
    def days(self) -> Days:
        """The roles of the days, as far as the source reaches back once ingest has run."""
        from tasks.ingest import first_day

        days = self.params.window.days(self.key.as_of)
        return days.since(first_day(self.workspace.raw))


def ingest(night: Night, recipe: str | None) -> Any:
    from tasks.ingest import ingest as run

    return run(night.source, night.params.window.days(night.key.as_of), night.workspace.raw, night.params.cluster)


def validate(night: Night, recipe: str | None) -> Any:
    from tasks.validate.stage import validate as run

    params, workspace = night.params, night.workspace
    return run(workspace.raw, params.validation, night.days, workspace.validated, params.cluster)


def features(night: Night, recipe: str | None) -> Any:
    from tasks.features.build import build_features

    params, workspace = night.params, night.workspace
    return build_features(workspace.validated, params.features, night.days, workspace.features, params.cluster)


def table(night: Night, recipe: str | None) -> Any:
    from tasks.table.build import build_table
    from tasks.table.candidate_log import CandidateLog

    params, workspace = night.params, night.workspace
    candidates = CandidateLog.of(workspace.raw)
    return build_table(
        workspace.features, params.table, night.days, workspace.table, candidates=candidates, cluster=params.cluster
    )


def champion(night: Night, recipe: str | None) -> Any:
    from tasks.registry import PinnedLedger, checkout_champion

    key, workspace = night.key, night.workspace
    pinned = PinnedLedger(key.as_of, key.ledger, night.params.gate)
    return checkout_champion(workspace.registry(key.source), key.champion, key.evidence, workspace.champion, pinned)


def code(night: Night, recipe: str | None) -> Any:
    from tasks.train.code import write_code

    params = night.params
    members = {name: params.ensemble(name).members for name in params.nightly.ensembles}
    members |= {name: (name,) for name in params.nightly.recipes}
    recipes = {name: [params.recipe(member) for member in members[name]] for name in params.nightly.challengers}
    return write_code(recipes, night.workspace.code)


def train(night: Night, recipe: str | None) -> Any:
    from tasks.train.run import NamedRecipe, assist
    from tasks.train.run import train as run

    name, workspace = _named("train", recipe), night.workspace
    named = NamedRecipe(name, night.params.recipe(name), night.params.training_of(name))
    among = torchrun()
    if among is not None and among.rank > 0:
        return assist(workspace.table, named, workspace.scratch)
    return run(workspace.table, named, workspace.bundle(name), workspace.scratch)


def ensemble(night: Night, recipe: str | None) -> Any:
    from tasks.ensemble.stage import build_ensemble

    name, workspace, params = _named("ensemble", recipe), night.workspace, night.params
    members = {member: workspace.bundle(member) for member in params.ensemble(name).members}
    return build_ensemble(workspace.table, name, members, params.training, workspace.ensemble(name))


def baselines(night: Night, recipe: str | None) -> Any:
    from tasks.baselines.stage import fit_baselines
    from tasks.evaluate.stage import evaluate as measure

    workspace, params = night.workspace, night.params
    with writing(workspace.predictions("baselines")) as out:
        trees = [name for name in params.nightly.recipes if is_trees(params.recipes[name])]
        bundles = [workspace.bundle(name) for name in trees]
        fitted = fit_baselines(workspace.features, workspace.table, night.days, params.baselines, out, bundles)
        for name in fitted:
            folder = out / name
            measure(folder / JUDGE_TABLE, params.evaluation, folder, name=name, duration_edges_s=_edges(night))
    return tuple(fitted)


def evaluate(night: Night, recipe: str | None) -> Any:
    from tasks.attribution.stage import attribute
    from tasks.evaluate.stage import write_summary

    name, workspace = _named("evaluate", recipe), night.workspace
    bundle, plots, out = workspace.bundle(name), workspace.plots / name, workspace.predictions(name)
    evaluation = _predict_and_measure(night, name, bundle, out)
    attribute(bundle, workspace.table, workspace.features, out, night.params.training.threads)
    write_summary(evaluation, workspace.metrics / f"{name}.json", plots, _validation_xauc(workspace, name))
    shutil.copyfile(bundle / "curves.csv", plots / "curves.csv")
    return _headline(evaluation)


def evaluate_ensemble(night: Night, recipe: str | None) -> Any:
    from tasks.evaluate.stage import write_summary

    name, workspace = _named("evaluate_ensemble", recipe), night.workspace
    evaluation = _predict_and_measure(night, name, workspace.ensemble(name), workspace.predictions(name))
    metrics = workspace.metrics / f"{name}.json"
    write_summary(evaluation, metrics, workspace.plots / name, _validation_xauc(workspace, name))
    return _headline(evaluation)


def evaluate_champion(night: Night, recipe: str | None) -> Any:
    from tasks.gate.decision import RETIRED_FILE, Retired
    from tasks.registry import read_checkout

    workspace = night.workspace
    checkout = read_checkout(workspace.champion)
    out = workspace.predictions("champion")
    if checkout.bundle is None:
        with writing(out) as folder:
            folder.mkdir(parents=True)
            write_json(folder / "champion.json", {"champion": None})
        return "there is no champion yet"
    if missing := _lacking(night, checkout.bundle):
        assert checkout.champion is not None
        retired = Retired(entry=checkout.champion, lacks=missing)
        with writing(out) as folder:
            retired.write(folder / RETIRED_FILE)
        return f"the champion {retired.entry} is retired: {retired.reason}"
    anchor = None if checkout.anchor is None or _lacking(night, checkout.anchor) else checkout.anchor
    return _headline(_predict_and_measure(night, "champion", checkout.bundle, out, anchor, older_state=True))


def candidates(night: Night, recipe: str | None) -> Any:
    from tasks.candidates.stage import NamedProposer
    from tasks.candidates.stage import candidates as run

    name, workspace, params = _named("candidates", recipe), night.workspace, night.params
    named, settings = NamedProposer(name, params.proposer(name)), params.candidates
    return run(_measured(night, settings.threads), workspace.table, named, settings, workspace.proposer(name)).headline


def gate(night: Night, recipe: str | None) -> Any:
    from tasks.gate.decision import headline, load_decision
    from tasks.gate.gate import gate as run

    params, workspace = night.params, night.workspace
    result = run(_gate_inputs(night), params.gate, params.evaluation, workspace.gate)
    write_json(workspace.metrics / "gate.json", headline(load_decision(workspace.gate)))
    return result


def forecast(night: Night, recipe: str | None) -> Any:
    from tasks.core.predictions import read_bound
    from tasks.forecast.inputs import ForecastInputs, standing, winning
    from tasks.forecast.stage import forecast as run
    from tasks.forecast.words import summary
    from tasks.gate.decision import load_decision
    from tasks.registry import read_checkout

    workspace = night.workspace
    checkout, decision = read_checkout(workspace.champion), load_decision(workspace.gate)
    champion = None if decision.retired is not None else standing(checkout, workspace.judge_table("champion"))
    inputs = ForecastInputs(
        night.days.modelled,
        workspace.features,
        champion,
        winning(decision, workspace.judge_table(decision.winner)) if decision.winner else champion,
        checkout.forecasts,
        read_bound(workspace.judge_table(decision.challengers[0].name)),
    )
    return "; ".join(summary(run(inputs, workspace.forecast)))


def oracle(night: Night, recipe: str | None) -> Any:
    from tasks.oracle.stage import oracle as run
    from tasks.registry import read_checkout

    params, workspace = night.params, night.workspace
    bundles = {name: workspace.challenger(name) for name in params.nightly.challengers}
    champion = read_checkout(workspace.champion).bundle
    if champion is not None and not _lacking(night, champion):
        bundles["champion"] = champion
    kept = params.validation.rows.duration_range
    limits = None if kept is None or "duration_range" in params.validation.rows.off else kept.limits_ms
    return run(_measured(night, params.training.threads), night.source, bundles, limits, workspace.oracle)


def score(night: Night, recipe: str | None) -> Any:
    from tasks.gate.decision import load_decision
    from tasks.score.stage import Serving
    from tasks.score.stage import score as run

    workspace = night.workspace
    decision = load_decision(workspace.gate)
    winner = decision.winner
    standing = None if decision.retired is not None else _champion_bundle(night)
    bundle = workspace.challenger(winner) if winner else standing
    model = None if bundle is None else Serving(bundle, workspace.judge_table(winner or "champion"))
    settings = night.params.score
    proposed = None if settings.proposer is None else workspace.proposer(settings.proposer)
    measured, cluster = _measured(night, settings.threads), night.params.cluster
    return run(measured, model, settings, workspace.scores, workspace.identities, proposed, cluster)


def report(night: Night, recipe: str | None) -> Any:
    from tasks.report import FILE, render_report

    workspace = night.workspace
    return render_report(workspace, night.params.report, night.key, workspace.report / FILE)


STAGES: Mapping[str, Callable[[Night, str | None], Any]] = {
    "ingest": ingest,
    "validate": validate,
    "features": features,
    "table": table,
    "champion": champion,
    "code": code,
    "train": train,
    "ensemble": ensemble,
    "baselines": baselines,
    "evaluate": evaluate,
    "evaluate_ensemble": evaluate_ensemble,
    "evaluate_champion": evaluate_champion,
    "candidates": candidates,
    "gate": gate,
    "forecast": forecast,
    "oracle": oracle,
    "score": score,
    "report": report,
}
"""Stage name -> function of the night and, for stages that run once per recipe or ensemble, its name."""


_EACH = {"ensemble": "ensemble", "evaluate_ensemble": "ensemble", "candidates": "proposer"}
"""Stages that do not run once per recipe -> what they run once for."""


def _named(stage: str, recipe: str | None) -> str:
    if recipe is None:
        raise ConfigError(f"stage {stage} runs once per {_EACH.get(stage, 'recipe')}: add --recipe NAME")
    return recipe


def _edges(night: Night) -> list[float]:
    from tasks.evaluate.edges import fit_duration_edges

    return fit_duration_edges(night.workspace.table, night.params.evaluation.duration_groups)


def _predict_and_measure(
    night: Night, name: str, bundle: Path, out: Path, anchor: Path | None = None, older_state: bool = False
) -> Any:
    from tasks.evaluate.stage import evaluate as measure
    from tasks.predict import predict_days
    from tasks.trade_off.trade_off import trade_off

    measured, edges = _measured(night, night.params.training.threads), _edges(night)
    with writing(out) as folder:
        predict_days(bundle, measured.judge, folder / JUDGE_TABLE, measured.threads)
        if anchor is not None:
            predict_days(anchor, measured.judge, folder / ANCHOR_TABLE, measured.threads)
        if older_state:
            predict_days(bundle, measured.judge, folder / OLDER_STATE_TABLE, measured.threads, older_state=True)
        trade_off(measured, bundle, folder, edges)
        return measure(folder / JUDGE_TABLE, measured.evaluation, folder, name=name, duration_edges_s=edges)


def _lacking(night: Night, bundle: Path) -> tuple[str, ...]:
    """Return what the champion was trained with and this night's features do not hold."""
    from tasks.predict import lacking

    return lacking(bundle, _measured(night, night.params.training.threads).judge)


def _measured(night: Night, threads: int) -> Any:
    from tasks.evaluate.night import MeasuredNight

    return MeasuredNight(night.workspace.features, night.days, night.params.evaluation, threads)


def _headline(evaluation: Any) -> dict[str, float]:
    return {metric: evaluation.metrics[metric].value for metric in ("xauc", "xgauc", "mae", "rmse")}


def _validation_xauc(workspace: Workspace, name: str) -> float:
    """Return XAUC on the validation day, averaged over seeds, of a model as it was fitted."""
    from tasks.train.validation_metrics import FILE, CalibratedMetrics, FittedMetrics

    kind = dict[int, FittedMetrics | CalibratedMetrics]
    seeds = read_document(workspace.challenger(name) / FILE, kind, f"that fits {name}")
    return fmean(fit.xauc for fit in seeds.values())


def configuration_of(params: Params, name: str, recipe_of: Callable[[str], Any]) -> list[Any]:
    """Return what defines a challenger: recipe and training settings, or those of every member and what joins them.

    Args:
        params: the configuration.
        name: the challenger's.
        recipe_of: returns a recipe by name with all its defaults, as JSON values.
    """
    if name not in params.nightly.ensembles:
        recipe, training = recipe_of(name), params.training_of(name)
        counts = training.calibration if is_trees(recipe) else training
        return [recipe, counts.model_dump(mode="json")]
    joined = params.ensemble(name)
    members = [configuration_of(params, member, recipe_of) for member in joined.members]
    return [joined.model_dump(mode="json"), params.training.calibration.model_dump(mode="json"), members]


def _champion_bundle(night: Night) -> Path | None:
    from tasks.registry import read_checkout

    return read_checkout(night.workspace.champion).bundle


def _gate_inputs(night: Night) -> Any:
    """Gather the judge tables of all contenders, and what else the decision depends on."""
    from tasks.core.document import read_optional
    from tasks.gate.decision import RETIRED_FILE, Retired
    from tasks.gate.inputs import Contender, GateInputs, JudgeDay, configuration_hash
    from tasks.registry import read_checkout
    from tasks.validate.summary import FILE as SUMMARY
    from tasks.validate.summary import DataSummary

    workspace, params = night.workspace, night.params
    shared = [block.model_dump(mode="json") for block in (params.table, params.features)]
    checkout = read_checkout(workspace.champion)
    retired = read_optional(workspace.predictions("champion") / RETIRED_FILE, Retired, "evaluate_champion")
    table = workspace.predictions("champion") / ANCHOR_TABLE
    anchor = table if table.is_file() else None

    def recipe_of(name: str) -> Any:
        # As it was fitted; to parse it from params.yaml would load torch.
        return read_document(workspace.bundle(name) / BUNDLE_MANIFEST, dict[str, Any], f"train@{name}")["recipe"]

    def contender(name: str) -> Contender:
        own, xauc = configuration_of(params, name, recipe_of), _validation_xauc(workspace, name)
        return Contender(name, configuration_hash(*own, *shared), workspace.judge_table(name), xauc)

    return GateInputs(
        JudgeDay(
            night.key.as_of,
            tuple(contender(name) for name in params.nightly.challengers),
            None if retired else checkout.contender(workspace.judge_table("champion")),
            read_document(workspace.validated / SUMMARY, DataSummary, "validate").passed,
        ),
        {name: workspace.predictions("baselines") / name / JUDGE_TABLE for name in params.baselines.enabled},
        checkout.evidence,
        checkout.reign if anchor else checkout.reign.model_copy(update={"anchor": checkout.champion}),
        anchor,
        tuple(_edges(night)),
        retired,
    )
