"""Width and heads of an attention, checked against each other where a configuration is read."""

from pydantic import BaseModel, model_validator

from models.ranges import Copies, Width


class AttentionSize(BaseModel):
    """Size of tokens and of the attention among them.

    Raises:
        ValueError: if the heads do not divide the width.
    """

    width: Width = 32
    """Of a token."""
    num_heads: Copies = 2
    """Of every attention; they divide the width."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "AttentionSize":
        if self.width % self.num_heads:
            raise ValueError(f"width is {self.width}, which {self.num_heads} heads do not divide")
        return self
