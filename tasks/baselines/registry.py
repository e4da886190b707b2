"""The baselines by name, but for the trees, which are a recipe. A new one is one file and one line here."""

from collections.abc import Mapping

from tasks.baselines.base import Baseline
from tasks.baselines.config import BaselineName
from tasks.baselines.constant import Constant
from tasks.baselines.duration_table import DurationTable
from tasks.baselines.item_user_effects import ItemUserEffects

BASELINES: Mapping[BaselineName, type[Baseline]] = {
    "constant": Constant,
    "duration_table": DurationTable,
    "item_user_effects": ItemUserEffects,
}
