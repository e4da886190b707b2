"""One fit: epochs, early stopping, checkpoints. A killed fit that is started again ends with the same bytes."""

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models import phases
from models.batch import Batch
from models.early_stopping import EarlyStopping
from models.encoders.base import packed_tables
from models.encoders.sharded import Placement, ShardedTable, placed
from models.recipe import WATCH_TIME
from tasks.core.errors import ConfigError, LostError, TrainingError
from tasks.train.checkpoint import Checkpoints, Progress, prefixed, under
from tasks.train.config import TrainingConfig
from tasks.train.conflict import gradient_account
from tasks.train.device import Device
from tasks.train.group import ALONE, Group
from tasks.train.pretraining import pretrain
from tasks.train.problem import FitProblem
from tasks.train.step import LOOK_STEPS, NotFiniteError, Step, StepRecord
from tasks.train.table_memory import TableMemory
from tasks.train.validate import Validation, validate

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """The outcome of one fit.

    Attributes:
        seed: its seed.
        weights: state of the ranker after its best epoch, on the CPU; of processes that fitted together the first has it whole,
            the others their own rows of the tables.
        best: lowest value of the stopping criterion.
        best_epoch: epoch that reached it, from 1.
        curves: one row per epoch.
    """

    seed: int
    weights: Mapping[str, Tensor]
    best: float
    best_epoch: int
    curves: list[dict[str, Any]]


def fit_seed(problem: FitProblem, seed: int, config: TrainingConfig, checkpoints: Path, group: Group = ALONE) -> Fitted:
    """Fit one seed, going on from its checkpoint where there is one.

    Args:
        problem: recipe and data.
        seed: of weights, dropout and order.
        config: how to fit.
        checkpoints: folder of this seed's checkpoint.
        group: processes that fit together.

    Raises:
        TrainingError: if a loss or a gradient is not finite, or the tables need more memory than a process may use.
        LostError: if another process of the group ended.
    """
    fit = SeedFit(problem, seed, config, checkpoints, group)
    fit.resume()
    return fit.finish()


