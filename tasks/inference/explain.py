"""Why a network gives a row its seconds: integrated gradients from the mean of the night's validation rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from models.attribution.fields import FieldRows
from models.attribution.integrated_gradients import integrated_gradients
from tasks.core.days import Days
from tasks.core.errors import ConfigError
from tasks.predict import Bundle
from tasks.table.past import Past
from tasks.table.rows import watch_seconds
from tasks.table.source import FeatureFolder

_BACKGROUND_ROWS = 5_000
_SEED = 0
SECONDS, BASELINE, COMPLETE = "seconds", "baseline_seconds", "complete"
OF_FIELD = "ig_"
"""Before the name of a field; rows have identifiers of the same names."""


@dataclass(frozen=True, eq=False)
class Explainer:
    """A network, and where the explanation of a row begins.

    Attributes:
        bundle: the network.
        baseline_W: mean of the fields over the validation day.
        deviation: standard deviation of watch time there, in seconds.
        groups: aggregates that count as one field.
        past: what users did.
    """

    bundle: Bundle
    baseline_W: Tensor
    deviation: float
    groups: Mapping[str, tuple[str, ...]]
    past: Past

    @classmethod
    def of(cls, bundle: Bundle, source: FeatureFolder, days: Days, past: Past) -> "Explainer":
        """Read the baseline from the validation day of the night.

        Raises:
            ConfigError: if the network predicts no seconds.
            ContractError: if the features lack a column that it reads.
        """
        columns = tuple(dict.fromkeys(["user_id", "watch_ms", "duration_ms", "state_day", *bundle.row_columns]))
        frame = pl.concat(source.chunks(days.validation, columns))
        frame = frame.sample(min(_BACKGROUND_ROWS, frame.height), seed=_SEED)
        groups = {name: tuple(group.columns) for name, group in source.groups.items()}
        rows = _fields(bundle, frame, past, groups, str(source.rows(days.validation)))
        try:
            rows.seconds(rows.x_BW)
        except ValueError as error:
            raise ConfigError(f"{bundle.manifest.name} cannot be explained: {error}") from error
        deviation = float(watch_seconds(frame, bundle.truncate_watch).std())
        return cls(bundle, rows.mean(), deviation, groups, past)

    def __call__(self, frame: pl.DataFrame) -> dict[str, NDArray[Any]]:
        """Return `seconds` before calibration, `baseline_seconds`, `complete`, and `ig_<field>`, the seconds that each adds, [rows] each.

        Args:
            frame: feature rows.
        """
        rows = _fields(self.bundle, frame, self.past, self.groups, "the rows given")
        found = integrated_gradients(rows.seconds_at, rows.x_BW, self.baseline_W, rows.layout, self.deviation)
        of_fields = {OF_FIELD + name: found.field_BF[:, place].numpy() for place, name in enumerate(rows.layout.names)}
        named = {SECONDS: found.value_B, BASELINE: found.baseline_B, COMPLETE: found.complete_B}
        return {name: np.asarray(value.numpy()) for name, value in named.items()} | of_fields


def _fields(
    bundle: Bundle, frame: pl.DataFrame, past: Past, groups: Mapping[str, tuple[str, ...]], where: str
) -> FieldRows:
    encoded = bundle.encode(frame, past, where)
    return FieldRows.of(bundle.rankers[bundle.serving_seed], encoded.batch(0, len(encoded)), groups)
