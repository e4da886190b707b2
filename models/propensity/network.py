"""A fitted exposure network: which rows of D were observed, from inputs that say where and when they might have been.

Shape legend: B rows, C categorical fields, N numbers.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import LinearLR

from models.mlp import mlp
from models.propensity.base import Exposures, Floats, Ints, Propensity, PropensityOptions, PropensityState
from models.ranges import Number, Seed, Steps, StepSize, WeightOrNone, Whole, Width, Widths

_SPREAD = 0.1
"""Standard deviation of field vectors before the fit: with large ones the network starts from noise per level."""
_WATCH_EVERY = 100
"""Steps between looks at the held-out rows; passes over the rows that are shorter are looked at one by one."""

_MOST_WATCHED = 100_000
_TOLERANCE = 2.0


class NetworkConfig(PropensityOptions):
    """Inputs, size and fit of the network."""

    kind: Literal["network"] = "network"
    fields: tuple[str, ...] = ("position", "scene", "hour")
    """Categorical inputs: fields or columns of the table. Prefer what moves exposure but not preference."""
    numbers: tuple[str, ...] = ()
    """Numeric inputs: dense features or columns of the table, a logging score for one."""
    hidden: Widths = ()
    """Widths of hidden layers; none: a logistic regression on the levels of the fields and the numbers."""
    embedding_dim: Width = 8
    """Width of a field's vector where there are hidden layers."""
    steps: Steps = 1_500
    """Steps of Adam; its rate falls to 0 over them."""
    batch_size: Whole = Field(default=1_024, ge=1, le=1 << 20)
    """Rows of a step."""
    learning_rate: StepSize = 2e-2
    """First step size."""
    l2: WeightOrNone = 1e-3
    """Decoupled weight decay, on everything but the bias."""
    held_out: Number = Field(default=0.1, ge=0, le=0.5)
    """Share of the rows on which a first fit is watched; a second, on all rows, takes as many steps as did well there;
    0: one fit with all steps."""
    seed: Seed = 0
    """Of the weights and the order of rows."""


class Network(Propensity):
    """sigmoid(wide + deep) of the fields and numbers, fitted by log-loss on the rows of D.

    Source: docs/methods/debias.md#propensity-models (log-loss on D, where public code uses squared error). Unobserved
    rows kept at rate k shift the logit of the sample by -log k; that shift is added during the fit, so the network
    learns the logit of D itself. This equals the correction p = p_s / (p_s + (1 - p_s) / k) afterwards and allows a
    rate per row. How many steps are taken follows from held-out rows: with users or videos among the fields, all of
    them would remember rows.
    """

    Config = NetworkConfig

    @classmethod
    def fit_state(cls, config: NetworkConfig, train: Exposures) -> PropensityState:
        """Fit the network; the same rows and configuration give the same state.

        Returns:
            levels/<field>: int64, sorted codes seen in train rows.
            mean, scale: float64 [N].
            weight/<name>: the parameters.

        Raises:
            ValueError: if D holds only observed or only unobserved rows, an input is missing, or a field tells the two
                apart by itself.
        """
        rows = train.where(~train.random)
        _refuse_one_sided(rows)
        _refuse_missing(config, rows)
        state: PropensityState = {f"levels/{name}": np.unique(rows.fields[name]) for name in config.fields}
        _refuse_giveaway(config, rows)
        numbers_BN = _stacked(rows, config.numbers)
        state["mean"], state["scale"] = _moments(numbers_BN)
        module = _Fit(config, state, rows).network()
        return state | {f"weight/{name}": value.numpy() for name, value in module.state_dict().items()}

    def apply(self, rows: Exposures) -> Floats:
        """Return the propensity of every row; a level that train rows did not hold counts as an average one.

        Raises:
            ValueError: if an input is missing.
        """
        _refuse_missing(self.config, rows)
        module = _ExposureNetwork(self.config, _sizes(self.config, self.state))
        module.load_state_dict({name: torch.from_numpy(value) for name, value in _weights(self.state).items()})
        with torch.no_grad():
            logit_B = module(*_inputs(self.config, self.state, rows)).double()
        propensity = torch.sigmoid(logit_B).clamp(min=torch.finfo(torch.float64).tiny).numpy()
        return np.where(rows.random, 1.0, propensity)


