"""Column lineage of the tables of the night in a workspace, from what its stages wrote of themselves."""

from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.contract import KEY, context_names, impressions_schema
from tasks.core.files import read_json
from tasks.core.layout import BUNDLE_MANIFEST, Workspace
from tasks.core.predictions import SOURCE_COLUMNS, prediction_columns
from tasks.core.traits import Declared, declared
from tasks.features.config import FeatureConfig
from tasks.features.traits import KNOWN_FROM, told_by
from tasks.lineage.features import HISTORY, IMPRESSION_TABLE, ROWS, USER_TABLE, VIDEO_TABLE, FeatureLineage
from tasks.lineage.origins import Column, Entry, Lineage, Origins, itself, merged
from tasks.lineage.tables import TRAITS, meanings, measured
from tasks.table.preprocessor import DURATION_BUCKET, Preprocessor
from tasks.table.training_table import PREPROCESSOR, TrainingTable
from tasks.validate.config import RowRulesConfig
from tasks.validate.row_rules import DUPLICATE_RULES, RowContext, active

_RAW, _PREDICTIONS, _TABLE = "data/raw", "artifacts/predictions", "data/table"
TRAIT_TABLE = f"data/validated/{TRAITS}"
FEATURE_TRAITS = f"data/features/{TRAITS}"


class NightColumns:
    """Lineage of the tables in a workspace; of each only where its files and those it is told by are there.

    Args:
        workspace: where the night's stages have run.
        rules: row rules that the night validated by.
    """

    def __init__(self, workspace: Workspace, rules: RowRulesConfig) -> None:
        self._root, self._workspace, self._rules = workspace.root, workspace, rules
        self.found = cache(lambda data_set: measured(workspace.root, data_set))

    def lineage(self, data_set: str) -> Lineage | None:
        """Return where the columns of a data set come from; None: nothing tells."""
        if data_set == _TABLE:
            return self._of_table()
        table = self.found(data_set)
        if table is None:
            return None
        names = list(table.schema)
        if data_set in (IMPRESSION_TABLE, USER_TABLE, VIDEO_TABLE, TRAIT_TABLE):
            return self._of_validated(data_set, names)
        if data_set.startswith(f"{_PREDICTIONS}/"):
            return self._of_predictions(data_set, names)
        if data_set.startswith("data/features/"):
            return self._of_features(data_set, names)
        return None

    def schema(self, data_set: str) -> dict[str, str]:
        """Return column -> type of a data set; empty where it is no table, or not there."""
        if data_set == _TABLE and TrainingTable.stands_in(self._workspace.table):
            table = TrainingTable.open(self._workspace.table)
            fields = dict.fromkeys(table.schema.names, "Int32")
            return fields | dict.fromkeys(table.schema.dense_names, "Float32") | dict.fromkeys(table.tasks, "Int8")
        found = self.found(data_set)
        return {} if found is None else {name: str(dtype) for name, dtype in found.schema.items()}

    def meanings(self, data_set: str) -> dict[str, str]:
        """Return column -> what is known of it; sensitive attributes of users are marked as such."""
        return meanings(data_set) | self._marks(data_set)

    def _marks(self, data_set: str) -> dict[str, str]:
        if not self._traits or not (data_set == _TABLE or data_set.endswith(TRAITS)):
            return {}
        return {
            column: f"SENSITIVE attribute of users, collected for: {self._traits[name]['purpose']}"
            for column, name in told_by(self._traits, self._traits).items()
        }

    @cached_property
    def _traits(self) -> Declared:
        said = self._workspace.features / "schema.json"
        return declared(read_json(said)) if said.is_file() else {}

    def _of_validated(self, data_set: str, names: Iterable[str]) -> Lineage:
        raw = f"{_RAW}/{Path(data_set).name}"
        fields = {name: itself(raw, name) for name in names}
        return Lineage(fields, rule_columns(self._rules, raw) if data_set == IMPRESSION_TABLE else {})

    def _of_features(self, data_set: str, names: list[str]) -> Lineage | None:
        stage, tables = self._features, [f"data/features/{name}.parquet" for name in ("users", "videos")]
        users, videos = (self.found(table) for table in tables)
        if stage is None or users is None or videos is None:
            return None
        if data_set == ROWS:
            return stage.rows(list(users.schema), list(videos.schema))
        if data_set == HISTORY:
            return stage.history()
        if data_set == FEATURE_TRAITS:
            return Lineage(told_of_traits(names))
        return stage.users(names) if data_set == tables[0] else stage.videos(names)

    @property
    def _features(self) -> FeatureLineage | None:
        said = self._workspace.features / "schema.json"
        impressions, users, videos = (self.found(table) for table in (IMPRESSION_TABLE, USER_TABLE, VIDEO_TABLE))
        if not said.is_file() or impressions is None or users is None or videos is None:
            return None
        schema: Mapping[str, Any] = read_json(said)
        config = FeatureConfig.model_validate(schema["config"])
        context = context_names(impressions.schema)
        return FeatureLineage(config, schema["timezone"], list(users.schema), list(videos.schema), context)

    def _of_table(self) -> Lineage | None:
        if not TrainingTable.stands_in(self._workspace.table):
            return None
        table = TrainingTable.open(self._workspace.table)
        read = table.preprocessor.row_columns
        named = {name: name for name in (*table.schema.names, *table.schema.dense_names) if name in read}
        labels = {task: task for task in table.tasks}
        made = {**named, **labels, DURATION_BUCKET: "duration_ms"}
        return Lineage({name: _of_row(source, dict(table.schema.sensitive)) for name, source in made.items()})

    def _of_predictions(self, data_set: str, names: list[str]) -> Lineage:
        fields: dict[str, Origins] = {name: itself(ROWS, name) for name in names if name in SOURCE_COLUMNS}
        fields["day"] = itself(ROWS, "arrival_day")
        fields["y_s"] = {Column(ROWS, name): "TRANSFORMATION" for name in ("watch_ms", "duration_ms")}
        bundle = self._workspace.bundle(Path(data_set).name)
        if (bundle / PREPROCESSOR).is_dir():
            preprocessor = Preprocessor.load(bundle / PREPROCESSOR)
            asked = read_json(bundle / BUNDLE_MANIFEST)["recipe"].get("traits", ())
            unread = {column for column, trait in preprocessor.sensitive.items() if trait not in asked}
            read = [name for name in preprocessor.row_columns if name not in unread]
            told = merged(_of_row(name, preprocessor.sensitive) for name in read)
            fields |= {column.name: told for column in prediction_columns(names)}
        return Lineage(fields)


