"""Whether a night that is run again gives the bytes that were archived of it, and if not, what its machine has otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.core.machine import Machine
from tasks.core.yaml_file import read_yaml


def other_bytes(archived: Path, now: Path) -> tuple[str, ...]:
    """Return the stages that made other outputs of the very same inputs.

    Args:
        archived: dvc.lock of the archived night.
        now: dvc.lock of the workspace, after the same night.
    """
    before, after = (read_yaml(path).value["stages"] for path in (archived, now))
    return tuple(name for name in after if name in before and _differs(before[name], after[name]))


def _differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    same_inputs = all(before.get(key) == after.get(key) for key in ("cmd", "deps", "params"))
    return same_inputs and before.get("outs") != after.get("outs")


def explanation(stages: tuple[str, ...], before: Machine | None, now: Machine) -> str:
    """Say which stages made other bytes, and what the machine that archived the night had otherwise."""
    if before is None:
        cause = "the archive does not say what it was computed with"
    elif differences := before.differences(now):
        cause = f"it was archived with other {'; '.join(differences)} (there, here)"
    else:
        cause = "the machine says no cause"
    return f"{', '.join(stages)} gave other bytes than the archived night, of the same inputs: {cause}"
