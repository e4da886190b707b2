"""Compressed tables from the fit to the exported program: one model, whoever reads it."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import load_file, save_file

from models.compression.placed import compressed_tables
from models.recipe import Recipe
from models.serving import history_tensors
from tasks.core.errors import TrainingError
from tasks.core.files import hash_tree, read_json, write_json
from tasks.core.layout import partition
from tasks.evaluate.metrics.pairwise import xauc
from tasks.predict import Bundle, export_model, load_bundle, predict_days
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.train.batches import Split
from tasks.train.labels import watch_labels
from tasks.train.row_use import row_use
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS
from tests.train.killed_fit import train_until_killed
from tests.train.settings import COMPRESSED, RECIPE, training

pytestmark = pytest.mark.slow
KINDS = ("fp16", "int8_row", "mixed")


def compressed(kind: str) -> Recipe:
    return Recipe.model_validate(RECIPE.model_dump() | {"compression": {"kind": kind}})


@pytest.fixture(scope="module")
def bundles(table: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the bundles of one recipe under every compression, two epochs of one seed each."""
    folder = tmp_path_factory.mktemp("bundles")
    for kind in ("none", *KINDS):
        train(table, NamedRecipe("small", compressed(kind), training(max_epochs=2)), folder / kind, folder / "scratch")
    return {kind: folder / kind for kind in ("none", *KINDS)}


