"""Judge every method on one split and lay it beside what was published."""

import torch

from benchmarks.kuairand_techjam.judge import METRICS, TaskJudge, expected_random, primary
from benchmarks.kuairand_techjam.ladder import LADDER
from benchmarks.kuairand_techjam.methods import FITTED, METHODS, Parts
from benchmarks.kuairand_techjam.network import network, with_seeds
from benchmarks.kuairand_techjam.rows import PUBLIC, Split, TaskRows, read
from benchmarks.pairs.scoring import Scores, over_fits
from benchmarks.parts.cells import mean_sd, spread
from benchmarks.parts.part import Options, Table

TITLES = {"random": "random", "popularity": "popularity (prior 20)", "fm": "FM, official", "oracle": "oracle"}
NETWORK = "dwell: long view beside watch time, features of the past, history"
_LABELS = {"gauc": "GAUC", "ndcg@5": "nDCG@5", "primary": "primary"}


def tables(split: Split, options: Options) -> list[Table]:
    """Return the metrics of every method on the test rows, and the published ladder.

    Raises:
        SourceError: if a file that the split needs is not below `KuaiRand-Pure/` in the data folder.
    """
    torch.set_num_threads(1)
    folder = options.data / "KuaiRand-Pure"
    parts = read(folder, split)
    judge = TaskJudge(parts["test"], replicates=100 if options.quick else 1000)
    cells, found, numbers = [], {}, {}
    for name, method in METHODS.items():
        fits = [method(parts, seed) for seed in (options.seeds if name in FITTED else (0,))]
        found[name] = scores = over_fits([judge.scores(fit.test_B) for fit in fits])
        valid = [primary(parts["valid"], fit.valid_B) for fit in fits]
        cells.append(_row(TITLES[name], scores, mean_sd(valid) if len(valid) > 1 else f"{valid[0]:.4f}"))
        numbers[name] = {metric: scores[metric].per_fit for metric in METRICS}
    protocol = with_seeds(options.seeds, **({"max_epochs": 1} if options.quick else {}))
    ours = network(folder, split, parts["train"], parts["test"], protocol, options.scratch)
    scores = over_fits([judge.scores(score_B) for score_B in ours.by_seed.values()])
    cells.insert(-1, _row(NETWORK, scores, "-"))
    numbers["network"] = {metric: scores[metric].per_fit for metric in METRICS}
    apart = scores["primary"].minus(found["fm"]["primary"])
    notes = [
        *_notes(split, parts),
        f"dwell sets {ours.set_aside:,} test rows aside (no duration); they have the mean of train. "
        f"Its primary minus the machine's: {apart.value:+.4f} [{', '.join(f'{end:+.4f}' for end in apart.interval())}].",
    ]
    columns = ["method", *(_LABELS[metric] for metric in METRICS), "primary on valid"]
    return [Table(f"KuaiRand-Pure, {split.name}", columns, cells, notes, numbers), _ladder(split)]


def _row(title: str, scores: Scores, valid: str) -> list[str]:
    found = []
    for metric in METRICS:
        estimate = scores[metric]
        low, high = estimate.interval()
        found.append(f"{spread(estimate.value, estimate.fit_sd, _digits)} [{_digits(low)}, {_digits(high)}]")
    return [title, *found, valid]


def _notes(split: Split, parts: Parts) -> list[str]:
    chance = expected_random(parts["test"])
    sizes = ", ".join(
        f"{part} {days[0]} to {days[1]}, {len(parts[part]):,} rows" for part in parts for days in [getattr(split, part)]
    )
    return [
        f"{sizes}. {_users(parts['test'])}",
        f"Random scores have, in closed form, nDCG@5 {_digits(chance['ndcg@5'])} and primary {_digits(chance['primary'])}. The oracle's "
        "nDCG@5 is the share of users with a positive.",
        "Mean over fits ± standard deviation between fits [95 % interval of 1,000 resamples of users]. Nothing was chosen on test.",
    ]


def _users(rows: TaskRows) -> str:
    users = rows.users
    positives_U, rows_U = users.sum(rows.label_B), users.rows()
    none, every = float((positives_U == 0).mean()), float((positives_U == rows_U).mean())
    return (
        f"Of {users.num_groups:,} test users {none:.1%} have no positive (0 in nDCG) and {every:.1%} nothing else (1)."
    )


def _ladder(split: Split) -> Table:
    rows = [[one.method, *(_digits(v) for v in (one.gauc, one.ndcg, one.primary)), one.source] for one in LADDER]
    note = "Test days of the public split, as published; read in participants' repositories, not run."
    if split is not PUBLIC:
        note += f" Other rows than those above, which are {split.name}: fewer days to learn from, other users; not to be compared."
    return Table("Published ladder (29 April to 8 May 2022)", ["method", *_LABELS.values(), "source"], rows, [note])


def _digits(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")
