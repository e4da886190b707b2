"""Adapt a source to the contract, one partition per arrival day; fetch public data sets."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.ingest.stage import IngestResult, data_path, default_as_of, first_day, ingest

__all__ = ["IngestResult", "data_path", "default_as_of", "first_day", "ingest"]


def __getattr__(name: str) -> Any:
    # Lazy, so that reading the configuration does not import polars.
    if name in __all__:
        from tasks.ingest import stage

        return getattr(stage, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