class _ExposureNetwork(nn.Module):
    """A logistic regression on levels and numbers, and a perceptron on field vectors and numbers beside it."""

    def __init__(self, config: NetworkConfig, sizes: Sequence[int]) -> None:
        super().__init__()
        num_numbers = len(config.numbers)
        self.wide = nn.ModuleList(nn.Embedding(size, 1) for size in sizes)
        self.linear = nn.Parameter(torch.zeros(num_numbers))
        self.bias = nn.Parameter(torch.zeros(()))
        self.deep = nn.ModuleList(nn.Embedding(size, config.embedding_dim) for size in sizes if config.hidden)
        for tables, spread in ((self.wide, 0.0), (self.deep, _SPREAD)):
            for table in tables:
                assert isinstance(table, nn.Embedding)
                nn.init.normal_(table.weight, std=spread)
                nn.init.zeros_(table.weight[0])  # the level that train rows do not hold: no gradient reaches it
        self.layers = mlp(len(sizes) * config.embedding_dim + num_numbers, config.hidden, dropout=0.0)
        self.out = nn.Linear(config.hidden[-1], 1, bias=False) if config.hidden else None

    def forward(self, code_BC: Tensor, number_BN: Tensor) -> Tensor:
        """Return the logit of every row, [B]."""
        logit_B = self.bias + number_BN @ self.linear
        for column, table in enumerate(self.wide):
            logit_B = logit_B + table(code_BC[:, column])[:, 0]
        if self.out is None:
            return logit_B
        vectors = [table(code_BC[:, column]) for column, table in enumerate(self.deep)]
        deep_B: Tensor = self.out(self.layers(torch.cat([*vectors, number_BN], dim=1)))[:, 0]
        return logit_B + deep_B


