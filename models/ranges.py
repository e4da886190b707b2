"""Closed ranges of numeric settings: what no machine could run, or no method could mean, is refused where it is read.

A setting is a number, never a text or a truth value that could pass for one, and it is finite.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, Field


def distinct(what: str) -> AfterValidator:
    """Return the rule that no two values of a tuple are the same; `what` names them in the message."""

    def check(values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) != len(values):
            raise ValueError(f"{what} must be distinct, got {', '.join(map(str, values))}")
        return values

    return AfterValidator(check)


Whole = Annotated[int, Field(strict=True)]
"""a whole number whose range stands with its field"""
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""a finite number whose range stands with its field"""

Width = Annotated[Whole, Field(ge=1, le=8192)]
"""length of a vector, neurons of a layer"""
Widths = Annotated[tuple[Width, ...], Field(max_length=16)]
"""layers one after the other"""
Copies = Annotated[Whole, Field(ge=1, le=64)]
"""layers, blocks, heads or experts of one kind"""
Groups = Annotated[Whole, Field(ge=1, le=1000)]
"""parts that rows are divided into"""
Rows = Annotated[Whole, Field(ge=1, le=10**9)]
"""a number of rows, users or videos"""
BatchRows = Annotated[Whole, Field(ge=2, le=1 << 20)]
"""rows of one step"""
Steps = Annotated[Whole, Field(ge=1, le=10**6)]
"""steps, epochs, rounds, trials"""
WindowDays = Annotated[Whole, Field(ge=1, le=366)]
"""days of a window"""
Threads = Annotated[Whole, Field(ge=1, le=256)]
"""threads or processes of this machine"""
Seed = Annotated[Whole, Field(ge=0, le=2**31 - 1)]
"""seed of a generator; larger ones do not fit every library"""
Seeds = Annotated[tuple[Seed, ...], distinct("seeds")]
"""one fit per seed"""

Dropout = Annotated[Number, Field(ge=0, lt=1)]
"""share of neurons that are left out"""
Share = Annotated[Number, Field(ge=0, le=1)]
"""a part of a whole"""
Weight = Annotated[Number, Field(gt=0, le=10**6)]
"""factor of a loss or a strength"""
WeightOrNone = Annotated[Number, Field(ge=0, le=10**6)]
"""factor of a loss or a strength; 0: without it"""
StepSize = Annotated[Number, Field(gt=0, le=10)]
"""learning rate"""
Decay = Annotated[Number, Field(ge=0, le=10)]
"""weight decay"""
Seconds = Annotated[Number, Field(gt=0, le=86_400)]
"""a time within a day"""
