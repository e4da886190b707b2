"""Where everything lies in a workspace: the single place that spells a path.

run.yaml                         the run key: night, source, champion, evidence, ledger
data/raw/                        ingest       impressions/day=YYYY-MM-DD/part.parquet, users.parquet, videos.parquet;
                                              identities/ as the source wrote them, candidates/, set_aside.parquet
data/validated/                  validate     the same, clean; quarantine/ and results/ beside it
data/features/                   features     one partition per day, history per day
data/table/                      table        memory-mapped columns of fit, valid, judge; vocabulary
artifacts/champion/              champion     bundles of champion and anchor, evidence, reign.json, forecasts.json: copied from the registry
artifacts/code/NAME.json         code         hash of the part of models/ that a challenger runs
artifacts/models/recipes/NAME/   train        bundle: weights per seed, label state, calibrators, manifest
artifacts/models/ensembles/NAME/ ensemble     bundles of its members, calibrators, manifest
artifacts/models/proposers/NAME/ candidates   proposals for tomorrow, how those for the judge day came out
artifacts/predictions/NAME/      evaluate     judge-day predictions and metrics tables; what a network reads (importance.json)
artifacts/gate/                  gate         decision.json
artifacts/forecast/              forecast     what is forecast of the next day, and how earlier forecasts came true
artifacts/oracle/                oracle       simulated sources: every model under uniform exposure
artifacts/scores/                score        next day's scores and top-k lists
artifacts/report/                report       report.html
metrics/, plots/                 what `dvc metrics` and `dvc plots` read
registry/SOURCE/                 promoted bundles, evidence and the ledger (not a DVC output)
site/                            dwell site   pages of all nights (not a DVC output)
scored/DAY/MODEL/                dwell score  scores and lists of any day by any fitted model (not a DVC output)
tuned/RECIPE.yaml                dwell tune   the best hyper-parameters it found, and its trials (not a DVC output)
proposals/SOURCE/AS_OF/REVIEW/   dwell weekly what a review found, its evidence, the change of params.yaml it proposes (not a DVC output)
tuned/RECIPE_pruned.yaml         dwell prune  the recipe without the fields it can do without, and the rounds (not a DVC output)
nights/SOURCE/AS_OF/             archive of a night: report with timings, decision, lock file
nights/SOURCE/headlines/AS_OF.json  the few numbers of a night that `dwell clean` leaves
nights/SOURCE/replays/AS_OF/     archive of a night that was run again after later ones and came out otherwise
.dwell/trials/SOURCE/AS_OF/      dwell nightly --no-publish: predictions of the models tried, the decision that would have been, its page
.dwell/                          caches, checkpoints, timings, unfinished files, the lock, Prefect's home (may be deleted at rest);
                                 notes on nights that failed, lineage events, and sandboxes

Every output folder below data/ and artifacts/ that days enter also holds night.json: the night it belongs to.
"""

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

NIGHT_FOLDER = re.compile(r"\d{4}-\d\d-\d\d")
"""What the folder of a night is called: its day."""
BUNDLE_MANIFEST = "manifest.json"
"""File name of what a bundle says of itself; `tasks.train.manifest` has its content."""
METRICS_FILE = "metrics.json"
"""File name of all that is measured of a model, beside its predictions; `tasks.evaluate.document` has its content."""
JUDGE_TABLE = "judge.parquet"
"""File name of a model's predictions of the judge day, below its folder; `tasks.core.predictions` has the layout."""
ANCHOR_TABLE = "anchor.parquet"
"""The same of the entry that began the champion's reign, beside the champion's."""
OLDER_STATE_TABLE = "older_state.parquet"
"""The same of the champion itself, on features as they were known the morning before."""


WRITTEN = (
    "data",
    "artifacts",
    "metrics",
    "plots",
    "proposals",
    "registry",
    "scored",
    "site",
    "tuned",
    "nights",
    ".dwell",
    ".dvc",
    ".git",
)
"""Folders that nights write, and replace, below the root."""


