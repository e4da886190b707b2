"""Coat: every objective on small pair models, against floors, under both variants of the protocol.

Source: docs/methods/debias.md#coat-protocol.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit

from benchmarks.debias import coat_methods as methods
from benchmarks.debias import coat_tables as tables
from benchmarks.debias.coat_methods import Candidate
from benchmarks.debias.coat_tables import Judged
from benchmarks.pairs.coat import read_coat
from benchmarks.pairs.data import FloatArray, PairData
from benchmarks.pairs.experiment import Experiment
from benchmarks.pairs.floors import FLOORS, LOGITS
from benchmarks.pairs.ordinal import OrdinalConfig, choose_scales, fit_ordinal
from benchmarks.pairs.scoring import Judge, Scores, over_fits
from benchmarks.pairs.splits import HONEST, LITERATURE
from benchmarks.parts.part import Options, Table
from tasks.core.files import read_json, write_json

TIE_ORDERS = 20


@dataclass(frozen=True, eq=False)
class Bench:
    """What all rows share."""

    options: Options
    data: PairData
    experiment: Experiment
    judges: tuple[Judge, Judge]

    def judged(self, name: str, predictions: Sequence[tuple[FloatArray, FloatArray | None]], **about: object) -> Judged:
        """Return a row from the (scores, probabilities) of its fits."""
        literature, honest = (
            over_fits([_scores(judge, score_UI, probability_UI) for score_UI, probability_UI in predictions])
            for judge in self.judges
        )
        return Judged(name, literature, honest, fits=len(predictions), **about)  # type: ignore[arg-type]


def run(options: Options) -> list[Table]:
    """Fit and judge everything.

    Raises:
        FileNotFoundError: if `coat/` is not in the data folder.
        LeakedPairs: if test ratings are among the training ratings.
    """
    torch.set_num_threads(1)
    data = read_coat(options.data / "coat")
    replicates = 100 if options.quick else 1000
    bench = Bench(
        options,
        data,
        Experiment(data, options.seeds, options.scratch),
        (Judge(data, LITERATURE, replicates), Judge(data, HONEST, replicates)),
    )
    floors = _floors(bench)
    ordinal = _ordinal(bench)
    published = [_fitted(bench, candidate) for candidate in _some(bench, methods.published_settings())]
    seed = [_fitted(bench, candidate) for candidate in _some(bench, methods.seed_system())]
    biased_mf = [_fitted(bench, candidate) for candidate in _some(bench, methods.on_biased_mf())]
    featured = [_fitted(bench, candidate) for candidate in _some(bench, methods.on_features())]
    every = [*published, *seed, *biased_mf, *featured, *ordinal]
    honest = bench.judges[1]
    return [
        tables.floors_table(floors),
        tables.literature_table(every),
        tables.honest_table("published settings and the seed system's network", [*published, *seed], _PUBLISHED_NOTES),
        tables.honest_table("every objective on MF with biases", biased_mf, _mf_notes()),
        tables.honest_table("best recipes", [*ordinal, *featured], _BEST_NOTES),
        tables.probability_table(every, float(honest.label_B.mean())),
        tables.differences_table(every, floors),
    ]


def _scores(judge: Judge, score_UI: FloatArray, probability_UI: FloatArray | None, tie_orders: int = 1) -> Scores:
    ranking = judge.ranking(score_UI, tie_orders)
    return ranking if probability_UI is None else {**ranking, **judge.probabilities(probability_UI)}


def _floors(bench: Bench) -> list[Judged]:
    rows = []
    for name, score in FLOORS.items():
        score_UI = score(bench.data, bench.data.train)
        probability_UI = expit(score_UI) if name in LOGITS else None
        orders = 1 if name in LOGITS or bench.options.quick else TIE_ORDERS
        literature, honest = (_scores(judge, score_UI, probability_UI, orders) for judge in bench.judges)
        rows.append(Judged(name, literature, honest))
    return rows


def _some(bench: Bench, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Return all candidates; in a quick run the first two, for a few epochs."""
    if not bench.options.quick:
        return candidates
    return [_shortened(candidate) for candidate in candidates[:2]]


def _shortened(candidate: Candidate) -> Candidate:
    training = candidate.method.training.model_copy(update={"max_epochs": 2})
    return Candidate(candidate.name, candidate.method.model_copy(update={"training": training}))


