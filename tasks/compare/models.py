"""What a person names to be compared: a model by its name, the champion, a registry entry, or what a night left serving."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from tasks.baselines.config import BaselineName
from tasks.compare.differences import ModelComparison, Pair, compare_models
from tasks.compare.judged import CHAMPION, JudgedNight, JudgedNights
from tasks.core.days import Days
from tasks.core.errors import ConfigError, NightError
from tasks.core.files import remove
from tasks.core.layout import NIGHT_FOLDER
from tasks.core.temporaries import scratch_folder
from tasks.core.yaml_config import nearest
from tasks.evaluate.change import Chain, chained, decompose
from tasks.evaluate.edges import fit_duration_edges
from tasks.registry.entry import BUNDLE, ENTRIES, read_entry
from tasks.report.sections.changed import NightChange
from tasks.table.source import FeatureDays


@dataclass(frozen=True)
class Named:
    """A model that was named.

    Attributes:
        label: what it is called beside another.
        model: its name on every night, where it was named so; else None.
        entry: the registry entry that it is; else None.
    """

    label: str
    model: str | None = None
    entry: str | None = None

    def table(self, night: JudgedNight) -> Path | None:
        """Return its table of a night; None where there is none."""
        name = self.model if self.entry is None else night.entries.get(self.entry)
        return None if name is None else night.tables.get(name)


def named(text: str, nights: JudgedNights) -> Named:
    """Return the model that a text names.

    Args:
        text: name of a recipe, ensemble or baseline, `champion`, the id of a registry entry or its beginning, or a
            night, which stands for the entry that was champion once it was decided.
        nights: the judge days.

    Raises:
        ConfigError: if it names none, or several entries begin so.
    """
    if NIGHT_FOLDER.fullmatch(text):
        entry = nights.champion_after(dt.date.fromisoformat(text))
        if entry is None:
            raise ConfigError(f"no champion served after night {text} of {nights.source}: see `dwell status`")
        return Named(f"champion after {text}", entry=entry)
    known = (CHAMPION, *nights.params.recipes, *nights.params.ensembles, *get_args(BaselineName))
    if text in known:
        return Named(text, model=text)
    if entry := nights.entry_named(text):
        return Named(entry, entry=entry)
    judged = {name for night in nights.nights for name in nights.at(night).tables}
    if text in judged:
        return Named(text, model=text)
    raise ConfigError(
        f"{text!r} is no recipe, ensemble or baseline, no registry entry of {nights.source} and no night"
        f"{nearest(text, {*known, *judged})}"
    )


def compare_named(
    texts: tuple[str, str], nights: JudgedNights, between: tuple[dt.date, dt.date] | None = None
) -> tuple[ModelComparison, tuple[str, ...]]:
    """Compare two models on the nights that both have tables of.

    Args:
        texts: as for `named`.
        nights: the judge days.
        between: first and last night; None: the last one that both have, be it in the workspace or kept.

    Returns:
        the comparison, and one line per night that was asked for and is left out.

    Raises:
        ConfigError: if a name is wrong.
        NightError: if no night has both; one line per night says what is missing.
    """
    first, second = (named(text, nights) for text in texts)
    with _tables(nights) as tables:
        pairs, missing = list[Pair](), list[str]()
        for as_of in reversed(_asked(nights, between)):
            night = nights.at(as_of)
            sides = [tables.of(one, night) for one in (first, second)]
            reasons = [one for one in sides if isinstance(one, str)]
            if reasons:
                missing += [f"night {as_of}: {reason}" for reason in dict.fromkeys(reasons)]
            else:
                paths = [one for one in sides if isinstance(one, Path)]
                pairs.insert(0, Pair(as_of, *paths))
                if between is None:
                    break
        if not pairs:
            raise NightError("\n".join(missing) or f"no night of {nights.source} is at hand: `dwell nightly` runs one")
        edges = _edges(nights, pairs[-1].as_of)
        found = compare_models((first.label, second.label), pairs, nights.params.evaluation, edges)
    return found, tuple(reversed(missing)) if between else ()


def change_named(texts: tuple[str, str], nights: JudgedNights) -> NightChange | str | None:
    """Take apart what changed between two nights, where both texts are nights.

    Args:
        texts: as for `compare_named`.
        nights: the judge days.

    Returns:
        the change from the earlier to the later one; in words why there is none; None where other models are named.

    Raises:
        ConfigError: if no champion served after one of them.
    """
    if texts[0] == texts[1] or not all(NIGHT_FOLDER.fullmatch(text) for text in texts):
        return None
    earlier, later = sorted(texts)
    then, now = named(earlier, nights), named(later, nights)
    first, last = (nights.at(dt.date.fromisoformat(night)) for night in (earlier, later))
    with _tables(nights) as tables:
        found = [tables.of(then, first), tables.of(then, last), tables.of(now, last)]
        missing = dict.fromkeys(one for one in found if isinstance(one, str))
        if missing:
            return f"no change from night {earlier} to {later}: {'; '.join(missing)}"
        before, same, served = (one for one in found if isinstance(one, Path))
        chain = Chain(first.as_of, last.as_of, before, chained(nights.older_state(last, then.entry), same, served))
        return NightChange(chain, decompose(chain, nights.params.evaluation))


def _asked(nights: JudgedNights, between: tuple[dt.date, dt.date] | None) -> Sequence[dt.date]:
    if between is None:
        return nights.nights
    first, last = between
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


def _edges(nights: JudgedNights, as_of: dt.date) -> list[float] | None:
    """Return the duration edges of the fit days where the workspace has that night's table."""
    table = nights.workspace.table
    if nights.current is None or nights.current.as_of != as_of or not (table / "fit/duration_s.npy").is_file():
        return None
    return fit_duration_edges(table, nights.params.evaluation.duration_groups)


class _Tables:
    """Finds tables, and predicts those of registry entries that the night in the workspace did not."""

    def __init__(self, nights: JudgedNights, scratch: Path) -> None:
        self._nights, self._scratch = nights, scratch

    def of(self, one: Named, night: JudgedNight) -> Path | str:
        """Return a model's table of a night, or why there is none."""
        found = one.table(night)
        if found is not None:
            return found
        if one.entry is None:
            return self._nights.why_not(night, str(one.model))
        return self._predicted(one.entry, night)

    def _predicted(self, entry: str, night: JudgedNight) -> Path | str:
        from tasks.predict import lacking, predict_days  # loads torch, which tables at hand do not need

        current = self._nights.current
        if current is None or current.as_of != night.as_of or night.problem:
            there = f", which is {current.as_of}" if current else ""
            return f"no table of the entry {entry}: it is predicted on the night of the workspace alone{there}"
        folder = self._nights.workspace.registry(self._nights.source) / ENTRIES / entry
        read_entry(folder, entry)
        rows = FeatureDays(self._nights.workspace.features, self._days(night.as_of).judge)
        if gone := lacking(folder / BUNDLE, rows):
            return f"the entry {entry} was trained with {', '.join(gone[:5])}, which the features of this night lack"
        out = self._scratch / f"{entry}.parquet"
        predict_days(folder / BUNDLE, rows, out, self._nights.params.training.threads)
        return out

    def _days(self, as_of: dt.date) -> Days:
        return self._nights.params.window.days(as_of)


@contextlib.contextmanager
def _tables(nights: JudgedNights) -> Iterator[_Tables]:
    folder = scratch_folder(nights.workspace.scratch, "compare")
    try:
        yield _Tables(nights, folder)
    finally:
        remove(folder)