class SeedFit:
    """The state of one fit: ranker, optimizers, curves and the best weights so far.

    Raises:
        ConfigError: if another number of processes fits than the configuration says.
    """

    def __init__(
        self, problem: FitProblem, seed: int, config: TrainingConfig, checkpoints: Path, group: Group = ALONE
    ) -> None:
        if group.size != config.processes:
            raise ConfigError(
                f"training.processes is {config.processes}, but here {group.size} fit: only the stage `train` starts more than "
                f"one; set training.processes: {group.size}"
            )
        torch.manual_seed(seed)
        self.problem, self.seed, self.config, self._group = problem, seed, config, group
        self._checkpoints = Checkpoints(checkpoints, group)
        self.device = Device.of(config)
        with placed(Placement(group.rank, group.size, TableMemory(config).admit)):
            self.ranker = self.device.place(problem.ranker())
        if not group.alone:  # they begin with the same weights, and must not drop the same neurons
            torch.manual_seed(int(np.random.SeedSequence([seed, group.size, group.rank]).generate_state(1)[0]))
        self._rows = problem.fit.mapped(lambda split: split.on(self.device.name))
        self._take_step = Step(self.ranker, config, self.device, group)
        self._record = StepRecord(self.ranker.trained_tasks, self.device.name)
        self.stopping = EarlyStopping[dict[str, Tensor]](config.max_epochs, config.patience)
        self.step = 0
        self.curves: list[dict[str, Any]] = []

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        found = self._checkpoints.load()
        if found is None:
            return
        progress, tensors = found
        self.step, self.curves = progress.step, progress.curves
        self.ranker.load_state_dict(under("model", tensors))
        if phases.learning_rate(self.ranker) != 1.0:  # the optimizers were made for the steps of a first phase
            self._take_step = Step(self.ranker, self.config, self.device, self._group)
        self.stopping = replace(
            self.stopping,
            max_epochs=progress.max_epochs,
            epoch=progress.epoch,
            best=progress.best,
            best_epoch=progress.best_epoch,
            kept=under("best", tensors) or (self._weights() if progress.step == 0 else {}),
        )
        self._record.sums.copy_(tensors["sums"])
        if not self.stopping.exhausted:
            self._take_step.optimizers.load_state_tensors(under("optimizers", tensors))
        log.info("seed %d: resumed after epoch %d, step %d", self.seed, progress.epoch, progress.step)

    def finish(self, observe: Callable[[Mapping[str, Any]], None] | None = None) -> Fitted:
        """Run the epochs that are left, those of a second phase too.

        Args:
            observe: called with an epoch's row of the curves once it has ended; may raise to end the fit.
        """
        while not self.stopping.exhausted or self.begins_second_phase():
            self.epoch()
            if observe is not None:
                observe(self.curves[-1])
        return self.result()

    def begins_second_phase(self) -> bool:
        """Go back to the best epoch and begin the second phase, if an objective has one that is due; return whether it does."""
        if not phases.second_is_due(self.ranker):
            return False
        assert self.stopping.kept is not None
        self.ranker.load_state_dict(self.stopping.kept)
        phases.begin_second(self.ranker)
        self._take_step, self.stopping = Step(self.ranker, self.config, self.device, self._group), self.stopping.again()
        log.info("seed %d: second phase after epoch %d", self.seed, self.stopping.epoch)
        return True

    def epoch(self) -> None:
        """Train one epoch, or the rest of one, then validate; before the first step of all, learn what the recipe begins with."""
        config, rows = self.config, self._rows
        if self.problem.watched is not None and not self.stopping.epoch and not self.step:
            pretrain(self.ranker, self.problem.watched, self.seed)
        self.ranker.train()
        epoch = self.stopping.epoch
        total = rows.impressions.order(config.batch_size, config.shard_rows, self.seed, epoch).num_batches
        batches = rows.epoch(config.batch_size, config.shard_rows, self.seed, epoch, skip=self.step)
        with tqdm(
            total=total * config.batch_size,
            initial=self.step * config.batch_size,
            desc=f"seed {self.seed} epoch {epoch + 1}",
            unit="impressions",
            unit_scale=True,
            disable=self._group.rank > 0 or not sys.stderr.isatty(),
        ) as bar:
            for batch in batches:
                self._step(batch)
                self.step += 1
                bar.update(config.batch_size)
                saves = self.step % config.checkpoint_steps == 0 and self.step < total
                if saves or self.step % LOOK_STEPS == 0:
                    self._look()
                if saves:
                    self._save()
        self._look()
        self._close_epoch(total)

    def _step(self, batch: Batch) -> None:
        try:
            self._record.add(self._take_step(batch))
        except LostError:
            raise
        except (ValueError, RuntimeError) as error:
            # What an earlier step broke, and nobody has looked at yet, is the cause; what fails on it is not.
            self._look()
            raise self._untrainable(error) if isinstance(error, ValueError) else error from error

    def _look(self) -> None:
        try:
            self._record.look(self.step)
        except NotFiniteError as error:
            raise self._not_finite(error.step, str(error)) from error

    @staticmethod
    def _untrainable(error: ValueError) -> TrainingError:
        return TrainingError(f"the recipe cannot be trained: {error}; nothing was written")

    def _not_finite(self, step: int, what: str) -> TrainingError:
        where = f"seed {self.seed}, epoch {self.stopping.epoch + 1}, step {step}"
        return TrainingError(
            f"{where}: {what}. Lower training.learning_rate or training.clip_norm, look for extreme labels or features "
            "in the fit days, or set training.precision to float32; nothing was written"
        )

    def _close_epoch(self, steps: int) -> None:
        self._take_step.optimizers.catch_up()
        try:
            found = validate(
                self.ranker,
                self.problem.validation,
                self.config,
                self.device,
                self._group,
                self._take_step.optimizers.look_up,
            )
        except FloatingPointError as error:
            raise self._not_finite(steps, f"on the validation day {error}") from error
        means = dict(zip(self.ranker.trained_tasks, (self._record.sums / steps).tolist(), strict=True))
        self.ranker.balance.after_epoch(means)
        try:
            for ranking in self.ranker.rankings.values():
                ranking.after_epoch()
        except ValueError as error:
            raise self._untrainable(error) from error
        criterion = found.criterion(self.config)
        better = self.stopping.improved(criterion, self._weights)
        self.step = 0
        self.curves.append(self._curve(means, found, better))
        self._record.sums.zero_()
        log.info(
            "seed %d epoch %d: watch loss %.5f, validation %.5f, XAUC %.4f%s",
            self.seed, self.stopping.epoch, means[WATCH_TIME], found.losses[WATCH_TIME], found.xauc, " *" if better else "",
        )  # fmt: skip
        self._save()

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().cpu().clone() for name, value in self.ranker.state_dict().items()}

    def _curve(self, means: Mapping[str, float], found: Validation, better: bool) -> dict[str, Any]:
        train = {f"train_{task}": value for task, value in means.items()}
        validation = {f"validation_{task}": value for task, value in found.losses.items()}
        row = {"seed": self.seed, "epoch": self.stopping.epoch, **train, **validation}
        return row | {"validation_xauc": found.xauc, "best": better} | self._account()

    def _account(self) -> dict[str, float]:
        """Return how tasks pull on what they share and what the parts say of themselves, on the first rows of the fit days."""
        batch = next(self._rows.evaluation(self.config.batch_size))[1]
        self._take_step.optimizers.look_up(batch)
        with self.device.autocast():
            gradients = gradient_account(self.ranker, batch)
            with torch.no_grad():
                return gradients | self.ranker.diagnostics(batch)

    def _save(self) -> None:
        stopping = self.stopping
        # After an epoch that is the best so far its weights are the model's, and are written once.
        is_best = self.step == 0 and stopping.best is not None and stopping.best_epoch == stopping.epoch
        best = {} if is_best else prefixed("best", stopping.kept or {})
        tensors = prefixed("model", self.ranker.state_dict()) | best | {"sums": self._record.sums}
        if not stopping.exhausted:
            tensors |= prefixed("optimizers", self._take_step.optimizers.state_tensors())
        progress = Progress(
            stopping.epoch, self.step, stopping.best, stopping.best_epoch, stopping.max_epochs, self.curves
        )
        self._checkpoints.save(progress, tensors)

    def result(self) -> Fitted:
        """Return the best weights of a finished fit."""
        stopping = self.stopping
        assert stopping.best is not None and stopping.kept is not None
        return Fitted(self.seed, self._whole(stopping.kept), stopping.best, stopping.best_epoch, self.curves)

    def _whole(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights with the rows that other processes own, on the first process."""
        whole = dict(weights)
        for name, table in packed_tables(self.ranker).items():
            if isinstance(table, ShardedTable):
                gathered = self._group.whole_table(whole[f"{name}.weight"], table.whole_rows)
                whole |= {} if gathered is None else {f"{name}.weight": gathered}
        return whole
