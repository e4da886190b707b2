"""Which prediction tables stand between the headline of the last night and this one's, as far as they are at hand."""

from pathlib import Path

from tasks.core.layout import JUDGE_TABLE, OLDER_STATE_TABLE, Workspace
from tasks.evaluate.change import Chain, chained
from tasks.gate.decision import Decision
from tasks.gate.inputs import JudgeDay
from tasks.registry.checkout import last_judged
from tasks.registry.entry import Entry


def chain_of(workspace: Workspace, decision: Decision, champion: Entry | None) -> Chain | None:
    """Return the tables from what served after the last night, on its judge day, to what serves after this one.

    Args:
        workspace: where the stages have run.
        decision: the night's, as it stands.
        champion: the entry that was challenged.

    Returns:
        None where no champion was challenged, or the evidence that the night may read does not hold its last judge day.

    Raises:
        RegistryError: if what was checked out is missing or damaged.
    """
    if champion is None:
        return None
    last = last_judged(workspace.champion)
    before = None if last is None else _standing(last, decision.champion, champion)
    if last is None or before is None:
        return None
    folder = workspace.predictions("champion")
    served = folder if decision.winner is None else workspace.predictions(decision.winner)
    older = folder / OLDER_STATE_TABLE
    links = chained(older if older.is_file() else None, folder / JUDGE_TABLE, served / JUDGE_TABLE)
    return Chain(last.as_of, decision.as_of, before, links)


def _standing(last: JudgeDay, identity: str | None, champion: Entry) -> Path | None:
    """Return the table of tonight's champion on an earlier judge day: as champion, or as the challenger it was made from."""
    if last.champion is not None and last.champion.entry == identity:
        return last.champion.predictions
    if champion.as_of != last.as_of:
        return None
    return next((one.predictions for one in last.challengers if one.name == champion.recipe), None)
