"""The base of every configuration block: frozen, and a key it does not know is an error."""

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Block(BaseModel):
    """One block of `params.yaml`. Field descriptions are its documentation: `dwell schema` prints them."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _day(value: object) -> object:
    """Return the day that a text names; a number is none, though one could count it from 1970."""
    if isinstance(value, str):
        return dt.datetime.strptime(value, "%Y-%m-%d").date()
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise ValueError('a day is written "2026-01-31"')
    return value


Day = Annotated[dt.date, BeforeValidator(_day), Field(ge=dt.date(1990, 1, 1), le=dt.date(2100, 1, 1))]
"""A day of a log, quoted in YAML."""
