"""Sensitive attributes of users ("traits"): what a source declares of each."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from models.ranges import Whole
from tasks.core.settings import Block


class Trait(Block):
    """One sensitive attribute of users, such as an age band, a gender or a score of personality."""

    kind: Literal["category", "number"] = "category"
    """category: text, each value a level; number: standardised on fit rows"""
    purpose: str = Field(min_length=1, max_length=200)
    """what the users consented to have it used for; shown wherever the trait is named"""
    retention_days: Whole = Field(ge=1, le=36_600)
    """days after it was recorded from which on a value is no longer used"""
    least_users: Whole = Field(default=20, ge=1, le=10**9)
    """users whose value is used that a level of a category needs; a rarer one would tell who somebody is, and is left out"""


Declared = Mapping[str, Mapping[str, Any]]
"""Trait -> its declaration, as `source.json` and `schema.json` carry it under `traits`."""


def declared(about: Mapping[str, Any]) -> Declared:
    """Return the traits that `source.json` or `schema.json` declares; none: empty."""
    found: Declared = about.get("traits", {})
    return found
