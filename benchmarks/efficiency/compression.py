"""Embedding rows with fewer digits: bytes, memory, speed, and what metrics and gate see of it.

On KuaiRand R0, where fields and dense features say much beside the identifiers, and on a planted log of which nothing but the
identifiers of users and videos is known: what codes of few bits cost must show there. Every arm is the same fit, seed by seed, so that what differs is the stored rows alone. The gate's rule is that of a refresh: the
arm must not be worse than its own master on the judge days.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file

from benchmarks.efficiency.arms import Arms
from benchmarks.efficiency.low_bit import Int2Row, Int4Row, Int6Row
from benchmarks.efficiency.reader import BATCH, ID_MAP, TABLE, Reading, measure
from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.cells import paired
from benchmarks.watchtime.grid import recipe_of
from benchmarks.watchtime.measure import Outputs
from benchmarks.watchtime.nights import Night
from benchmarks.watchtime.r0 import ids_testbed
from benchmarks.watchtime.testbed import Testbed
from benchmarks.within_user.planted import DAILY
from benchmarks.within_user.planted import FILE as PLANTED
from benchmarks.within_user.world import World, planted_log
from models.compression.base import RowUse
from models.compression.formats import FORMATS, Int8Row
from models.compression.mixed import Mixed, MixedConfig
from models.compression.table import StoredTable
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.core.document import read_document
from tasks.core.files import remove
from tasks.core.layout import Workspace
from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.edges import fit_duration_edges
from tasks.evaluate.estimate import Draw
from tasks.evaluate.metrics.pairwise import xauc
from tasks.gate.config import GatePolicy
from tasks.gate.guardrails import level_checks, relative_checks
from tasks.gate.rules import refresh_checks
from tasks.predict import predict_days
from tasks.protocol.config import load_protocol
from tasks.protocol.run import ProtocolRun
from tasks.table.source import FeatureDays
from tasks.table.training_table import TrainingTable
from tasks.train.bundle import weights_file
from tasks.train.manifest import InputHashes
from tasks.train.tables import FILE, FitOfTables, TablesManifest, tables_folder, write_tables

RECIPE = recipe_of(
    "d2q",
    "shared_bottom",
    tasks={"watch_time": {}, **{task: {"weight": 0.2} for task in ("skip", "valid_play", "long_view")}},
)
MASTER = "none"
KINDS = ("fp16", "int8_row", "mixed")
COARSE = {"6 bits": Int6Row(), "4 bits": Int4Row(), "2 bits": Int2Row()}
HALVES = {"int8_row": Int8Row(), "2 bits": Int2Row()}
METRICS = {"xauc": "XAUC", "xgauc": "XGAUC", "rmse": "RMSE, s", "mae": "MAE, s", "tre_signed": "signed TRE",
           "auc_skip": "AUC skip", "auc_long_view": "AUC long view"}  # fmt: skip
DECILED = ("int8_row", "mixed", "4 bits", "2 bits")
READ_ROWS, READ_WIDTH = 2_000_000, 16
Draws = Mapping[str, list[Draw]]


@dataclass(frozen=True)
class Measured:
    """One arm on the judge rows.

    Attributes:
        bundle: its folder.
        outputs: seed -> predictions.
        draws: metric -> one draw per seed.
    """

    bundle: Path
    outputs: Mapping[int, Outputs]
    draws: Draws

    @classmethod
    def of(cls, testbed: Testbed, bundle: Path) -> "Measured":
        """Predict the judge days with a bundle and measure it."""
        outputs = testbed.outputs(bundle)
        return cls(bundle, testbed.judged(outputs), testbed.draws(outputs))

    def values(self, metric: str) -> list[float]:
        """Return a metric by seed."""
        return [draw.result.value for draw in self.draws[metric]]


def run(options: Options) -> list[Table]:
    """Return bytes, metrics, deciles, the controls of the priority, and what reading takes."""
    torch.set_num_threads(1)
    arms = Arms(quick_or_r0(options), RECIPE)
    bed, orders = arms.testbed, arms.orders()
    found = {kind: Measured.of(bed, arms.product(kind)) for kind in (MASTER, *KINDS)}
    # The quick variant shows one arm of each sort.
    last = slice(-1, None) if options.quick else slice(None)
    found |= {name: Measured.of(bed, arms.coarse(name, form)) for name, form in [*COARSE.items()][last]}
    halves = {
        (name, order): Measured.of(bed, arms.coarse(f"{form.kind} {order}", form, 0.5, orders[order]))
        for name, form in [*HALVES.items()][last]
        for order in [*orders][last]
    }
    deciled = {name: arm for name, arm in found.items() if name in (MASTER, *DECILED)}
    planted = planted_arms(options)
    known = {kind: Measured.of(planted.testbed, planted.product(kind)) for kind in (MASTER, "int8_row")}
    known |= {name: Measured.of(planted.testbed, planted.coarse(name, form)) for name, form in [*COARSE.items()][last]}
    rows = READ_ROWS // (100 if options.quick else 1)
    return [
        _bytes({kind: found[kind].bundle for kind in KINDS}, bed.training.seeds[0]),
        _metrics("KuaiRand-Pure, protocol R0", bed, found),
        _metrics("Planted log, identifiers alone", planted.testbed, known),
        *(_deciles(bed, deciled, field) for field in ("video_id", "user_id")),
        _priority(found[MASTER], halves),
        _reading(options.scratch / "reading", rows),
    ]


def quick_or_r0(options: Options) -> Testbed:
    """Return KuaiRand R0, or a small simulated night in the quick variant."""
    if options.quick:
        return Night.of(options.scratch / "night", options.seeds[0], 0, quick=True).testbed
    return ids_testbed(options)


def planted_arms(options: Options) -> Arms:
    """Return the planted world in which the same users come every day."""
    protocol, root = load_protocol(PLANTED), options.scratch / "planted"
    root.mkdir(parents=True, exist_ok=True)
    world = World(users=60, videos=40, rows=6, daily=True) if options.quick else DAILY
    run = ProtocolRun(protocol, Workspace(root / "night"), planted_log(root / "planted.parquet", world))
    run.prepare()
    training = protocol.params.training_of("point").model_copy(update={"seeds": tuple(options.seeds)})
    testbed = Testbed(run.workspace.features, run.table("ids"), run.days, root / "fits", training)
    return Arms(testbed, Recipe.model_validate(protocol.params.recipe("point").model_dump()))


def _bytes(bundles: Mapping[str, Path], seed: int) -> Table:
    rows, numbers = [], {}
    for kind, bundle in bundles.items():
        folder = tables_folder(bundle, seed)
        entry = read_document(folder / FILE, TablesManifest, "train").tables[TABLE]
        on_disk = sum(path.stat().st_size for path in folder.glob("*.npy"))
        counts = " / ".join(f"{entry.rows.get(form, 0):,}" for form in FORMATS)
        rows.append(
            [kind, counts, f"{on_disk:,}", f"{entry.ledger.total:,}", "yes" if on_disk == entry.ledger.total else "NO",
             f"{100 * entry.ledger.saved:.1f} %", f"{entry.zeroed:,}", f"{weights_file(bundle, seed).stat().st_size:,}"]
        )  # fmt: skip
        numbers[kind] = entry.model_dump(mode="json")
    return Table(
        title=f"Bytes of the embedding table, width {entry.width}",
        columns=["compression", "rows int8 / fp16 / fp32", "bytes on disk", "ledger", "equal", "saved", "rows zeroed",
                 "bytes of all other weights"],
        rows=rows,
        notes=[
            f"Against {entry.ledger.fp32:,} bytes in single precision. Saved: everything counted, headers and directory too.",
            "mixed: 90 % of the rows as codes and 8 % in half precision by priority; rows first read on the last fit day and "
            "the unseen row of every field are raised from codes to half precision.",
        ],
        numbers=numbers,
    )  # fmt: skip


def _metrics(world: str, testbed: Testbed, found: Mapping[str, Measured]) -> Table:
    master = found[MASTER]
    shown = [metric for metric in METRICS if metric in master.draws]
    rows = [["single precision", *(mean_sd(master.values(metric)) for metric in shown), "", ""]]
    for name, arm in found.items():
        if arm is not master:
            gaps = [paired(arm.draws[metric], master.draws[metric]) for metric in shown]
            ratio = max(_in_seed_noise(arm, master, metric) for metric in shown)
            failed = _gate(testbed, arm.bundle, master.bundle)
            rows.append([name, *gaps, f"{ratio:.2f}", f"refused: {', '.join(failed)}" if failed else "passes"])
    return Table(
        title=f"{world}: judge days against the same fits in single precision",
        columns=[
            "rows",
            *(METRICS[metric] for metric in shown),
            "largest move / seed sd",
            "gate, as a refresh of single precision",
        ],
        rows=rows,
        notes=[
            f"{len(testbed.rows):,} judge rows. First row: mean ± standard deviation between fits. Others: mean over fits of the "
            "paired difference [95 % user-bootstrap interval], every arm calibrated anew on the validation day.",
            "Largest move / seed sd: the largest mean difference of any metric shown, in standard deviations between fits.",
            "fp16, int8_row and mixed are bundles of the train stage; codes of 6, 4 and 2 bits exist in this benchmark alone.",
        ],
        numbers={name: {metric: arm.values(metric) for metric in shown} for name, arm in found.items()},
    )


def _in_seed_noise(arm: Measured, master: Measured, metric: str) -> float:
    """Return the mean difference in standard deviations between fits."""
    values, of_master = np.array(arm.values(metric)), np.array(master.values(metric))
    return float(abs((values - of_master).mean()) / of_master.std(ddof=1)) if len(of_master) > 1 else float("nan")


def _gate(testbed: Testbed, candidate: Path, champion: Path) -> list[str]:
    """Return the checks of the product's gate that an arm fails, held as a refresh against its own master."""
    policy, edges = GatePolicy(), fit_duration_edges(testbed.table, EvaluationConfig().duration_groups)
    ours, theirs = (_prediction_tables(testbed, bundle) for bundle in (candidate, champion))
    compared = compare(ours, theirs, EvaluationConfig(replicates=testbed.replicates), edges)
    checks = [*refresh_checks(compared, policy), *level_checks(compared, policy), *relative_checks(compared, policy)]
    return [check.name for check in checks if check.status == "failed"]