@dataclass(frozen=True)
class Workspace:
    """All paths below one root."""

    root: Path = Path()

    @property
    def run_key(self) -> Path:
        return self.root / "run.yaml"

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def raw(self) -> Path:
        return self.root / "data/raw"

    @property
    def identities(self) -> Path:
        """Return the folder of identifiers that are no numbers, as the source wrote them."""
        return self.raw / "identities"

    @property
    def validated(self) -> Path:
        return self.root / "data/validated"

    @property
    def features(self) -> Path:
        return self.root / "data/features"

    @property
    def table(self) -> Path:
        return self.root / "data/table"

    @property
    def code(self) -> Path:
        return self.root / "artifacts/code"

    @property
    def champion(self) -> Path:
        return self.root / "artifacts/champion"

    def bundle(self, recipe: str) -> Path:
        return self.root / "artifacts/models/recipes" / recipe

    def ensemble(self, name: str) -> Path:
        return self.root / "artifacts/models/ensembles" / name

    @property
    def all_proposers(self) -> Path:
        return self.root / "artifacts/models/proposers"

    def proposer(self, name: str) -> Path:
        return self.all_proposers / name

    def challenger(self, name: str) -> Path:
        """Return the ensemble of that name where one was built, else the bundle of the recipe."""
        ensemble = self.ensemble(name)
        return ensemble if ensemble.is_dir() else self.bundle(name)

    @property
    def all_predictions(self) -> Path:
        return self.root / "artifacts/predictions"

    def predictions(self, name: str) -> Path:
        return self.all_predictions / name

    def judge_table(self, name: str) -> Path:
        """Return the prediction table of one model on the judge day."""
        return self.predictions(name) / JUDGE_TABLE

    @property
    def gate(self) -> Path:
        return self.root / "artifacts/gate"

    @property
    def forecast(self) -> Path:
        return self.root / "artifacts/forecast"

    @property
    def oracle(self) -> Path:
        return self.root / "artifacts/oracle"

    @property
    def scores(self) -> Path:
        return self.root / "artifacts/scores"

    @property
    def report(self) -> Path:
        return self.root / "artifacts/report"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics"

    @property
    def plots(self) -> Path:
        return self.root / "plots"

    def scored(self, day: dt.date, model: str) -> Path:
        return self.root / "scored" / day.isoformat() / model

    @property
    def site(self) -> Path:
        return self.root / "site"

    @property
    def tuned(self) -> Path:
        return self.root / "tuned"

    def proposals(self, source: str) -> Path:
        return self.root / "proposals" / source

    def proposal(self, source: str, as_of: dt.date, review: str) -> Path:
        """Return what one review found of one night."""
        return self.proposals(source) / as_of.isoformat() / review

    @property
    def all_registries(self) -> Path:
        return self.root / "registry"

    def registry(self, source: str) -> Path:
        return self.all_registries / source

    def night(self, source: str, as_of: dt.date) -> Path:
        return self.root / "nights" / source / as_of.isoformat()

    def headline(self, source: str, as_of: dt.date) -> Path:
        return self.root / "nights" / source / "headlines" / f"{as_of.isoformat()}.json"

    def replay(self, source: str, as_of: dt.date) -> Path:
        return self.root / "nights" / source / "replays" / as_of.isoformat()

    @property
    def scratch(self) -> Path:
        return self.root / ".dwell"

    def failure(self, source: str, as_of: dt.date) -> Path:
        """Return the note on a night that failed."""
        return self.scratch / "failed" / source / f"{as_of.isoformat()}.json"

    def lineage(self, source: str, as_of: dt.date) -> Path:
        """Return the events that tell what a night read and made."""
        return self.scratch / "lineage" / source / f"{as_of.isoformat()}.jsonl"

    def trial(self, source: str, as_of: dt.date) -> Path:
        """Return what is kept of the trials of a night, which nobody published."""
        return self.scratch / "trials" / source / as_of.isoformat()

    def sandbox(self, name: str) -> Path:
        """Return a workspace beside this one, for experiments."""
        return self.scratch / "sandboxes" / name

    def why_no_source(self, path: Path) -> str | None:
        """Return why a source cannot lie at a path: nights write there, or what they write lies below it."""
        if not str(path).isprintable():
            return f"{str(path)!r} holds characters that cannot be printed: rename the folder"
        root = self.root.resolve()
        place = (root / path).resolve()
        if root.is_relative_to(place):
            return f"{str(path)!r} is the workspace or holds it: put the data into a folder of its own, for example datasets/"
        for name in WRITTEN:
            if place.is_relative_to(root / name):
                return f"{str(path)!r} lies in {name}/, which dwell writes itself: put the data elsewhere, for example datasets/"
        return None


def partition(folder: Path, day: dt.date, name: str = "part.parquet") -> Path:
    """Return the file of one day below a partitioned folder."""
    return folder / f"day={day.isoformat()}" / name


def partition_days(folder: Path) -> list[dt.date]:
    """Return the days a partitioned folder holds, in order."""
    return sorted(
        dt.date.fromisoformat(path.name.removeprefix("day=")) for path in folder.glob("day=*") if path.is_dir()
    )
