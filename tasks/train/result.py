"""What a fit of one recipe has to say when it is done."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainResult:
    """What the stage did.

    Attributes:
        name: recipe's name.
        rows: rows of the fit split.
        serving_seed: seed that did best on the validation day: by its loss, of trees by its XAUC.
        xauc: its XAUC on the validation day.
        frozen_tasks: tasks with too few positives to learn.
        refused: seeds whose mean calibrator broke a guard.
    """

    name: str
    rows: int
    serving_seed: int
    xauc: float
    frozen_tasks: tuple[str, ...]
    refused: tuple[int, ...]
