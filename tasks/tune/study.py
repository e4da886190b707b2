"""The search itself: an Optuna study in a journal file that any number of processes, one after another or at once, work on.

What makes it repeatable: every trial has an index, its sampler is seeded by that index, and a trial that was killed gives
its index back. With one process a search that was killed goes on to the trials it would have had.
"""

import contextlib
import logging
import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from filelock import FileLock, Timeout
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from tasks.core.errors import TuningError
from tasks.core.files import hash_value, remove
from tasks.tune.config import TuningConfig
from tasks.tune.space import Space
from tasks.tune.trial import CandidateFits, run_trial

log = logging.getLogger(__name__)

INDEX, ERROR = "index", "error"
"""User attributes of a trial: its place in the search; why it failed."""
CHECKPOINTS = "checkpoints"
"""Folder of trials that are running."""
FAILURES = (ValueError, ArithmeticError, MemoryError, torch.OutOfMemoryError)
"""What a point of the space can do to a fit: parts that do not go together, numbers that are not finite, too large a model."""


@dataclass(frozen=True)
class Search:
    """One search; the same value in every process that works on it.

    Attributes:
        name: the recipe's name.
        table: folder that the table stage wrote.
        folder: the study's own.
        space: what is searched.
        config: how.
    """

    name: str
    table: Path
    folder: Path
    space: Space
    config: TuningConfig

    @property
    def journal(self) -> Path:
        """The file that holds the study."""
        return self.folder / "journal.log"

    def study(self) -> optuna.Study:
        """Open the study, or begin it."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = str(self.journal)
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path))),
            pruner=self._pruner(),
            study_name=self.name,
            direction="minimize" if self.config.metric == "watch_loss" else "maximize",
            load_if_exists=True,
        )

    def _pruner(self) -> BasePruner:
        pruning, epochs = self.config.pruning, self.space.training.max_epochs
        if pruning.kind == "median":
            return MedianPruner(n_startup_trials=pruning.startup_trials, n_warmup_steps=pruning.warmup_epochs)
        if pruning.kind == "hyperband":
            first = pruning.warmup_epochs
            return HyperbandPruner(min_resource=first, max_resource=max(first, epochs), reduction_factor=3)
        return NopPruner()


@contextlib.contextmanager
def holding(folder: Path, command: str) -> Iterator[None]:
    """Hold a folder of trials for one command.

    Raises:
        TuningError: if another command holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "study.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TuningError(f"another `{command}` works on {folder}: wait for it, or stop it") from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def alone(search: Search) -> Iterator[None]:
    """Hold the study for this command, and mend what a killed one left: a lock, half a line at the journal's end.

    Raises:
        TuningError: if another command holds it.
    """
    with holding(search.folder, f"dwell tune {search.name}"):
        remove(search.journal.with_name(f"{search.journal.name}.lock"))
        if search.journal.exists():
            written = search.journal.read_bytes()
            os.truncate(search.journal, written.rfind(b"\n") + 1)
        yield


def run_search(search: Search) -> optuna.Study:
    """Run the trials that are missing and return the study. Hold it with `alone` meanwhile.

    Raises:
        TuningError: if a process died, or no trial was finished.
    """
    study = search.study()
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    jobs = min(search.config.jobs, search.config.trials - len(settled(study)))
    if jobs == 1:
        work(search)
    elif jobs > 1:
        _work_in_parallel(search, jobs)
    remove(search.folder / CHECKPOINTS)
    study = search.study()
    if not any(trial.state == TrialState.COMPLETE for trial in settled(study)):
        reasons = sorted({trial.user_attrs.get(ERROR, "given up") for trial in settled(study)})
        raise TuningError(f"none of {len(settled(study))} trials was finished: {'; '.join(reasons)}")
    return study


