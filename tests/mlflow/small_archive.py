"""A workspace with archived nights, made by hand: what a mirror reads of them, and nothing else."""

import datetime as dt
import shutil
from pathlib import Path

import yaml

from tasks.core.layout import Workspace
from tasks.core.timings import StageSpan
from tasks.evaluate.document import MeasuredNumber
from tasks.gate.decision import Decision, load_decision, write_decision
from tasks.night.headline import Headline
from tasks.registry import Registry
from tasks.report.operations import Operations
from tests.flows.small_night import REPOSITORY
from tests.registry.conftest import Nights, day, decide

COMMIT = "0123456789ab"


class Archive(Nights):
    """Nights of one source, registered and archived."""

    def __init__(self, root: Path, source: str) -> None:
        root.mkdir()
        super().__init__(root)
        self.workspace, self.source = Workspace(root), source
        shutil.copy(REPOSITORY / "params.yaml", root)

    @property
    def registry(self) -> Registry:
        return Registry(self.workspace.registry(self.source))

    def night(self, number: int, winner: str | None = None, xauc: float = 0.6) -> None:
        """Run a night: a stands before b on the validation day."""
        as_of = day(number)
        decision = self._decided(as_of, winner)
        self.registry.register(self.artifacts(as_of, decision.champion is not None), decision, rewrite=True)
        self.archived(decision, xauc)

    def overrule(self, number: int, challenger: str, reason: str) -> None:
        """Promote a challenger of a night by force."""
        decision = load_decision(self.workspace.night(self.source, day(number)))
        self.registry.force(self.artifacts(day(number)), decision, challenger, reason)
        write_decision(self.workspace.night(self.source, day(number)), decision.forced(challenger, reason))

    def archived(self, decision: Decision, xauc: float) -> None:
        """Archive a night as publishing does."""
        as_of, folder = decision.as_of, self.workspace.night(self.source, decision.as_of)
        folder.mkdir(parents=True, exist_ok=True)
        write_decision(folder, decision)
        shutil.copy(self.workspace.params, folder)
        (folder / "params.yaml").write_text(yaml.safe_dump({"recipes": {"a": {"head": {"kind": "d2q"}}, "b": {}}}))
        key = {"as_of": str(as_of), "source": self.source, "data": "logs", "champion": decision.champion or "none"}
        (folder / "run.yaml").write_text(yaml.safe_dump(key))
        outs = {name: f"{as_of:%d}{name}5f.dir" for name in ("a", "b")}
        stages = {
            f"train@{name}": {"cmd": "x", "outs": [{"path": f"artifacts/models/recipes/{name}", "md5": digest}]}
            for name, digest in outs.items()
        }
        (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
        began = dt.datetime.combine(as_of, dt.time(2, 30), dt.UTC) + dt.timedelta(days=1)
        span = StageSpan(began=began, ended=began + dt.timedelta(minutes=5), outcome="ran")
        of = {"version": "0.1.0", "commit": COMMIT, "code": "c0de"}
        Operations(stages={"gate": "ran"}, timings={}, spans={"gate": span}, **of).write(folder / "operations.json")
        models = {name: {"xauc": _number(xauc + place / 100)} for place, name in enumerate(("a", "b"))}
        Headline(
            as_of=as_of, verdict=decision.verdict, serves="a", metrics=models["a"], models=models, rows=1000,
            quarantined=3, drift={},
        ).write(self.workspace.headline(self.source, as_of))  # fmt: skip

    def _decided(self, as_of: dt.date, winner: str | None) -> Decision:
        decision = decide(as_of, winner, self.registry.champion_for(as_of))
        verdicts = (
            verdict.model_copy(update={"validation_xauc": xauc})
            for verdict, xauc in zip(decision.challengers, (0.7, 0.6), strict=True)
        )
        return decision.model_copy(update={"challengers": tuple(verdicts)})


def _number(value: float) -> MeasuredNumber:
    return MeasuredNumber(value=value, low=value - 0.01, high=value + 0.01)
