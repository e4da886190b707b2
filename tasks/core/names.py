"""Names that people give to recipes, ensembles and sources: they become folders, files and stage names."""

import re
from typing import Annotated

from pydantic import AfterValidator

from tasks.core.errors import ConfigError

LONGEST = 64
RESERVED = frozenset({"baselines", "champion", "gate"})
"""What stands beside such names: predictions of the champion and the baselines, metrics of the gate."""

_ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def checked_name(name: str) -> str:
    """Return a name as it is.

    Raises:
        ConfigError: if it cannot be a name.
    """
    if name in RESERVED:
        raise ConfigError(f"name {name!r} is taken by dwell itself ({', '.join(sorted(RESERVED))}): choose another")
    if len(name) > LONGEST or not _ALLOWED.fullmatch(name):
        raise ConfigError(f"name {name!r}: use up to {LONGEST} letters, digits, '_' and '-', a letter or a digit first")
    return name


Name = Annotated[str, AfterValidator(checked_name)]
"""Name of a recipe, an ensemble or a source."""