def settled(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that are finished, given up or failed for a reason, by index; not those that were killed."""
    return sorted(
        (trial for trial in _counted(study) if trial.state != TrialState.RUNNING),
        key=lambda trial: trial.user_attrs[INDEX],
    )


def work(search: Search, parent: int | None = None) -> None:
    """Run trials until there are as many as wanted.

    Args:
        search: what to work on.
        parent: process without which the work stops.
    """
    study = search.study()
    while _alive(parent):
        claimed = _claim(search, study)
        if claimed is None:
            return
        checkpoints = search.folder / CHECKPOINTS / f"{claimed.index}-{hash_value(claimed.values)[:16]}"
        _run(search, study, claimed, checkpoints, parent)
        remove(checkpoints)


@dataclass(frozen=True)
class _Claimed:
    """A trial that one process runs: its index among all, the study's record of it, and its values by path."""

    index: int
    trial: Trial
    values: dict[str, Any]


def _claim(search: Search, study: optuna.Study) -> _Claimed | None:
    """Take the next index and draw its values, one process at a time; None where there are trials enough."""
    space, config = search.space, search.config
    with FileLock(search.folder / "claim.lock"):
        taken = {trial.user_attrs[INDEX] for trial in _counted(study)}
        index = next(number for number in range(len(taken) + 1) if number not in taken)
        if index >= config.trials:
            return None
        study.sampler = optuna.samplers.TPESampler(
            seed=int(hash_value([config.seed, index])[:8], 16), n_startup_trials=config.startup_trials
        )
        if index == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial({d.path: d.stored(d.default) for d in space.dimensions})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = study.ask({d.path: d.distribution() for d in space.dimensions})
        trial.set_user_attr(INDEX, index)
    return _Claimed(index, trial, {d.path: d.value(trial.params[d.path]) for d in space.dimensions})


def _run(search: Search, study: optuna.Study, claimed: _Claimed, checkpoints: Path, parent: int | None) -> None:
    """Run one trial and tell the study how it went."""
    config, index, trial = search.config, claimed.index, claimed.trial

    def observe(epoch: int, value: float) -> None:
        if not _alive(parent):
            sys.exit(1)
        trial.report(value, epoch)
        something_saved = epoch < search.space.training.max_epochs or len(config.seeds) > 1
        if index > 0 and something_saved and trial.should_prune():
            raise optuna.TrialPruned(f"given up after epoch {epoch}")

    try:
        candidate = search.space.candidate(claimed.values)
        fits = CandidateFits.open(search.table, candidate, config.metric, checkpoints)
        value = run_trial(fits, config.seeds, observe)
    except optuna.TrialPruned as pruned:
        study.tell(trial, state=TrialState.PRUNED)
        log.info("trial %d: %s", index, pruned)
    except FAILURES as error:
        trial.set_user_attr(ERROR, str(error) or type(error).__name__)
        study.tell(trial, state=TrialState.FAIL)
        log.warning("trial %d failed: %s", index, error)
    else:
        study.tell(trial, value)
        best = study.best_trial
        log.info(
            "trial %d: %s %.5f (best %.5f, trial %d)",
            index, config.metric, value, best.value, best.user_attrs[INDEX],
        )  # fmt: skip


def _counted(study: optuna.Study) -> list[FrozenTrial]:
    """Return every trial that holds an index: all but those that were killed, or before they had one."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if INDEX in trial.user_attrs and (trial.state != TrialState.FAIL or ERROR in trial.user_attrs)
    ]


def _work_in_parallel(search: Search, jobs: int) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_worker, args=(search, os.getpid())) for _ in range(jobs)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
                worker.join()
    ended = [worker.exitcode for worker in workers if worker.exitcode]
    if ended:
        raise TuningError(
            f"{len(ended)} of {jobs} processes ended with status {', '.join(map(str, ended))} (their messages stand above): "
            "the same command goes on where they were"
        )


def _worker(search: Search, parent: int) -> None:
    report_progress()
    with contextlib.suppress(KeyboardInterrupt):
        work(search, parent)


def report_progress() -> None:
    """Print one line for every trial to stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("tasks.tune").setLevel(logging.INFO)


def _alive(parent: int | None) -> bool:
    return parent is None or os.getppid() == parent
