"""`learned.json`: what an objective learned beside the ranker, a correlation for one, and what could identify it."""

from tasks.core.document import Document

FILE = "learned.json"


class IdentificationSources(Document):
    """What identifies a correlation of exposure and preference.

    Source: docs/methods/debias.md#identification-of-the-correlation.
    """

    random_rows: int
    """Fit rows exposed at random; none at selection `click`, where such a row was not clicked at random."""
    exposure_only: tuple[str, ...]
    """Fields set apart as moving exposure only."""


class ValidatedCorrelation(Document):
    """What the validation day says about one task's correlation; None where undefined."""

    rows: int
    """Observed rows it rests on."""
    learned: float | None
    """rho after the best epoch."""
    rho: float | None
    """rho of the re-calibrated model, as everything below."""
    standard_error: float | None
    likelihood_ratio: float | None
    p_value: float | None
    interval: tuple[float, float] | None
    """95 % profile-likelihood interval; None where the profile is flat."""
    profile: dict[str, float | None]
    """rho -> log-likelihood minus its maximum."""
    warning: str | None
    """Why rho should stay 0."""


class LearnedNumbers(Document):
    """`learned.json`."""

    seeds: dict[int, dict[str, float]]
    """Seed -> `task/name` -> value after the best epoch."""
    sources: IdentificationSources
    validation: dict[str, ValidatedCorrelation]
    """Task -> what the validation day says about the correlation of the seed that serves."""
