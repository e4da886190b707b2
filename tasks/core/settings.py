"""The base of every configuration block: frozen, and a key it does not know is an error."""

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """One block of `params.yaml`. Field descriptions are its documentation: `dwell schema` prints them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
