"""Which methods the Coat benchmark fits, and the figures they are held against.

Source: docs/methods/debias.md#reference-figures-on-coat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.pairs.blocks import EXPOSURES, FEATURES, IDS, BlockName
from benchmarks.pairs.config import PairMethod
from benchmarks.pairs.models.model import what_pairs_lack
from benchmarks.pairs.ordinal import OrdinalConfig
from models.objectives import OBJECTIVES

DECAYS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
FEATURE_DECAYS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
SCALES = (0, 0.03, 0.06, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.8)

RELATIVE_POPULARITY = ("pd", "pda", "rel_mf")
"""Objectives whose propensity is meant to be popularity relative to the most popular item."""
RANKED_ONLY = ("pd", "pda", "rel_mf")
"""Objectives whose probabilities do not aim at P(liked): stopped and chosen by AUC."""
ON_FEATURES = ("naive", "ips", "snips", "dr_jl", "mrdr", "stable_dr", "latent_exogenous")

PLAIN_MF = {"kind": "mf", "embedding_dim": 16, "init_sd": 1.0, "biases": False}
NCF = {"kind": "ncf"}
NCF_EPOCHS = 26
"""The middle of the published 21 to 32, where the loss of a second network is part of the stopping rule and trips it."""
ORDINAL_UNION = "ordinal, ids + features + exposure factors"
CROSSES = {"kind": "crosses", "cross_scale": 0.3, "taste_scale": 0.5, "audience_scale": 0.1}


@dataclass(frozen=True)
class Candidate:
    """One row of a table.

    Attributes:
        name: as printed.
        method: model and training.
        decays: grid of decays; empty keeps the published one.
        published: literature AUC and NDCG@5 to be held against, None where there is none.
        source: where these come from.
    """

    name: str
    method: PairMethod
    decays: tuple[float, ...] = ()
    published: tuple[float, float] | None = None
    source: str = ""


def published_settings() -> list[Candidate]:
    """Return the literature's backbones with their published settings: all training ratings, no validation.

    DR-JL and MRDR are the exception. In the correct form of the doubly robust loss the mean imputed error dominates
    early on, so that N(0, 1) embeddings stop after a dozen epochs where they began: these two start small and are
    validated.
    """
    plain: list[tuple[str, str, float, tuple[float, float]]] = [
        ("MF naive", "naive", 1e-4, (0.697, 0.639)),
        ("MF-IPS", "ips", 1e-3, (0.691, 0.626)),
        ("MF-SNIPS, decay 1e-4", "snips", 1e-4, (0.701, 0.645)),
    ]
    stop = {"stop": "train_loss", "patience": 5}
    candidates = [
        Candidate(name, _method(kind, PLAIN_MF, stop | {"decay": decay}), published=published, source="reference")
        for name, kind, decay, published in plain
    ]
    small = PLAIN_MF | {"init_sd": 0.1}
    for name, kind, width, published in (
        ("MF-DR-JL, correct form", "dr_jl", 8, (0.719, 0.651)),
        ("MF-MRDR, correct form", "mrdr", 16, (0.711, 0.658)),
    ):
        method = _method(kind, small | {"embedding_dim": width}, {}, propensity="constant")
        candidates.append(Candidate(name, method, DECAYS, published, "reference"))
    ncf = stop | {"learning_rate": 1e-3, "decay": 1e-3, "batch_size": 64, "max_epochs": NCF_EPOCHS}
    return [
        *candidates,
        Candidate("NCF naive", _method("naive", NCF, ncf), published=(0.764, 0.638), source="reference"),
    ]


def seed_system() -> list[Candidate]:
    """Return the exact likelihood on the public network, with validation: decay is tuned."""
    training = {"learning_rate": 1e-3, "batch_size": 64, "patience": 10}
    latent = {"kind": "latent_exogenous", "rho": 0.0}
    return [
        Candidate("NCF naive, validated", _method("naive", NCF, training), DECAYS, (0.764, 0.638), "reference"),
        Candidate("NCF latent exogenous, rho = 0", _method(latent, NCF, training), DECAYS, (0.766, 0.635), "reference"),
        Candidate(
            "NCF latent exogenous, rho free",
            _method(latent | {"rho": None, "warm_start_steps": 500}, NCF, training),
            DECAYS,
            (0.766, 0.635),
            "reference",
        ),
    ]


def on_biased_mf() -> list[Candidate]:
    """Return every registered objective on matrix factorisation with biases, k = 8."""
    published = {
        "naive": (0.772, 0.659),
        "ips": (0.761, 0.650),
        "snips": (0.761, 0.649),
        "dr_jl": (0.762, 0.653),
        "mrdr": (0.762, 0.659),
    }
    candidates = [
        Candidate(
            kind,
            _objective_method(kind, {"kind": "mf"}),
            DECAYS,
            published.get(kind),
            "reference, honest training" if kind in published else "",
        )
        for kind, objective in OBJECTIVES.items()
        if kind != "latent_exogenous" and what_pairs_lack(objective) is None
    ]
    if "latent_exogenous" not in OBJECTIVES:
        return candidates
    for name, rho, reference in (
        ("rho = 0", 0.0, (0.770, 0.630)),
        ("rho = .3", 0.3, None),
        ("free", None, (0.745, 0.597)),
    ):
        latent = {"kind": "latent_exogenous", "rho": rho, "warm_start_steps": 0 if rho is not None else 500}
        source = "reference, honest training" if reference else ""
        candidates.append(
            Candidate(f"latent_exogenous, {name}", _method(latent, {"kind": "mf"}, {}), DECAYS, reference, source)
        )
    return candidates


def not_for_pairs() -> list[str]:
    """Return the registered objectives that read what pairs do not have."""
    return [kind for kind, objective in OBJECTIVES.items() if what_pairs_lack(objective) is not None]


def on_features() -> list[Candidate]:
    """Return some objectives on biases, features, crosses and tastes."""
    return [
        Candidate(f"{kind}, features", _objective_method(kind, CROSSES, {"decay": 1e-4}), FEATURE_DECAYS)
        for kind in ON_FEATURES
        if kind in OBJECTIVES
    ]


def ordinal() -> Mapping[str, OrdinalConfig]:
    """Return where the scale searches of the ordinal recipes start: main effects at 1, everything else small."""
    return {
        "ordinal, ids": _ordinal(IDS),
        "ordinal, ids + exposure factors": _ordinal((*IDS, *EXPOSURES)),
        "ordinal, ids + features": _ordinal((*IDS, *FEATURES)),
    }


def union(configs: Sequence[OrdinalConfig]) -> OrdinalConfig:
    """Return all blocks of several recipes, each with the scale of the last recipe that has it."""
    scales = {name: scale for config in configs for name, scale in config.scales.items()}
    return configs[-1].model_copy(update={"scales": scales})


def _ordinal(names: tuple[BlockName, ...]) -> OrdinalConfig:
    return OrdinalConfig(scales={name: 0.8 if name in IDS else 0.1 for name in names})


def _objective_method(kind: str, scorer: dict[str, Any], training: dict[str, Any] | None = None) -> PairMethod:
    stop = {"stop": "auc"} if kind in RANKED_ONLY else {}
    propensity = "popularity" if kind in RELATIVE_POPULARITY else "logistic"
    objective: str | dict[str, Any] = {"kind": kind, "rho": 0.0} if kind == "latent_exogenous" else kind
    return _method(objective, scorer, (training or {}) | stop, propensity)


def _method(
    objective: str | dict[str, Any], scorer: dict[str, Any], training: dict[str, Any], propensity: str = "logistic"
) -> PairMethod:
    document = {"kind": objective} if isinstance(objective, str) else objective
    return PairMethod.model_validate(
        {"recipe": {"objective": document, "scorer": scorer}, "training": training, "propensity": propensity}
    )
