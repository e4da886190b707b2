"""The promotion gate: champion against challengers on identical judge rows -> a decision that carries its reason."""

from tasks.gate.decision import Decision, load_decision

__all__ = ["Decision", "load_decision"]
