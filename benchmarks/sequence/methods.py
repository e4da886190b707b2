"""Which models the benchmark fits. One setting for all, chosen before any test figure was seen."""

from collections.abc import Mapping
from typing import Any

from benchmarks.sequence.protocol.config import SequenceMethod

MODELS: Mapping[str, Mapping[str, Any]] = {
    "SASRec": {"kind": "sasrec"},
    "SASRec + skip margin": {"kind": "sasrec", "skip_margin": True},
    "GRU4Rec": {"kind": "gru4rec"},
    "GRU4Rec + skip margin": {"kind": "gru4rec", "skip_margin": True},
    "DIN": {"kind": "din"},
    "DIN + skip margin": {"kind": "din", "skip_margin": True},
    "SINE": {"kind": "sine"},
    "SINE, non-adaptive": {"kind": "sine", "fusion": "sum"},
}
CHALLENGER = "SINE"
RIVALS = ("SASRec", "SASRec + skip margin", "GRU4Rec + skip margin", "DIN + skip margin", "SINE, non-adaptive")
TRAINING: Mapping[str, Any] = {"max_length": 50, "patience": 3, "sorted_batches": 8}
QUICK: Mapping[str, Any] = {"max_length": 10, "max_epochs": 1}


def methods(training: Mapping[str, Any], quick: bool) -> dict[str, SequenceMethod]:
    """Return the methods by the name that tables give them.

    Args:
        training: what a part sets beside `TRAINING`.
        quick: one short epoch of SASRec and SINE.
    """
    names = ["SASRec", CHALLENGER] if quick else list(MODELS)
    settings = {**TRAINING, **training, **(QUICK if quick else {})}
    return {name: SequenceMethod.model_validate({"model": dict(MODELS[name]), "training": settings}) for name in names}