class _Fit:
    """Fits networks to some of the rows of D, from the same start and by the same kind of steps."""

    def __init__(self, config: NetworkConfig, state: PropensityState, rows: Exposures) -> None:
        self._config, self._sizes = config, _sizes(config, state)
        self._code_BC, self._number_BN = _inputs(config, state, rows)
        self._shift_B, self._observed_B = (
            torch.from_numpy(values).float() for values in (-np.log(rows.kept), rows.observed)
        )
        share = rows.observed.sum() / rows.stands_for.sum()
        self._log_odds = float(np.log(share / (1 - share)))

    def network(self) -> _ExposureNetwork:
        """Return the network of all rows, after as many steps as predict held-out rows well."""
        order = torch.randperm(len(self._observed_B), generator=torch.Generator().manual_seed(self._config.seed))
        count = min(int(self._config.held_out * len(order)), _MOST_WATCHED)
        steps = self._last_good_step(order[:count], order[count:]) if count else self._config.steps
        module = self._start()
        for _ in self._train(module, order, steps):
            pass
        return module

    def _last_good_step(self, watched: Tensor, learned: Tensor) -> int:
        """Fit some rows and look at the others now and then; return the last step at which these are predicted well.

        Well is: worse than at the best step by no more than two standard errors of the difference. Where nothing is
        remembered this is the very last step, and not the one that noise favours.
        """
        every = min(_WATCH_EVERY, -(-len(learned) // self._config.batch_size))
        module, found = self._start(), {}
        for step in self._train(module, learned, self._config.steps):
            if step % every == 0 or step == self._config.steps:
                with torch.no_grad():
                    found[step] = self._row_losses(module, watched).double()
        best = min(found.values(), key=lambda loss_B: float(loss_B.mean()))
        return max(step for step, loss_B in found.items() if _no_worse(loss_B, best))

    def _start(self) -> _ExposureNetwork:
        """Return the network before its first step: the observed share for every row, but for small random vectors."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._config.seed)
            module = _ExposureNetwork(self._config, self._sizes)
        nn.init.constant_(module.bias, self._log_odds)
        return module

    def _train(self, module: _ExposureNetwork, part: Tensor, steps: int) -> Iterator[int]:
        """Take steps on some rows, at a rate that would fall to 0 over all; yield the number of each once it is taken."""
        config = self._config
        decayed = [parameter for name, parameter in module.named_parameters() if name != "bias"]
        groups = [{"params": decayed, "weight_decay": config.l2}, {"params": [module.bias], "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        falling = LinearLR(optimizer, 1.0, 0.0, config.steps)
        generator = torch.Generator().manual_seed(config.seed)
        for step, batch in enumerate(_batches(part, config.batch_size, steps, generator), start=1):
            optimizer.zero_grad()
            loss = self._row_losses(module, batch).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            falling.step()
            yield step

    def _row_losses(self, module: _ExposureNetwork, part: Tensor) -> Tensor:
        logit_B = module(self._code_BC[part], self._number_BN[part]) + self._shift_B[part]
        return functional.binary_cross_entropy_with_logits(logit_B, self._observed_B[part], reduction="none")


def _no_worse(loss_B: Tensor, best_B: Tensor) -> bool:
    gap_B = loss_B - best_B
    return bool(gap_B.mean() <= _TOLERANCE * gap_B.std(correction=0) / len(gap_B) ** 0.5)


def _batches(rows: Tensor, batch_size: int, steps: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield `steps` batches of row numbers: permutations of the rows, one after the other."""
    size = min(batch_size, len(rows))
    per_pass = len(rows) // size
    for step in range(steps):
        if step % per_pass == 0:
            order = rows[torch.randperm(len(rows), generator=generator)]
        begin = step % per_pass * size
        yield order[begin : begin + size]


def _inputs(config: NetworkConfig, state: PropensityState, rows: Exposures) -> tuple[Tensor, Tensor]:
    """Return level numbers [B, C], 0 for a level not seen in train rows, and standardised numbers [B, N]."""
    code_BC = np.zeros((len(rows), len(config.fields)), dtype=np.int64)
    for column, name in enumerate(config.fields):
        code_BC[:, column] = _level_numbers(rows.fields[name], state[f"levels/{name}"])
    number_BN = (_stacked(rows, config.numbers) - state["mean"]) / state["scale"]
    return torch.from_numpy(code_BC), torch.from_numpy(np.nan_to_num(number_BN)).float()


def _level_numbers(codes: Ints, levels: Ints) -> Ints:
    place = np.minimum(np.searchsorted(levels, codes), len(levels) - 1)
    return np.where(levels[place] == codes, place + 1, 0)


def _sizes(config: NetworkConfig, state: PropensityState) -> list[int]:
    return [len(state[f"levels/{name}"]) + 1 for name in config.fields]


def _weights(state: PropensityState) -> PropensityState:
    return {name.removeprefix("weight/"): value for name, value in state.items() if name.startswith("weight/")}


def _stacked(rows: Exposures, names: Sequence[str]) -> Floats:
    if not names:
        return np.zeros((len(rows), 0))
    return np.column_stack([rows.numbers[name] for name in names]).astype(np.float64)


def _moments(numbers_BN: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of every column, missing values left out; a constant has scale 1."""
    mean = np.array([np.nanmean(column) if np.isfinite(column).any() else 0.0 for column in numbers_BN.T])
    scale = np.array([np.nanstd(column) if np.isfinite(column).any() else 1.0 for column in numbers_BN.T])
    return mean, np.where(scale > 0, scale, 1.0)


def _refuse_one_sided(rows: Exposures) -> None:
    if rows.observed.all() or not rows.observed.any():
        raise ValueError(
            f"an exposure network learns from observed and unobserved rows, and all {len(rows)} rows of the fit days are "
            f"{'observed' if rows.observed.any() else 'unobserved'}: selection.kind 'impression' has no unobserved rows; "
            "choose 'click' or 'candidate', or another propensity.kind"
        )


def _refuse_missing(config: NetworkConfig, rows: Exposures) -> None:
    for key, wanted, given in (("fields", config.fields, rows.fields), ("numbers", config.numbers, rows.numbers)):
        missing = [name for name in wanted if name not in given]
        if missing:
            raise ValueError(f"propensity.{key} names {', '.join(missing)}, which the rows lack: {sorted(given)}")


def _refuse_giveaway(config: NetworkConfig, rows: Exposures) -> None:
    """Refuse a field that exists on one side only: it would not predict the exposure but repeat it."""
    for name in config.fields:
        seen, unseen = (np.unique(rows.fields[name][side]) for side in (rows.observed, ~rows.observed))
        if len(np.intersect1d(seen, unseen)) == 0:
            raise ValueError(
                f"propensity.fields names {name}, whose levels of observed and unobserved rows have nothing in common "
                f"(observed {seen[:3].tolist()} ..., unobserved {unseen[:3].tolist()} ...): it repeats the exposure "
                "instead of predicting it; leave it out at this selection"
            )