def _prediction_tables(testbed: Testbed, bundle: Path) -> list[Path]:
    tables = [testbed.scratch / "predictions" / bundle.name / f"{day}.parquet" for day in testbed.days.judge]
    for day, table in zip(testbed.days.judge, tables, strict=True):
        if not table.is_file():
            predict_days(bundle, FeatureDays(testbed.features, (day,)), table)
    return tables


def _deciles(testbed: Testbed, found: Mapping[str, Measured], field: str) -> Table:
    fit = pl.DataFrame({field: np.array(TrainingTable.open(testbed.table).column("fit", field))})
    counts = fit.group_by(field).agg(pl.len().alias("read"))
    read_B = testbed.keys.join(counts, on=field, how="left", maintain_order="left")["read"].fill_null(0).to_numpy()
    edges = np.unique(np.quantile(read_B, np.arange(1, 10) / 10))
    decile_B = np.searchsorted(edges, read_B, side="right")
    watch_B, rows = testbed.rows.watch_B, []
    for decile in range(len(edges) + 1):
        index = np.flatnonzero(decile_B == decile)
        if index.size < EvaluationConfig().minimum_segment_rows:
            continue
        values = {
            name: np.array([xauc(watch_B[index], of.score_B[index]).value for of in arm.outputs.values()])
            for name, arm in found.items()
        }
        master = values.pop(MASTER)
        moves = [mean_sd(of_arm - master, 5) for of_arm in values.values()]
        rows.append([f"{read_B[index].min():,} to {read_B[index].max():,}", f"{index.size:,}", mean_sd(master), *moves])
    return Table(
        title=f"XAUC by decile of how often the fit days read the row of {field}",
        columns=["times read", "judge rows", "single precision", *(name for name in found if name != MASTER)],
        rows=rows,
        notes=[
            "Mean ± sd over fits; right of single precision the paired difference to it. Deciles of judge rows; equal counts stay together."
        ],
    )


