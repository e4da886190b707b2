"""Names that people give to recipes, ensembles and sources, which become folders, files and stage names; and names they choose from."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from tasks.core.errors import ConfigError

LONGEST = 64
RESERVED = frozenset({"baselines", "champion", "gate"})
"""What stands beside such names: predictions of the champion and the baselines, metrics of the gate."""

_ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NUMBER = re.compile(r"[0-9][0-9_]*([eE][0-9]+)?|0[xXoObB][0-9A-Fa-f_]+")
"""What one reader of YAML or another takes for a number where no quotes stand around it."""


def checked_name(name: str) -> str:
    """Return a name as it is.

    Raises:
        ConfigError: if it cannot be a name.
    """
    if name in RESERVED:
        raise ConfigError(f"name {name!r} is taken by dwell itself ({', '.join(sorted(RESERVED))}): choose another")
    return checked_word(name)


def checked_word(word: str) -> str:
    """Return a name that may also be one of dwell's own.

    Raises:
        ConfigError: if it cannot be a name.
    """
    if len(word) > LONGEST or not _ALLOWED.fullmatch(word):
        raise ConfigError(f"name {word!r}: use up to {LONGEST} letters, digits, '_' and '-', a letter or a digit first")
    if _NUMBER.fullmatch(word):
        raise ConfigError(f"name {word!r} can be read as a number: put a letter first")
    return word


Name = Annotated[str, AfterValidator(checked_name)]
"""Name of a recipe, an ensemble or a source."""
Word = Annotated[str, AfterValidator(checked_word)]
"""First part of the names of columns that dwell makes."""

Label = Literal[
    "skip", "valid_play", "long_view", "finish",
    "click", "like", "follow", "comment", "forward", "hate", "profile_enter",
]  # fmt: skip
"""Binary labels of one impression, each a task that models may learn."""
