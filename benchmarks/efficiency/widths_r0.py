"""The arms of `widths` on KuaiRand R0, raw identifiers: 22 fields, most of them with few rows, which stay whole."""

import torch

from benchmarks.efficiency.width_arms import WidthWorld
from benchmarks.efficiency.widths import BUDGETS, curve
from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.grid import recipe_of
from benchmarks.watchtime.r0 import ids_testbed
from tasks.weekly.config import WidthsReview
from tasks.weekly.widths import NightFolders


def run(options: Options) -> list[Table]:
    """Fit every arm at every budget on R0."""
    torch.set_num_threads(1)
    bed = ids_testbed(options)
    night = NightFolders(bed.features, bed.table, bed.days, options.scratch)
    name, recipe = "KuaiRand-Pure, protocol R0, raw identifiers", recipe_of("d2q", "alone")
    world = WidthWorld(name, recipe, bed.training, night, WidthsReview(), options.scratch / "widths")
    return [curve(world, BUDGETS[:1] if options.quick else BUDGETS, options.seeds)]
