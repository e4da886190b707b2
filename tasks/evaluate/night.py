"""What every stage that predicts and measures rows of a night reads, in one value."""

from dataclasses import dataclass
from pathlib import Path

from tasks.core.days import Days
from tasks.evaluate.config import EvaluationConfig
from tasks.table.source import FeatureDays


@dataclass(frozen=True)
class MeasuredNight:
    """The rows of a night and how they are measured.

    Attributes:
        features: folder of the features stage.
        days: roles of the days.
        evaluation: what is computed, and how uncertainty is drawn.
        threads: CPU threads of predictions; a fixed number, because the last bits of sums depend on it.
    """

    features: Path
    days: Days
    evaluation: EvaluationConfig
    threads: int = 1

    @property
    def judge(self) -> FeatureDays:
        """Rows of the judge day(s), which select nothing."""
        return FeatureDays(self.features, self.days.judge)

    @property
    def validation(self) -> FeatureDays:
        """Rows of the day of every choice."""
        return FeatureDays(self.features, (self.days.validation,))
