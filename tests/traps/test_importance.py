"""Scores of fields by sign (docs/methods/metrics.md#traps): what is offered to callers takes sizes."""

import inspect
from types import ModuleType, SimpleNamespace
from typing import cast

from models.attribution import permutation
from tests.models.attribution.test_permutation import signed
from tests.traps.twins import tells_apart


def test_trap_8_no_public_function_returns_the_signed_form() -> None:
    """That its order is no order is measured beside the planted fields."""

    def check(module: ModuleType) -> None:
        own = {
            name
            for name, of in vars(module).items()
            if inspect.isfunction(of) and not name.startswith("_") and "FieldRows" in str(inspect.signature(of))
        }
        assert own == {"f_permutation", "permutation"}

    wrong = SimpleNamespace(**vars(permutation), signed=signed)
    tells_apart(check, permutation, cast(ModuleType, wrong))
