"""`dwell tune`: searches one recipe's hyper-parameters and writes the best as configuration.

Reads the fit and validation splits of the table, never the judge day: a recipe that was tuned has to win there.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from models.recipe import Recipe
from tasks.core.errors import DwellError
from tasks.core.files import hash_value, write_text
from tasks.core.layout import Workspace
from tasks.core.manifest import code_hash, models_hash
from tasks.evaluate.config import EvaluationConfig
from tasks.table.training_table import TrainingTable
from tasks.train.code import recipe_code
from tasks.train.config import TrainingBlock
from tasks.tune.config import TuningConfig
from tasks.tune.confirm import confirm
from tasks.tune.result import Gain, SearchOutcome, TrialRow
from tasks.tune.space import Space
from tasks.tune.study import ERROR, INDEX, Search, alone, run_search, settled

MINIMUM_FOR_IMPORTANCE = 10
_STATES = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "given up", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class DefaultRecipe:
    """The recipe as it is: what a search starts from and must beat.

    Attributes:
        name: its name in params.yaml.
        spelled: its block there; what is found is written in the same words.
        recipe: the block, checked.
        training: settings of every recipe, and what differs for this one.
        evaluation: how the uncertainty of the gain is drawn.
    """

    name: str
    spelled: Mapping[str, Any]
    recipe: Recipe
    training: TrainingBlock
    evaluation: EvaluationConfig


@dataclass(frozen=True)
class Tuned:
    """What the command did.

    Attributes:
        found: what the search found.
        recipe: file with the found recipe.
        trials: file with one line per trial.
    """

    found: SearchOutcome
    recipe: Path
    trials: Path


def tune(workspace: Workspace, default: DefaultRecipe, config: TuningConfig) -> Tuned:
    """Search the hyper-parameters of one recipe, or go on with a search, and write what was found below `tuned/`.

    Args:
        workspace: with the table of a night.
        default: the recipe as it is.
        config: what is searched, how far, and by which number.

    Raises:
        ConfigError: if the search space does not suit the recipe.
        ContractError: if there is no table, or it cannot be read.
        TuningError: if another command works on the same search, or no trial was finished.
        TrainingError: if the table lacks what the recipe needs.
    """
    table = TrainingTable.open(workspace.table)
    space = Space.of(default.recipe, default.training.of(default.name), config.space, config.metric)
    key = _key(table, space, config)
    search = Search(default.name, workspace.table, workspace.scratch / "tuning" / default.name / key, space, config)
    with alone(search):
        study = run_search(search)
        found = _found(search, study, table.validation_day.isoformat(), default.evaluation)
    return _write(workspace.tuned, found, default)


def _key(table: TrainingTable, space: Space, config: TuningConfig) -> str:
    """Name everything the trials depend on; the judge day and how many trials there are is not among it."""
    return hash_value(
        [
            table.learned_hashes,
            [code_hash("train", "table", "evaluate", "tune"), _models_code(space), version("optuna")],
            [space.recipe, space.training.model_dump(mode="json")],
            [[dimension.path, dimension.parameter.model_dump(mode="json")] for dimension in space.dimensions],
            config.model_dump(mode="json", exclude={"space", "trials", "jobs", "confirmation_seeds"}),
        ]
    )[:16]


def _models_code(space: Space) -> str:
    """Return the hash of the code of the recipe, or of all of `models/` where the search chooses among components."""
    choices = [choice for dimension in space.dimensions for choice in dimension.parameter.choices or ()]
    chooses = any(isinstance(choice, Mapping) for choice in choices)
    chooses |= any(dimension.path.rsplit(".", 1)[-1] == "kind" for dimension in space.dimensions)
    return models_hash() if chooses else recipe_code(space.candidate({}).recipe)


def _found(search: Search, study: optuna.Study, day: str, evaluation: EvaluationConfig) -> SearchOutcome:
    rows = [_row(search, trial) for trial in settled(study)[: search.config.trials]]
    found = SearchOutcome(search.name, search.config.metric, day, search.space, rows)
    gain, doubt = _gain(search, found, evaluation)
    return SearchOutcome(search.name, search.config.metric, day, search.space, rows, gain, doubt, _importance(study))


def _row(search: Search, trial: FrozenTrial) -> TrialRow:
    return TrialRow(
        index=trial.user_attrs[INDEX],
        state=_STATES[trial.state],
        value=trial.value if trial.state == TrialState.COMPLETE else None,
        epochs=len(trial.intermediate_values),
        values={d.path: d.value(trial.params[d.path]) for d in search.space.dimensions},
        error=trial.user_attrs.get(ERROR, ""),
    )


def _gain(search: Search, found: SearchOutcome, evaluation: EvaluationConfig) -> tuple[Gain | None, str]:
    if found.best.index == 0:
        return None, "No trial beat the recipe as it is."
    if found.rows[0].value is None:
        return None, f"There is no gain to state, the recipe as it is failed: {found.rows[0].error}"
    try:
        return confirm(search, found.best.index, found.best.values, evaluation), ""
    except DwellError as error:
        return None, f"Doubtful: a fit with a fresh seed failed: {error}"


def _importance(study: optuna.Study) -> dict[str, float]:
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < MINIMUM_FOR_IMPORTANCE:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return dict(optuna.importance.get_param_importances(study))


def _write(folder: Path, found: SearchOutcome, default: DefaultRecipe) -> Tuned:
    recipe = write_text(folder / f"{found.name}.yaml", found.to_yaml(default.spelled, default.training))
    trials = write_text(folder / f"{found.name}.trials.csv", found.to_csv())
    return Tuned(found, recipe, trials)