@pytest.fixture(scope="module")
def exported(bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the exported models of the compressed bundles."""
    folder = tmp_path_factory.mktemp("exported")
    for kind in KINDS:
        export_model(bundles[kind], folder / kind)
    return {kind: folder / kind for kind in KINDS}


def manifest_of(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(bundle / "tables-seed0/manifest.json")
    return found


def by_hand(bundle: Path, name: str = "encoder.table") -> np.ndarray:
    """Return the rows of a table as its files and the description of the format say, without the reader."""
    folder, entry = bundle / "tables-seed0", manifest_of(bundle)["tables"][name]
    blocks = {}
    for kind in entry["rows"]:
        if kind == "int8_row":
            codes, scales = (np.load(folder / f"{name}.{kind}.{part}.npy") for part in ("codes", "scales"))
            blocks[kind] = codes.astype(np.float32) * scales.astype(np.float32)
        else:
            blocks[kind] = np.load(folder / f"{name}.{kind}.weights.npy").astype(np.float32)
    if len(blocks) == 1:
        return next(iter(blocks.values()))
    words = np.load(folder / f"{name}.directory.formats.npy")[:, 0].view(np.uint64)
    kinds = [(int(word) >> (2 * i)) & 3 for word in words for i in range(32)][: sum(entry["rows"].values())]
    following = {kind: iter(rows) for kind, rows in blocks.items()}
    return np.stack([next(following[("int8_row", "fp16", "fp32")[kind]]) for kind in kinds])


def judge_scores(bundle: Path, features: Path, out: Path) -> np.ndarray:
    predict_days(bundle, FeatureDays(features, DAYS.judge), out)
    return pl.read_parquet(out)["score_s0"].to_numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_in_the_files_are_what_every_reader_predicts_from(
    bundles: dict[str, Path], exported: dict[str, Path], features: Path, table: Path, tmp_path: Path, kind: str
) -> None:
    """The judge day, the validation day its seconds were calibrated on, and the exported program: all equal the fitted model
    with its table overwritten by the rows of the files, and none equals the fitted model."""
    bundle = load_bundle(bundles[kind])
    scores = judge_scores(bundles[kind], features, tmp_path / "judge.parquet")
    overwritten = shutil.copytree(bundles["none"], tmp_path / "overwritten")
    weights = load_file(overwritten / "weights-seed0.safetensors")
    assert np.abs(by_hand(bundles[kind]) - weights["encoder.table.weight"]).max() > 0
    weights["encoder.table.weight"] = by_hand(bundles[kind])
    save_file(weights, overwritten / "weights-seed0.safetensors")
    shutil.copy(bundles[kind] / "calibrators.json", overwritten / "calibrators.json")
    assert np.array_equal(scores, judge_scores(overwritten, features, tmp_path / "overwritten.parquet"))
    assert not np.array_equal(scores, judge_scores(bundles["none"], features, tmp_path / "none.parquet"))

    split = Split(table / "validation", (), ("ids", "dense", "duration_s"), bundle.reads_history)
    raw = np.concatenate([bundle.predict_raw(rows, 0)["score"] for rows in split.chunks(8192)])
    measured = read_json(bundles[kind] / "validation.json")["0"]
    labels = watch_labels(TrainingTable.open(table), "validation")
    assert xauc(labels.watch_s, raw).value == pytest.approx(measured["xauc"], abs=1e-12)

    assert np.array_equal(
        exported_scores(bundle, features, exported[kind] / "program.pt2"), scores[:200].astype(np.float32)
    )


def exported_scores(bundle: Bundle, features: Path, program: Path) -> np.ndarray:
    """Return what an exported program says of the first 200 rows of the judge day, in the batch that predicted them."""
    frame = pl.read_parquet(partition(features / "rows", DAYS.judge[0]), hive_partitioning=False)
    batch = bundle.encode(frame, FeatureFolder.open(features).past(), "judge").batch(0, len(frame))
    run = torch.export.load(program).module()
    found = run(batch.ids_BF, batch.dense_BN, batch.duration_B, history_tensors(bundle.rankers[0], batch))
    return found["score"].detach().numpy()[:200]


@pytest.mark.parametrize("kind", KINDS)
def test_the_ledger_is_the_bytes_on_disk(bundles: dict[str, Path], kind: str) -> None:
    folder = bundles[kind] / "tables-seed0"
    entry = manifest_of(bundles[kind])["tables"]["encoder.table"]
    ledger, width, rows = entry["ledger"], entry["width"], entry["rows"]
    assert ledger["total"] == sum(path.stat().st_size for path in folder.glob("*.npy"))
    assert ledger["total"] == sum(ledger["rows"].values()) + ledger["directory"] + ledger["headers"]
    per_row = {"int8_row": width + 2, "fp16": 2 * width, "fp32": 4 * width}
    assert ledger["rows"] == {kind: per_row[kind] * count for kind, count in rows.items()}
    table = load_file(bundles["none"] / "weights-seed0.safetensors")["encoder.table.weight"]
    assert (sum(rows.values()), width) == table.shape
    assert ledger["fp32"] == table.nbytes + 128


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_fitted_table_lies_beside(bundles: dict[str, Path], kind: str) -> None:
    weights = load_file(bundles[kind] / "weights-seed0.safetensors")
    fitted = load_file(bundles["none"] / "weights-seed0.safetensors")
    assert set(fitted) - set(weights) == {"encoder.table.weight"}
    assert all(np.array_equal(weights[name], fitted[name]) for name in weights)
    assert not (bundles["none"] / "tables-seed0").exists()


def test_the_manifest_says_whose_rows_they_are_and_what_they_cost(bundles: dict[str, Path]) -> None:
    manifest, run = manifest_of(bundles["int8_row"]), read_json(bundles["int8_row"] / "manifest.json")
    assert manifest["id_map"] == hash_tree(bundles["int8_row"] / "preprocessor")
    schema = run["schema"]["fields"]
    assert [(field["field"], field["rows"]) for field in manifest["fields"]] == [tuple(pair) for pair in schema]
    assert manifest["fields"][0]["unseen"] == 0 and manifest["fields"][1]["unseen"] == schema[0][1]
    assert manifest["fit"]["hashes"] == run["hashes"]
    after, before = (read_json(bundles[kind] / "validation.json")["0"] for kind in ("int8_row", "none"))
    moved = {name: after[name] - before[name] for name in manifest["fit"]["validation"]}
    assert manifest["fit"]["validation"] == pytest.approx(moved, abs=1e-12)
    assert any(moved.values())


def test_a_level_that_was_never_seen_reads_the_unseen_row_of_its_field(
    bundles: dict[str, Path], features: Path
) -> None:
    bundle = load_bundle(bundles["int8_row"])
    judge = pl.read_parquet(partition(features / "rows", DAYS.judge[0]), hive_partitioning=False)
    strangers = judge.head(3).with_columns(video_id=pl.col("video_id") + 10**9)
    ids = bundle.encode(strangers, FeatureFolder.open(features).past(), "judge").columns["ids"]
    column = [name for name, _ in bundle.preprocessor.schema.fields].index("video_id")
    unseen = {field["field"]: field["unseen"] for field in manifest_of(bundles["int8_row"])["fields"]}["video_id"]
    assert unseen > 0
    (table,) = compressed_tables(bundle.rankers[0]).values()
    read = table.rows(torch.from_numpy(ids[:, column]).long()).numpy()
    assert np.array_equal(read, np.repeat(by_hand(bundles["int8_row"])[[unseen]], 3, axis=0))


def test_use_is_counted_day_by_day(table: Path) -> None:
    opened = TrainingTable.open(table)
    use, ids = row_use(opened), opened.column("fit", "ids")
    total = np.bincount(np.array(ids).ravel(), minlength=opened.schema.num_rows)
    assert np.array_equal((use.positive_TN + use.negative_TN).sum(axis=0), total)
    effective = np.array(opened.column("fit", "labels"))[:, opened.tasks.index("valid_play")] == 1
    assert np.array_equal(
        use.positive_TN.sum(axis=0), np.bincount(np.array(ids)[effective].ravel(), minlength=len(total))
    )
    days = len(use.positive_TN)
    assert days >= len(DAYS.fit)
    per_day = (use.positive_TN + use.negative_TN)[:, : opened.schema.fields[0][1]].sum(axis=1)
    assert per_day.sum() == len(ids) and (per_day > 0).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("altered", r"int8_row\.codes\.npy was altered"),
        ("cut off", r"int8_row\.codes\.npy has \d+ bytes of \d+"),
        ("removed", r"int8_row\.codes\.npy is missing"),
        ("unnamed", r"holds no manifest\.json"),
        ("renumbered", r"numbered by the preprocessor \w{12}, not by \w{12}"),
        ("of another recipe", r"the recipe has tables of .* and there are"),
    ],
)
def test_damaged_tables_are_refused(bundles: dict[str, Path], tmp_path: Path, damage: str, message: str) -> None:
    bundle = Path(shutil.copytree(bundles["int8_row"], tmp_path / "b"))
    codes, manifest = bundle / "tables-seed0/encoder.table.int8_row.codes.npy", bundle / "tables-seed0/manifest.json"
    content = codes.read_bytes()
    if damage == "altered":
        codes.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "cut off":
        codes.write_bytes(content[:-1])
    elif damage == "removed":
        codes.unlink()
    elif damage == "unnamed":
        manifest.unlink()
    elif damage == "renumbered":
        about = read_json(bundle / "preprocessor/preprocessor.json")
        write_json(bundle / "preprocessor/preprocessor.json", about | {"history_length": 4})
    else:
        about = read_json(manifest)
        about["tables"] = {"second_encoder.table": about["tables"]["encoder.table"]}
        for path in list(codes.parent.glob("encoder.*")):
            path.rename(codes.parent / f"second_{path.name}")
        write_json(manifest, about)
    with pytest.raises(TrainingError, match=message):
        load_bundle(bundle)


def test_the_same_fit_gives_the_same_bytes_and_so_does_one_that_was_killed(
    candidate_table: Path, tmp_path: Path
) -> None:
    named = NamedRecipe("compressed", COMPRESSED, training())
    train(candidate_table, named, tmp_path / "whole", tmp_path / "other")
    train_until_killed(candidate_table, tmp_path, 19, "compressed")
    assert not (tmp_path / "b").exists()
    train(candidate_table, named, tmp_path / "b", tmp_path / "s")
    assert hash_tree(tmp_path / "b") == hash_tree(tmp_path / "whole")
    assert list((tmp_path / "b").glob("tables-seed0/*.npy"))


def test_an_exported_program_repeats_and_holds_the_compressed_rows_alone(
    bundles: dict[str, Path], exported: dict[str, Path], tmp_path: Path
) -> None:
    export_model(bundles["int8_row"], tmp_path / "again")
    assert hash_tree(tmp_path / "again") == hash_tree(exported["int8_row"])
    program = torch.export.load(exported["int8_row"] / "program.pt2")
    rows = manifest_of(bundles["int8_row"])["tables"]["encoder.table"]["rows"]["int8_row"]
    held = [tensor for tensor in (*program.state_dict.values(), *program.constants.values()) if len(tensor.shape) == 2]
    assert {(tensor.dtype, tensor.shape[1]) for tensor in held if tensor.shape[0] == rows} == {
        (torch.int8, 4), (torch.float16, 1),
    }  # fmt: skip


def test_a_table_that_does_not_fit_ends_the_fit_in_one_line(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.compression.formats.np.finfo", lambda _: type("Limits", (), {"max": 1e-9}))
    with pytest.raises(
        TrainingError, match=r"cannot be compressed by 'fp16': encoder\.table: fp16 holds numbers up to"
    ):
        train(table, NamedRecipe("small", compressed("fp16"), training(max_epochs=1)), tmp_path / "b", tmp_path / "s")
    assert not (tmp_path / "b").exists()
