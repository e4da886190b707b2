"""The simulator: days of impressions whose truth is known. `tasks/simulate/model.py` states what it generates."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.simulate.run import Simulation, simulate, simulate_days, write_day
    from tasks.simulate.truth import expected_watch, exposure_probability, preference

__all__ = [
    "Simulation",
    "expected_watch",
    "exposure_probability",
    "preference",
    "simulate",
    "simulate_days",
    "write_day",
]


def __getattr__(name: str) -> Any:
    # Lazy, so that reading the configuration does not import polars and scipy.
    if name in ("expected_watch", "exposure_probability", "preference"):
        from tasks.simulate import truth

        return getattr(truth, name)
    if name in __all__:
        from tasks.simulate import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
