"""Fits of single boosters that outlive the run: one that is killed and begun again makes those that it had not finished."""

from pathlib import Path

from tasks.core.files import read_json, remove, write_json
from tasks.train.trees.boosting import Boosted


class FinishedFits:
    """What was fitted, in memory and below a folder.

    Args:
        folder: named for everything that the fits depend on, so that a stale one is never found; None: in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._found: dict[str, Boosted] = {}

    def get(self, name: str) -> Boosted | None:
        """Return a fit by name; None where it was not finished."""
        file = self._file(name)
        if name not in self._found and file is not None and file.is_file():
            import lightgbm

            kept = read_json(file)
            self._found[name] = Boosted(lightgbm.Booster(model_str=kept["trees"]), kept["losses"])
        return self._found.get(name)

    def put(self, name: str, fit: Boosted) -> Boosted:
        """Keep a fit, and return it."""
        self._found[name] = fit
        if (file := self._file(name)) is not None:
            write_json(file, {"trees": fit.booster.model_to_string(), "losses": fit.losses})
        return fit

    def clear(self) -> None:
        """Remove what was written: the bundle holds it now."""
        if self._folder is not None:
            remove(self._folder)

    def _file(self, name: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{name}.json"
