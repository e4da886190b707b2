"""A fitted model, asked about rows as the log writes them: their features are joined as those of the training rows were."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from tasks.core.days import HOUR_MS, Days, midnight_ms
from tasks.core.errors import ConfigError, ContractError
from tasks.core.layout import Workspace
from tasks.features.buckets import local_time
from tasks.features.candidates import candidates
from tasks.inference.explain import Explainer
from tasks.inference.named import CHAMPION, named_bundle
from tasks.inference.raw_rows import RawRows
from tasks.night.belonging import refuse_others
from tasks.predict import Bundle, Model, load_model
from tasks.stages import Night
from tasks.table.past import Past
from tasks.table.source import CHUNK_ROWS, FeatureFolder

Rows = pl.DataFrame | Mapping[str, Sequence[Any]]
"""A Polars or pandas table, or columns by name."""
_INDEX, _DAY, _WHERE = "_index", "_day", "the rows given"


def load(name: str = CHAMPION, workspace: Path | str = ".", threads: int | None = None) -> "LoadedModel":
    """Load a fitted model and the features of the night in run.yaml.

    Args:
        name: "champion" (whoever would serve now), a recipe or ensemble of the night, or the id of a registry entry.
        workspace: folder that nights run in.
        threads: CPU threads of torch in this process; None: `score.threads`, which give the bits that nights give.

    Raises:
        ConfigError: if there is no such model; the message lists what there is.
        NightError: if the features belong to another night than run.yaml.
    """
    night = Night.load(Workspace(Path(workspace)))
    refuse_others(night.workspace, night.params, night.key, ["data/features"], "dwell.load")
    found, settings = named_bundle(night, name), night.params.score
    torch.set_num_threads(threads or settings.threads)
    source = FeatureFolder.open(night.workspace.features)
    shown_ms = midnight_ms(night.days.serve, source.timezone) + settings.hour * HOUR_MS
    raw_rows = RawRows.of(source.path, shown_ms)
    return LoadedModel(str(found), load_model(found.path), source, night.days, raw_rows)


@dataclass(frozen=True)
class LoadedModel:
    """A fitted model beside the features of a night.

    Attributes:
        name: of its recipe or ensemble, and its registry entry.
        model: what predicts from feature rows.
        source: data/features.
        days: roles of the night's days; a row may be of any that has a state of features, or of the one served.
        raw_rows: how rows are read.
    """

    name: str
    model: Model[Any]
    source: FeatureFolder
    days: Days
    raw_rows: RawRows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, night {self.days.judge[-1]})"

    def predict(self, rows: Rows) -> pl.DataFrame:
        """Return rows with `score`, calibrated `watch_mean` and `watch_median` in seconds, one `p_<task>` per binary task and,
        where it is known, `watch_mean_uniform`.

        Features are those known before the day on which a row is shown began, joined by the code that joined them to the
        training rows: rows of the judge day get the predictions that the night judged. Ids that were never seen are new
        users and videos.

        Args:
            rows: `user_id` and `video_id` as the source writes them, and `scene` where the source has more than one;
                `event_time_ms` (milliseconds or a time; default: the hour of the served day that nights score for),
                `duration_ms` (default: the catalogue's), `known_at_ms`, `position` and context where they are known.

        Raises:
            ContractError: if a column is missing or cannot be read, the features lack one that the model reads, or hold
                no state for the day of a row.
        """
        table = _table(rows)
        predicted = self._in_order(table, lambda frame: self.model.predict(frame, self._past, _WHERE))
        return table.with_columns(pl.Series(name, values) for name, values in predicted.items())

    def embed(self, rows: Rows) -> NDArray[np.float32]:
        """Return what the watch-time tower reads of every row, [rows, width].

        Args:
            rows: as for `predict`.

        Raises:
            ConfigError: if the model is not one network.
            ContractError: as for `predict`.
        """
        model = self._network("embeds")
        embedded = self._in_order(
            _table(rows), lambda frame: {"rows": model.embed(model.encode(frame, self._past, _WHERE))}
        )
        return embedded["rows"]

    def explain(self, rows: Rows) -> pl.DataFrame:
        """Return rows with `seconds` before calibration, `baseline_seconds` with the mean of the night's validation rows in the
        place of every field, and `ig_<field>`, the seconds that each adds (docs/methods/attribution.md#integrated-gradients).

        They add up to `seconds` - `baseline_seconds` where `complete` is true.

        Args:
            rows: as for `predict`.

        Raises:
            ConfigError: if the model is not one network, or predicts no seconds.
            ContractError: as for `predict`.
        """
        table = _table(rows)
        explained = self._in_order(table, self._explainer)
        return table.with_columns(pl.Series(name, values) for name, values in explained.items())

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer.of(self._network("explains"), self.source, self.days, self._past)

    def _network(self, does: str) -> Bundle:
        if not isinstance(self.model, Bundle):
            raise ConfigError(f"{self.name} is no single network, so it {does} nothing: load one recipe that is")
        return self.model

    @cached_property
    def _past(self) -> Past:
        return self.source.past(kept=4)

    def _in_order(
        self, table: pl.DataFrame, asked: Callable[[pl.DataFrame], Mapping[str, NDArray[Any]]]
    ) -> dict[str, NDArray[Any]]:
        """Return what feature rows are asked for, in the order of a table's rows."""
        index, parts = list[NDArray[Any]](), list[Mapping[str, NDArray[Any]]]()
        for frame in self._features(table):
            index.append(frame[_INDEX].to_numpy())
            parts.append(asked(frame))
        order = np.argsort(np.concatenate(index))
        return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}

    def _features(self, table: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the feature rows of a table day by day, some at a time."""
        if table.is_empty():
            raise ContractError("no rows were given")
        day = local_time(pl.col("event_time_ms"), self.source.timezone).dt.date()
        given = self.raw_rows.candidates(table).with_row_index(_INDEX).with_columns(day.alias(_DAY))
        for (shown_on,), rows in given.partition_by(_DAY, as_dict=True, include_key=False).items():
            for chunk in rows.iter_slices(CHUNK_ROWS):
                frame = candidates(self.source.path, chunk.lazy(), self.days.state_day(shown_on)).collect()
                _refuse_unknown_durations(frame, table)
                yield frame


def _table(rows: Rows) -> pl.DataFrame:
    return rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)


def _refuse_unknown_durations(frame: pl.DataFrame, table: pl.DataFrame) -> None:
    unknown = frame.filter(pl.col("duration_ms").fill_null(0) <= 0)
    if unknown.height:
        video = table["video_id"][int(unknown[_INDEX][0])]
        raise ContractError(
            f"nobody knows the duration of {unknown.height} rows, the first of video {video!r}: the catalogue has none, "
            "so give it in a column duration_ms"
        )
