"""What a table of rows may be used for: nothing that chooses, tunes or fits may see the judge day."""

from typing import Literal

from tasks.core.errors import DwellError

Role = Literal["fit", "validation", "judge"]


class RoleError(DwellError):
    """Rows of the judge day were about to fit, tune or select something."""


def refuse_judge(role: Role, action: str) -> None:
    """Stop an action that chooses something if its rows are those of the judge day.

    Args:
        role: role of the rows at hand.
        action: what was about to happen, for the message.

    Raises:
        RoleError: if the role is "judge".
    """
    if role == "judge":
        raise RoleError(f"{action} was given rows of the judge day, which selects nothing: use the validation day")
