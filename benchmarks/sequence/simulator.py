"""Simulated days: longer histories, and users whose boredom makes yesterday's skips tell something about today."""

import datetime as dt

import torch

from benchmarks.parts.part import Options, Table
from benchmarks.sequence.comparison import tables
from benchmarks.sequence.protocol.feedback import feedback_log
from benchmarks.sequence.protocol.read import read_impressions
from benchmarks.sequence.protocol.split import split
from tasks.simulate.config import SimulatorConfig
from tasks.validate.config import TableRulesConfig, ValidationConfig

WORLD, NUM_DAYS = SimulatorConfig().scaled(4_000), 14
QUICK_WORLD, QUICK_DAYS = SimulatorConfig().scaled(400), 5
TRAINING = {"batch_size": 32, "max_epochs": 30}


def run(options: Options) -> list[Table]:
    """Fit and judge everything."""
    torch.set_num_threads(1)
    world, num_days = (QUICK_WORLD, QUICK_DAYS) if options.quick else (WORLD, NUM_DAYS)
    days = [world.start_day + dt.timedelta(days=day) for day in range(num_days)]
    validation = ValidationConfig(tables=TableRulesConfig(min_rows=10))
    log = feedback_log(read_impressions(world, days, validation, options.scratch))
    title = f"Simulator, {num_days} days of {world.impressions_per_day:,} impressions"
    return tables(title, split(log), options, TRAINING)
