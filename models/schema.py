"""The shape of the input a ranker was built for: which fields, how many rows each, which histories."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class InputSchema(BaseModel):
    """Fields and widths of every batch; saved beside the weights, since a ranker reads no other input.

    Codes of the history start at 1 and 0 is the pad, so a count here is the number of codes plus one.

    Raises:
        ValueError: if a history field is not a categorical field, a name stands twice, or dense features have names but not
            one each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: tuple[tuple[str, int], ...]
    """Name and number of rows (row 0, "unknown", included) of every categorical field, in packed order."""
    num_dense: int = 0
    """Dense features per row."""
    dense_names: tuple[str, ...] = ()
    """Their names, in order; empty where nobody asks for one by name."""
    history_fields: tuple[str, ...] = ()
    """Categorical fields that the events of the history carry."""
    history_length: int = 0
    """Events per row, padding included."""
    sensitive: tuple[tuple[str, str], ...] = Field(default=(), exclude_if=lambda pairs: not pairs)
    """Fields and dense features, each with the sensitive attribute of users that it tells: read only where a recipe asks for it."""
    num_feedback_codes: int = 8
    """Feedback codes of an event: skip, neutral, valid, long, finish, liked, hated, and the pad."""
    num_ratio_codes: int = 9
    """Watch-ratio buckets of an event, and the pad."""
    num_gap_codes: int = 17
    """Time-gap buckets of an event, and the pad."""

    @model_validator(mode="after")
    def _names_are_known_and_unique(self) -> "InputSchema":
        names = list(self.names)
        if len(set(names)) != len(names):
            raise ValueError(f"fields {names} hold a name twice")
        if self.dense_names and len(self.dense_names) != self.num_dense:
            raise ValueError(f"{len(self.dense_names)} dense_names for num_dense {self.num_dense}")
        unknown = sorted(set(self.history_fields) - set(names))
        if unknown:
            raise ValueError(f"history_fields {unknown} are no categorical fields; known: {names}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the categorical fields, in packed order."""
        return tuple(name for name, _ in self.fields)

    @property
    def num_fields(self) -> int:
        """Categorical fields per row (F)."""
        return len(self.fields)

    @property
    def num_rows(self) -> int:
        """Rows of the packed embedding table."""
        return sum(rows for _, rows in self.fields)

    @property
    def offsets(self) -> tuple[int, ...]:
        """First packed row of every field."""
        starts, total = [], 0
        for _, rows in self.fields:
            starts.append(total)
            total += rows
        return tuple(starts)

    @property
    def history_columns(self) -> tuple[int, ...]:
        """Column of `Batch.ids_BF` that holds the candidate's value of every history field."""
        return tuple(self.names.index(name) for name in self.history_fields)