def _fitted(bench: Bench, candidate: Candidate) -> Judged:
    chosen = bench.experiment.chosen(candidate.method, candidate.decays)
    learned = chosen.fits[0].diagnostics
    settings = f"decay {chosen.method.training.decay:g}"
    return bench.judged(
        candidate.name,
        [(fit.score_UI, fit.probability_UI) for fit in chosen.fits],
        epochs=float(np.mean([fit.epochs for fit in chosen.fits])),
        settings=settings if candidate.decays else f"{settings}, as published",
        published=candidate.published,
        source=candidate.source,
        diagnostics={name: float(np.mean([fit.diagnostics[name] for fit in chosen.fits])) for name in learned},
    )


def _ordinal(bench: Bench) -> list[Judged]:
    """Return the ordinal recipes, and the union of their blocks with the scales that were found for each."""
    starts = methods.ordinal()
    if bench.options.quick:
        starts = dict([*starts.items()][:1])
    found = {name: _searched(bench, name, start) for name, start in starts.items()}
    together = methods.union([config for config, _ in found.values()])
    found[methods.ORDINAL_UNION] = _searched(bench, methods.ORDINAL_UNION, together, sweeps=0)
    rows = []
    for name, (config, loss) in found.items():
        fitted = fit_ordinal(bench.data, bench.data.train, config)
        scales = ", ".join(f"{block} {scale:g}" for block, scale in config.scales.items())
        settings = f"scales {scales}; other thresholds {config.other_thresholds:g}; cross-validated log-loss {loss:.4f}"
        rows.append(bench.judged(name, [(fitted.score_UI, fitted.probability_UI)], settings=settings))
    return rows


def _searched(bench: Bench, name: str, start: OrdinalConfig, sweeps: int = 1) -> tuple[OrdinalConfig, float]:
    """Return the scales with the lowest cross-validated log-loss of the training ratings; searched once per scratch."""
    known = bench.options.scratch / f"{name.replace(' ', '_')}.json"
    if known.exists():
        found = read_json(known)
        return OrdinalConfig.model_validate(found["config"]), found["loss"]
    sweeps = 0 if bench.options.quick else sweeps
    config, loss = choose_scales(bench.data, bench.data.train, start, methods.SCALES, sweeps=sweeps)
    write_json(known, {"config": config.model_dump(), "loss": loss})
    return config, loss


_PUBLISHED_NOTES = (
    "Plain MF: dot product of N(0, 1) embeddings, k = 16, Adam 1e-2, batch 128, stopped by the training loss as public code "
    "does, all training ratings. DR-JL (k = 8) and MRDR use the correct doubly robust loss, small embeddings and validation "
    "(with N(0, 1) and the published stop they end after 13 epochs at an AUC of .62 to .66), and a constant propensity, which is "
    f"what the published rows amount to. NCF: the network of the published procedure, {methods.NCF_EPOCHS} epochs.",
    "The rows 'validated' and 'latent exogenous' stop by validation log-loss, with decay from the grid.",
)


def _mf_notes() -> tuple[str, ...]:
    left_out = methods.not_for_pairs()
    notes = (
        "k = 8, embeddings N(0, .1^2), Adam 1e-2, batch 128 observed ratings (and 256 unobserved pairs where the objective "
        "needs them), 10 % of each user's ratings validate, patience 10; decay by a walk on "
        f"{', '.join(f'{decay:g}' for decay in methods.DECAYS)} from 1e-3, by mean validation criterion of the first two "
        "seeds. Options of the objectives are their defaults.",
        "Propensity: logistic regression on the two ids by log-loss on all pairs, clipped at .05; pd, pda and rel_mf take "
        "the relative item count to the power 1/2. pd, pda and rel_mf stop by validation AUC, the rest by log-loss.",
    )
    return (
        (*notes, f"Not run, because they need fields set apart, or draws or folds of a tower: {', '.join(left_out)}.")
        if left_out
        else notes
    )


_BEST_NOTES = (
    "'ordinal' is an all-threshold ordinal logistic regression on the 1-to-5 ratings: biases, features, user-item feature "
    "crosses, every user's own taste for item features and every item's appeal to user features, with one penalty and a "
    "scale per block. Exposure factors are singular vectors of who rated what. Scales by coordinate search on 5-fold "
    "log-loss of the training ratings. It is convex and has no seed: one fit on all training ratings. The ordinal recipe to "
    "take is the one with the lowest cross-validated log-loss.",
    "'features' are the named objectives on biases, features, crosses and tastes, fitted with Adam as MF above.",
)
