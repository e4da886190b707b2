"""DADF's second stage: a factor on a frozen model's seconds, by an expert of the row's duration bucket.

Shape legend: B rows, F inputs, K duration buckets, A auxiliary labels, H width.
"""

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from models.correction.base import BaseRows, Correction, CorrectionState, Floats, LabelledRows
from models.correction.box_cox import likeliest_power
from models.correction.config import DadfConfig
from models.correction.dadf_network import (
    LEAST_RATIO,
    MOST_RATIO,
    OFFSET_S,
    DadfNetwork,
    FitRows,
    dadf_loss,
    held_out_loss,
)
from models.correction.dadf_program import DadfInputs, DadfProgram
from models.correction.viewing_labels import Percentiles, viewing_labels
from models.duration_groups import duration_cuts
from models.heads.base import TrainLabels

DECAY, CLIP_NORM = 1e-6, 1.0
_WEIGHT = "weight/"


class Dadf(Correction):
    """y = (y0 + 1) b(x) - 1, the factor b a Box-Cox inverse with the bucket's power of what the bucket's expert says.

    Source: the public code liuzhao09/DADF (arXiv 2605.17863 unseen); docs/methods/watch_time.md#dadf gives the equations and
    what differs: ratios have an offset of 1 s and so keep plays of 0 s; inputs are the model's seconds and probabilities,
    standardised, where the code reads the base's hidden layer and own vectors of users and videos; watched rows say when to
    stop, before the first pass if none gains.
    """

    Config = DadfConfig
    config: DadfConfig

    @classmethod
    def fit(cls, config: DadfConfig, rows: LabelledRows, train: TrainLabels, watched: LabelledRows) -> Self:
        """Learn the factor; see `Correction.fit`.

        The state: `cuts_s` float64 [K - 1], `play_s` [K], `level` (), `unit_s` (), `mean` and `scale` [F] of inputs, and
        `weight/<name>`, the network's parameters, float64.
        """
        state = _scales(config, train)
        inputs = DadfInputs(state)
        state["mean"], state["scale"] = _moments(inputs(*_tensors(rows.base)).numpy())
        program = DadfProgram(inputs, _untrained(config, state), state["mean"], state["scale"])
        percentiles, unit_s = Percentiles.fit(train), float(state["unit_s"])
        learned, others = (_fit_rows(program, part, percentiles, unit_s) for part in (rows, watched))
        _start(program.network, learned)
        _learn(config, program.network, learned, others)
        weights = {f"{_WEIGHT}{name}": value.numpy() for name, value in program.network.state_dict().items()}
        return cls(config, state | weights)

    def __init__(self, config: DadfConfig, state: CorrectionState) -> None:
        super().__init__(config, state)
        network = _untrained(config, state)
        weights = {name: value for name, value in state.items() if name.startswith(_WEIGHT)}
        network.load_state_dict({n.removeprefix(_WEIGHT): torch.from_numpy(v) for n, v in weights.items()})
        program = DadfProgram(DadfInputs(state), network, state["mean"], state["scale"])
        self._program = program.requires_grad_(requires_grad=False)

    def factor(self, rows: BaseRows) -> Floats:
        """Return b, in [.1, 10], [rows]."""
        with torch.no_grad():
            found: Floats = self._program.factor(*_tensors(rows)).numpy()
        return found

    def program(self) -> DadfProgram:
        """Return the module that `apply` runs."""
        return self._program


def _untrained(config: DadfConfig, state: CorrectionState) -> DadfNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return DadfNetwork(config, len(state["mean"]), len(state["play_s"])).double()


def _start(network: DadfNetwork, rows: FitRows) -> None:
    """Give an untrained network, whose factors all are 1, the powers that the rows make likeliest."""
    ratio_B = rows.ratio()
    inside_B = (ratio_B >= LEAST_RATIO) & (ratio_B <= MOST_RATIO)
    for bucket in range(len(network.power_K)):
        here = ratio_B[inside_B & (rows.bucket_B == bucket)].numpy()
        network.power_K.data[bucket] = likeliest_power(here)


def _learn(config: DadfConfig, network: DadfNetwork, rows: FitRows, watched: FitRows) -> None:
    """Take passes over the rows, and leave the network as it did best on the watched ones, before the first pass maybe."""
    optimizer = torch.optim.Adagrad(network.parameters(), lr=config.learning_rate, weight_decay=DECAY)
    generator = torch.Generator().manual_seed(config.seed)
    best, since, kept = _measure(network, watched), 0, _copy(network)
    for _ in range(config.epochs):
        for part in torch.split(torch.randperm(len(rows), generator=generator), config.batch_size):
            optimizer.zero_grad()
            dadf_loss(network, rows.where(part)).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
            optimizer.step()
            with torch.no_grad():
                network.power_K.clamp_(-1, 1)
        since += 1
        if (found := _measure(network, watched)) < best:
            best, since, kept = found, 0, _copy(network)
        if since >= config.patience:
            break
    network.load_state_dict(kept)


@torch.no_grad()
def _measure(network: DadfNetwork, watched: FitRows) -> float:
    return float(held_out_loss(network(watched.input_BF, watched.bucket_B), watched))


def _copy(network: DadfNetwork) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _scales(config: DadfConfig, train: TrainLabels) -> CorrectionState:
    """Return bucket edges, the buckets' mean plays, the mean of ln(y + 1) and the longest play, of the fit days."""
    cuts_s = duration_cuts(train.duration_s, config.buckets)
    bucket = np.searchsorted(cuts_s, train.duration_s, side="right")
    return {
        "cuts_s": cuts_s,
        "play_s": np.bincount(bucket, train.watch_s) / np.bincount(bucket),
        "level": np.array(np.log(train.watch_s + OFFSET_S).mean()),
        "unit_s": np.array(max(float(train.watch_s.max()), OFFSET_S)),
    }


def _moments(forms_BF: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of every input, [F] each; a constant has scale 1."""
    scale_F = forms_BF.std(axis=0)
    return forms_BF.mean(axis=0), np.where(scale_F > 0, scale_F, 1.0)


def _tensors(rows: BaseRows) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    chances = {name: torch.from_numpy(chance) for name, chance in rows.chances.items()}
    return torch.from_numpy(rows.base_s), torch.from_numpy(rows.duration_s), chances


def _fit_rows(program: DadfProgram, rows: LabelledRows, percentiles: Percentiles, unit_s: float) -> FitRows:
    base_B, duration_B, chances = _tensors(rows.base)
    label = viewing_labels(rows.watch_s, rows.base.duration_s, percentiles)
    with torch.no_grad():
        read = program.standardised(base_B, duration_B, chances), program.inputs.bucket(duration_B)
    return FitRows(*read, base_B, torch.from_numpy(rows.watch_s), torch.from_numpy(label), unit_s)
