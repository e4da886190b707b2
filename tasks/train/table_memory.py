"""What the embedding tables of a fit take of a process's memory, held against what it may use of it."""

from tasks.core.errors import TrainingError
from tasks.train.config import TrainingConfig

_BYTES_OF_NUMBER = 3 * 4
"""Of every number of a row: itself, its first moment, and its value after the best epoch, in single precision."""
_BYTES_OF_SECOND_MOMENT = 4
_BYTES_OF_ROW = 2 * 8 + 1
"""Step of its last update, place among the rows of a step, and whether a step was ever taken of it."""


class TableMemory:
    """Adds up the tables of one process.

    Args:
        config: the limit, and how many processes share the tables.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._bytes = 0

    @property
    def mib(self) -> float:
        """What the tables take."""
        return self._bytes / 2**20

    def admit(self, rows: int, width: int) -> None:
        """Count a table that is going to be made.

        Args:
            rows: that this process holds.
            width: numbers of a row.

        Raises:
            TrainingError: if the tables need more than `training.table_mib`.
        """
        second_moments = 1 if self._config.second_moment == "row" else width
        self._bytes += rows * (_BYTES_OF_NUMBER * width + _BYTES_OF_SECOND_MOMENT * second_moments + _BYTES_OF_ROW)
        limit, processes = self._config.table_mib, self._config.processes
        if limit is not None and self.mib > limit:
            enough = int(self.mib * processes // limit) + 1
            raise TrainingError(
                f"the embedding tables and their optimizer take {self.mib:.2f} MiB in each of {processes} process(es), more than "
                f"training.table_mib {limit:g}: set training.processes to {enough} or more or training.second_moment to row, raise table.min_count "
                "or lower encoder.embedding_dim"
            )
