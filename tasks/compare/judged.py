"""Where the prediction tables of a source's judge days lie, and what is missing, in words.

A night's tables are those of the workspace (of the night in run.yaml), of the registry's evidence (of every night that is
still kept), and of trials. The nearer to what was decided, the sooner it is taken: evidence, workspace, trial; a trial's own
is `trial:NAME` beside them.
"""

import datetime as dt
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tasks.config import Params, load_params
from tasks.core.errors import NightError
from tasks.core.layout import JUDGE_TABLE, OLDER_STATE_TABLE, Workspace
from tasks.core.run_key import RunKey, load_run_key
from tasks.night.belonging import refuse_others
from tasks.night.trial import PREDICTIONS
from tasks.registry import Registry
from tasks.registry.entry import ENTRIES, Entry, read_manifest
from tasks.registry.evidence import EVIDENCE, read_evidence
from tasks.registry.ledger import NO_CHAMPION

CHAMPION = "champion"
TRIAL = "trial:"
"""Begins the name of a model as a trial predicted it, where a night that counted may have judged another of that name."""
_BASELINES = "baselines"


@dataclass(frozen=True)
class JudgedNight:
    """The prediction tables at hand of one judge day.

    Attributes:
        as_of: the night.
        tables: model -> its table: recipes, ensembles, baselines, and the champion under that name.
        entries: registry entry -> the model whose table is its.
        problem: why tables that lie in the workspace are not among them; empty: they are, or there are none.
    """

    as_of: dt.date
    tables: Mapping[str, Path] = field(default_factory=dict)
    entries: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class JudgedNights:
    """The judge days of one source.

    Attributes:
        workspace: where they ran.
        params: its configuration.
        source: name of the source.
    """

    workspace: Workspace
    params: Params
    source: str

    @classmethod
    def of(cls, workspace: Workspace, source: str | None = None) -> "JudgedNights":
        """Return those of a source; None: of the default one."""
        params = load_params(workspace.params)
        name = source or params.default_source
        params.named_source(name)
        return cls(workspace, params, name)

    @functools.cached_property
    def current(self) -> RunKey | None:
        """The key of the night in the workspace; None where it is another source's, or there is none."""
        if not self.workspace.run_key.exists():
            return None
        key = load_run_key(self.workspace.run_key)
        return key if key.source == self.source else None

    @functools.cached_property
    def decided(self) -> Mapping[dt.date, str | None]:
        """Night -> id of its evidence in the ledger, the last recorded."""
        events = Registry(self._registry).history()
        return {event.as_of: event.evidence for event in events if event.evidence is not None}

    @functools.cached_property
    def nights(self) -> tuple[dt.date, ...]:
        """Nights that have tables, in order of time."""
        kept = {night for night, identity in self.decided.items() if identity and self._evidence(identity).is_dir()}
        trials = {dt.date.fromisoformat(path.parent.name) for path in self._trials.glob(f"*/{PREDICTIONS}")}
        return tuple(sorted(kept | trials | ({self.current.as_of} if self.current else set())))

    def at(self, as_of: dt.date) -> JudgedNight:
        """Return the tables of one night.

        Raises:
            RegistryError: if its evidence is damaged.
        """
        tables, entries, problem = dict[str, Path](), dict[str, str](), ""
        trial = self.workspace.trial(self.source, as_of)
        if (trial / PREDICTIONS).is_dir():
            tables |= _below(trial / PREDICTIONS)
            models = (*self.params.recipes, *self.params.ensembles)
            tables |= {f"{TRIAL}{name}": tables[name] for name in models if name in tables}
            entries |= _champion(load_run_key(trial / self.workspace.run_key.name), tables)
        if self.current is not None and self.current.as_of == as_of:
            try:
                refuse_others(self.workspace, self.params, self.current, ["artifacts/predictions"], "comparing")
            except NightError as error:
                problem = str(error).partition("\n")[0]
            else:
                tables |= _below(self.workspace.all_predictions)
                entries |= _champion(self.current, tables)
        identity = self.decided.get(as_of)
        if identity is not None and self._evidence(identity).is_dir():
            day = read_evidence(self._evidence(identity), identity)
            tables |= {one.name: one.predictions for one in day.challengers}
            if day.champion is not None:
                tables[CHAMPION] = day.champion.predictions
                entries |= {day.champion.entry: CHAMPION} if day.champion.entry else {}
        return JudgedNight(as_of, tables, entries | self._promoted(as_of, tables), problem)

    def entry_named(self, text: str) -> str | None:
        """Return the registry entry that a text names, see `Registry.entry_named`."""
        return Registry(self._registry).entry_named(text)

    def champion_after(self, as_of: dt.date) -> str | None:
        """Return the registry entry that was champion once a night was decided; None: there was none."""
        return Registry(self._registry).champion_for(as_of + dt.timedelta(days=1))

    def older_state(self, night: JudgedNight, entry: str | None) -> Path | None:
        """Return an entry's table on features of the morning before; the workspace has that of its night's champion alone."""
        current, table = self.current, self.workspace.predictions(CHAMPION) / OLDER_STATE_TABLE
        mine = current is not None and (current.as_of, current.champion) == (night.as_of, entry) and not night.problem
        return table if mine and table.is_file() else None

    def why_not(self, night: JudgedNight, model: str) -> str:
        """Return why a model has no table on a night, and what brings one."""
        tried = f"`dwell nightly --as-of {night.as_of} --source {self.source} --recipes {model} --no-publish` makes one"
        again = f"`dwell backfill --from {night.as_of} --to {night.as_of} --source {self.source}` makes them again"
        if night.problem:
            return night.problem
        if night.tables and model == CHAMPION:
            return "there was no champion yet"
        if night.tables:
            how = tried if model in (*self.params.recipes, *self.params.ensembles) else "it was not judged that night"
            return f"no table of {model}, only of {', '.join(sorted(night.tables))}: {how}"
        if night.as_of in self.decided:
            return f"its tables are gone (`dwell clean` keeps those of nightly.keep_nights nights): {again}"
        return f"it was never run: {again.replace('them again', 'its tables')}"

    @property
    def _registry(self) -> Path:
        return self.workspace.registry(self.source)

    @property
    def _trials(self) -> Path:
        return self.workspace.trial(self.source, dt.date.min).parent

    def _evidence(self, identity: str) -> Path:
        return self._registry / EVIDENCE / identity

    @functools.cached_property
    def _entries(self) -> Mapping[str, Entry]:
        return {name: read_manifest(self._registry / ENTRIES / name, name) for name in Registry(self._registry).entries}

    def _promoted(self, as_of: dt.date, tables: Mapping[str, Path]) -> dict[str, str]:
        """Return the entries that a night made: each is the model that it was promoted from."""
        made = {name: entry.recipe for name, entry in self._entries.items() if entry.as_of == as_of}
        return {name: recipe for name, recipe in made.items() if recipe in tables}


def _below(predictions: Path) -> Iterator[tuple[str, Path]]:
    """Yield the models below a folder laid out as `artifacts/predictions` is, baselines first: a recipe may not share a name."""
    for folder in (*sorted((predictions / _BASELINES).glob("*")), *sorted(predictions.glob("*"))):
        if (folder / JUDGE_TABLE).is_file():
            yield folder.name, folder / JUDGE_TABLE


def _champion(key: RunKey, tables: Mapping[str, Path]) -> dict[str, str]:
    return {key.champion: CHAMPION} if key.champion != NO_CHAMPION and CHAMPION in tables else {}