def _of_row(column: str, sensitive: Mapping[str, str]) -> Origins:
    """Return where a column comes from that a table or model reads of a feature row; traits are joined to it.

    Args:
        column: its name.
        sensitive: column -> the trait that it tells.
    """
    if column not in sensitive:
        return {Column(ROWS, column): "TRANSFORMATION"}
    joined: Origins = {Column(FEATURE_TRAITS, KNOWN_FROM): "CONDITIONAL", Column(ROWS, "state_day"): "CONDITIONAL"}
    return {Column(FEATURE_TRAITS, sensitive[column]): "TRANSFORMATION", **joined}


def told_of_traits(columns: Iterable[str]) -> dict[str, Origins]:
    """Return the lineage of data/features/traits.parquet, which has these columns."""
    times: Origins = {Column(TRAIT_TABLE, name): "TRANSFORMATION" for name in ("consent_time_ms", "recorded_time_ms")}
    return {name: times if name == KNOWN_FROM else itself(TRAIT_TABLE, name) for name in columns}


def rule_columns(rules: RowRulesConfig, table: str) -> dict[Column, Entry]:
    """Return the columns of a table of impressions that row rules look at: they decide which rows are kept.

    Args:
        rules: the configuration.
        table: its path.
    """
    types = impressions_schema(())
    looked_at = {
        name for rule in active(RowContext(rules, 0, 0), "quarantine").items() for name in _read_by(*rule, types)
    }
    return {Column(table, name): "FILTER" for name in types if name in looked_at}


def _read_by(rule: str, broken: pl.Expr, types: Mapping[str, pl.DataType]) -> Iterable[str]:
    """Return the columns without which a rule cannot be evaluated."""
    if rule in DUPLICATE_RULES:
        return KEY
    return [name for name in types if not _resolves(broken, {other: types[other] for other in types if other != name})]


def _resolves(expression: pl.Expr, types: Mapping[str, pl.DataType]) -> bool:
    try:
        pl.LazyFrame(schema=types).select(expression.alias("broken")).collect_schema()
    except pl.exceptions.ColumnNotFoundError:
        return False
    return True