def _priority(master: Measured, halves: Mapping[tuple[str, str], Measured]) -> Table:
    return Table(
        title="Half of the rows with fewer digits, at equal bytes: which half",
        columns=["format of that half", "rows in it", *(METRICS[metric] for metric in ("xauc", "xgauc", "rmse"))],
        rows=[
            [name, order, *(paired(arm.draws[metric], master.draws[metric]) for metric in ("xauc", "xgauc", "rmse"))]
            for (name, order), arm in halves.items()
        ],
        notes=[
            "Paired difference to single precision [95 % user-bootstrap interval]; the other half stays in single precision. "
            "Priority as in `mixed`: a 4, b .1, effective views by valid_play.",
        ],
        numbers={f"{name}, {order}": arm.values("xauc") for (name, order), arm in halves.items()},
    )


def _reading(folder: Path, rows: int) -> Table:
    random = np.random.default_rng(9)
    weight_ND = (random.normal(size=(rows, READ_WIDTH)) * 0.05).astype(np.float32)
    counts = np.minimum(random.zipf(1.3, rows), 10**6).astype(np.int32)[None]
    mixed = Mixed(MixedConfig(new_days=0)).formats(rows, RowUse(counts, np.zeros_like(counts), ()))
    formats = {kind: np.full(rows, number, dtype=np.uint8) for number, kind in enumerate(FORMATS)} | {"mixed": mixed}
    remove(folder)
    folder.mkdir(parents=True)
    save_file({f"{TABLE}.weight": torch.from_numpy(weight_ND)}, folder / "weights.safetensors")
    found = {"nn.Embedding from safetensors": (4 * weight_ND.size, measure(folder / "weights.safetensors"))}
    fit = FitOfTables(recipe="reading", seed=0, hashes=InputHashes(data="", code="", config=""), validation={})
    schema = InputSchema(fields=(("video_id", rows),))
    for kind, format_N in formats.items():
        stored = StoredTable.of(weight_ND, format_N)
        written = write_tables(folder / kind, {TABLE: stored}, schema, ID_MAP, fit)
        found[kind] = written.tables[TABLE].ledger.total, measure(folder / kind)
    return Table(
        title=f"Reading a table of {rows:,} rows of width {READ_WIDTH}, one thread",
        columns=["table", "MiB on disk", "resident after one batch, MiB", "resident after every row, MiB", "rows per second",
                 "seconds to open it"],
        rows=[_reading_row(name, *one) for name, one in found.items()],
        notes=[
            f"A process of its own each. A batch is {BATCH:,} rows drawn at random; rows per second on that batch, read 200 times. Resident: what "
            "the process has more than before it opened the table. Opening compares the hash of every file. Times are of the CPU.",
        ],
        numbers={name: reading.model_dump() for name, (_, reading) in found.items()},
    )  # fmt: skip


def _reading_row(name: str, size: int, reading: Reading) -> Sequence[str]:
    return [name, f"{size / 2**20:.1f}", f"{reading.batch_mib:.1f}", f"{reading.all_mib:.1f}",
            f"{reading.rows_per_s / 1e6:.1f} M", f"{reading.opened_s:.2f}"]  # fmt: skip
