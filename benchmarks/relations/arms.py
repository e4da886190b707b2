"""Three arms on the same rows: without relation features, with them, and with those of permuted pairs."""

import datetime as dt
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.feedback.differences import known_ends
from benchmarks.parts.part import Table
from tasks.core.files import read_json
from tasks.core.layout import Workspace, partition
from tasks.evaluate.compare import compare
from tasks.evaluate.comparison import PairedMetric
from tasks.features import recency
from tasks.features.config import FeatureConfig
from tasks.features.state import column_names
from tasks.protocol.config import Protocol, Variant
from tasks.protocol.run import ProtocolRun
from tasks.table.config import TableConfig

ARMS = {
    "without": "without",
    "counts": "with counts and means of pairs",
    "with": "with all relation features",
    "permuted": "with all, of permuted pairs",
}
PERMUTED = "Permuted: each row has the relation features of another row of its user and day."
ABOUT = (
    "A mean over the fits ± their standard deviation, and the paired difference from the same recipe without relation features "
    "with its 95 % interval (users of the judge days, fits of both sides)."
)
METRICS = {"xauc": "XAUC", "xgauc": "XGAUC"}
_SHUFFLE_SEED = 7


@dataclass(frozen=True)
class RelationRun:
    """One log on which every arm is fitted.

    Attributes:
        protocol: days, recipes and features, those of pairs among them.
        root: where everything lies.
        data: path of the source, instead of the protocol's.
    """

    protocol: Protocol
    root: Path
    data: Path | None = None

    @property
    def features(self) -> Path:
        """Where the features lie that were not permuted."""
        return Workspace(self.root / "data").features

    def measured(self, arms: Sequence[str]) -> dict[str, dict[str, Path]]:
        """Return recipe -> arm -> prediction table of the judge days."""
        run = ProtocolRun(self._protocol({}), Workspace(self.root / "data"), self.data)
        run.prepare()
        tables = self._tables(run.workspace.features)
        permuted = Workspace(self.root / "permuted")
        if "permuted" in arms:
            permute_pairs(run.workspace.features, permuted.features, relation_columns(run.protocol.params.features))
        found: dict[str, dict[str, Path]] = {}
        run = ProtocolRun(self._protocol({arm: tables[arm] for arm in arms}), run.workspace, self.data)
        for arm in arms:
            place = ProtocolRun(run.protocol, permuted if arm == "permuted" else run.workspace)
            place.table(arm)
            for recipe in self._recipes:
                place.fit(arm, recipe)
                found.setdefault(recipe, {})[arm] = place.place(arm).judge_table(recipe)
        return found

    @property
    def _recipes(self) -> tuple[str, ...]:
        (variant,) = self.protocol.variants.values()
        return variant.recipes

    def _protocol(self, tables: Mapping[str, TableConfig]) -> Protocol:
        variants = {arm: Variant(title=ARMS[arm], table=table, recipes=self._recipes) for arm, table in tables.items()}
        return self.protocol.model_copy(update={"variants": variants})

    def _tables(self, features: Path) -> dict[str, TableConfig]:
        """Return what each arm encodes."""
        schema, config = read_json(features / "schema.json"), self.protocol.params.features
        categorical = [column["name"] for column in schema["categorical"]]
        codes, every = code_columns(config), relation_columns(config)
        aggregates = [name for name in every if name in schema["dense"] and not _tells_time(name, config)]

        def table(dense: Sequence[str], fields: Sequence[str]) -> TableConfig:
            return TableConfig(dense=tuple(dense), categorical=tuple(fields))

        without = [name for name in schema["dense"] if name not in every]
        plain = [name for name in categorical if name not in codes]
        return {
            "without": table(without, plain),
            "counts": table([*without, *aggregates], plain),
            "with": table(schema["dense"], categorical),
            "permuted": table(schema["dense"], categorical),
        }


def code_columns(config: FeatureConfig) -> list[str]:
    """Return the categorical columns of recency."""
    return [column for name, group in config.groups.items() for column in recency.code_columns(name, group)]


def relation_columns(config: FeatureConfig) -> list[str]:
    """Return every column of the groups that have recency."""
    groups = {name: group for name, group in config.groups.items() if group.recency}
    return code_columns(config) + [column for name, group in groups.items() for column in column_names(name, group)]


def _tells_time(column: str, config: FeatureConfig) -> bool:
    return any(column in recency.dense_columns(name, group) for name, group in config.groups.items())


def permute_pairs(features: Path, out: Path, columns: Sequence[str]) -> None:
    """Copy a features folder in which every row has the relation features of another row of its user and state day.

    What a user is like stays in them; of which author or video it is known is lost.
    """
    shutil.copytree(features, out)
    for path in sorted((out / "rows").glob("day=*/part.parquet")):
        rows = pl.read_parquet(path, hive_partitioning=False).with_row_index("row")
        chance = pl.Series("chance", np.random.default_rng(_SHUFFLE_SEED).random(rows.height))
        place = rows.select("row", "user_id", "state_day", chance).sort("user_id", "state_day", "row")
        other = place.sort("user_id", "state_day", "chance")["row"]
        taken = rows.select(columns)[other].with_columns(place["row"]).sort("row").drop("row")
        rows.with_columns(taken).drop("row").write_parquet(path)


def differences(tables: Mapping[str, Path], evaluation: Any) -> dict[str, dict[str, dict[str, float]]]:
    """Return arm -> metric -> its value, and the difference from the arm without with its interval.

    The interval holds the sampling of users, paired, and the variance between fits of both sides.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for arm, path in tables.items():
        comparison = compare([path], [tables["without"]], evaluation)
        found[arm] = {metric: _numbers(comparison.metrics[metric], evaluation.confidence) for metric in METRICS}
    return found


def _numbers(metric: PairedMetric, level: float) -> dict[str, float]:
    ends = known_ends(metric, level)
    return {"value": metric.candidate, "seed_sd": metric.candidate_seed_sd, "delta": metric.value, **ends}


def density(features: Path, days: Sequence[dt.date]) -> str:
    """Say how often the lookback holds the pair of a judge row."""
    paths = [partition(features / "rows", day) for day in days]
    rows = pl.concat(pl.read_parquet(path, hive_partitioning=False) for path in paths)
    known = rows.select((pl.col("user_author_seen_before") > 0).mean(), (pl.col("user_video_seen_before") > 0).mean())
    author, video = known.row(0)
    return (
        f"Judge rows: {rows.height:,} of {rows['user_id'].n_unique():,} users; the lookback holds the user and the author of "
        f"{author:.1%} of them, the user and the video of {video:.1%}."
    )


def table(title: str, found: Mapping[str, Mapping[str, Any]], notes: Sequence[str]) -> Table:
    """Return one table of recipes by arms."""
    rows = []
    for recipe, arms in found.items():
        for arm, metrics in arms.items():
            cells = [f"{recipe}, {ARMS[arm]}"]
            for numbers in metrics.values():
                cells.append(f"{numbers['value']:.4f} ± {numbers['seed_sd']:.4f}")
                cells.append("" if arm == "without" else "{delta:+.4f} [{low:+.4f}, {high:+.4f}]".format(**numbers))
            rows.append(cells)
    columns = ["recipe, arm", *(cell for label in METRICS.values() for cell in (label, "against without"))]
    return Table(title=title, columns=columns, rows=rows, notes=notes, numbers=found)
