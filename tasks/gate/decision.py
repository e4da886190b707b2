"""The decision of a night as a value: verdict, winner, reason, and every number it rests on. JSON holds it whole."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from tasks.core.document import Document, read_document
from tasks.core.errors import ConfigError, ContractError
from tasks.core.files import hash_value
from tasks.gate.compared import Compared, Number
from tasks.gate.config import GatePolicy
from tasks.gate.evidence import Increment, ReignEvidence

DECISION_FILE = "decision.json"
RETIRED_FILE = "retired.json"
"""Beside the champion's predictions, in their place where it could not be scored."""

_NAMED = 5
"""Lacking columns that a reason names; the document holds all."""

Rule = Literal["first", "refresh", "refresh_by_age", "upgrade"]
Kind = Literal["first", "refresh", "refresh_by_age", "upgrade", "keep", "forced"]
Verdict = Literal["promote", "keep", "refuse"]
Status = Literal["passed", "failed", "not_applicable"]


class Check(Document):
    """One condition of a verdict."""

    name: str
    """what was checked"""
    label: str = ""
    """the same in words; decisions made by earlier versions have none"""
    metric: str | None = None
    """the metric that decided, a name of `tasks.evaluate.catalogue`; None for conditions on data, days or seeds"""
    status: Status
    """whether it holds; "not_applicable" where the rows do not define it"""
    value: Number = None
    """the number that was held against the limit"""
    limit: Number = None
    """the limit"""
    reason: str
    """the check in words"""


class ChallengerVerdict(Document):
    """What the gate found on one challenger."""

    name: str
    recipe_hash: str
    rule: Rule
    """the rule it was held against"""
    passed: bool
    """whether it may become champion"""
    reason: str
    """why, or why not"""
    validation_xauc: Number
    """chooses between several that pass"""
    checks: tuple[Check, ...]
    compared: tuple[Compared, ...] = ()
    evidence: ReignEvidence | None = None
    """upgrades: what the reign's nights say together, this one included"""
    increments: tuple[Increment, ...] = ()
    """what this night adds, for the ledger to keep"""
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The conditions that do not hold."""
        return tuple(check for check in self.checks if check.status == "failed")


class Retired(Document):
    """A champion that cannot be scored on the night's rows, and so challenges nobody and serves no more."""

    entry: str
    """its registry entry"""
    lacks: tuple[str, ...]
    """columns it was trained with that the features of the night do not hold"""

    @property
    def reason(self) -> str:
        """The first of them, and how many more there are."""
        further = len(self.lacks) - _NAMED
        more = f" and {further} more columns" if further > 0 else ""
        return f"it was trained with {', '.join(self.lacks[:_NAMED])}{more}, which the features of this night lack"


class Decision(Document):
    """The verdict of one night."""

    as_of: dt.date
    verdict: Verdict
    """promote: the winner becomes champion; keep: the champion stays; refuse: there is no champion and none is made"""
    kind: Kind | None
    """how the serving model came by its place; None when refused"""
    winner: str | None
    """recipe that becomes champion; None unless promoted"""
    winner_recipe_hash: str | None
    champion: str | None
    """registry entry that was challenged"""
    champion_recipe_hash: str | None
    evidence: tuple[str, ...]
    """registry ids of the earlier judge tables that were at hand"""
    expectations_passed: bool
    reason: str
    """in plain language"""
    reign_since: dt.date | None = None
    """first night that had to beat the champion's configuration"""
    anchor: str | None = None
    """registry entry that refreshes are held to: the one that began the reign, or a later one that took its place"""
    champion_age: int | None = None
    """days since the night that fitted the champion"""
    challengers: tuple[ChallengerVerdict, ...]
    policy: GatePolicy
    forced_reason: str | None = None
    """why a person overruled the gate; stays with the entry for ever"""
    retired: Retired | None = None
    """the champion that the night started from, where it could not be scored; challengers then are held against baselines"""

    def as_json(self) -> dict[str, Any]:
        """Return the decision as JSON values; one that retires nobody has the bytes, and so the id, it always had."""
        document = super().as_json()
        return document if self.retired is not None else {k: v for k, v in document.items() if k != "retired"}

    @property
    def pinned(self) -> str | None:
        """The registry entry that the night started from, challenged or retired."""
        return self.retired.entry if self.retired is not None else self.champion

    @property
    def id(self) -> str:
        """Content hash: equal decisions have equal ids."""
        return hash_value(self.as_json())[:16]

    def challenger(self, name: str) -> ChallengerVerdict:
        """Return the verdict on one challenger.

        Raises:
            ConfigError: if there is none of that name.
        """
        for verdict in self.challengers:
            if verdict.name == name:
                return verdict
        known = ", ".join(verdict.name for verdict in self.challengers)
        raise ConfigError(f"night {self.as_of} judged no challenger {name!r} (it judged {known})")

    def forced(self, name: str, reason: str) -> "Decision":
        """Return the decision as a person overrules it: `name` is promoted, marked as forced.

        Raises:
            ConfigError: if no reason is given, or there is no such challenger.
        """
        if not reason.strip():
            raise ConfigError("a forced promotion needs a reason: say why the gate is overruled")
        forced = {
            "verdict": "promote",
            "kind": "forced",
            "winner": name,
            "winner_recipe_hash": self.challenger(name).recipe_hash,
            "reason": f"{name} was promoted by force: {reason.strip()} (the gate had said: {self.reason})",
            "forced_reason": reason.strip(),
        }
        return self.model_copy(update=forced)


def write_decision(folder: Path, decision: Decision) -> Path:
    """Write `decision.json` into a folder."""
    return decision.write(folder / DECISION_FILE)


def load_decision(folder: Path) -> Decision:
    """Read the decision that the stage `gate` wrote into a folder.

    Raises:
        ContractError: if there is none, or it cannot be read.
    """
    path = folder / DECISION_FILE
    if not path.exists():
        raise ContractError(f"{path} does not exist: run the stage gate first")
    return read_document(path, Decision, "gate")


def headline(decision: Decision) -> dict[str, float]:
    """Return what `dvc metrics show` has of a decision; `decision.json` holds its numbers."""
    return {"promoted": float(decision.verdict == "promote")}


def all_hold(checks: Iterable[Check]) -> bool:
    """Whether no check failed."""
    return all(check.status != "failed" for check in checks)
