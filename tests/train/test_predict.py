import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from models.serving import history_tensors
from tasks.core.errors import ConfigError, ContractError, DwellError, TrainingError
from tasks.core.files import hash_file, hash_tree, read_json, write_json
from tasks.core.layout import partition
from tasks.evaluate.table import PredictionTable
from tasks.features.state import history_file
from tasks.inference.onnx import ABSOLUTE, ONNX, RELATIVE, held_against, write_onnx
from tasks.predict import Bundle, example_rows, export_model, lacking, load_bundle, predict_days
from tasks.predict.signature import FILE
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.train.config import TrainingConfig
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS, rewrite_rows
from tests.train.settings import RECIPE, training

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def path(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    train(
        table, NamedRecipe("small", RECIPE, training(seeds=(0, 1), max_epochs=2)), folder / "small", folder / "scratch"
    )
    return folder / "small"


@pytest.fixture(scope="module")
def exported(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported model; whoever changes it works on a copy."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    export_model(path, folder)
    return folder


@pytest.fixture(scope="module")
def bundle(path: Path) -> Bundle:
    return load_bundle(path)


@pytest.fixture(scope="module")
def judge(features: Path) -> pl.DataFrame:
    return pl.read_parquet(partition(features / "rows", DAYS.judge[0]), hive_partitioning=False)


@pytest.mark.slow
def test_the_judge_table_is_what_evaluation_reads(
    path: Path, features: Path, judge: pl.DataFrame, tmp_path: Path
) -> None:
    rows = predict_days(path, FeatureDays(features, DAYS.judge), tmp_path / "judge.parquet")
    table = PredictionTable.read("small", [tmp_path / "judge.parquet"])
    assert rows == len(table) == judge.height
    assert table.seeds == (0, 1)
    assert table.tasks == ("skip", "long_view")
    assert table.frame["event_time_ms"].to_list() == judge["event_time_ms"].to_list()
    for seed in table.seeds:
        assert ((table.watch_mean(seed) >= 0) & (table.watch_mean(seed) <= table.duration)).all()
        assert np.corrcoef(table.score(seed), table.y)[0, 1] > 0.1


@pytest.mark.slow
def test_a_correction_travels_in_the_bundle_beside_the_weights_it_leaves_alone(
    path: Path, table: Path, features: Path, judge: pl.DataFrame, tmp_path: Path
) -> None:
    settings = training(seeds=(0, 1), max_epochs=2)
    calibration = {**settings.calibration.model_dump(), "correction": {"kind": "dadf", "width": 16, "epochs": 2}}
    corrected = TrainingConfig(**{**settings.model_dump(), "calibration": calibration})
    train(table, NamedRecipe("small", RECIPE, corrected), tmp_path / "small", tmp_path / "scratch")
    for file in path.glob("weights-*"):
        assert hash_file(tmp_path / "small" / file.name) == hash_file(file)
    bundle, plain = load_bundle(tmp_path / "small"), load_bundle(path)
    rows = bundle.encode(judge, FeatureFolder.open(features).past(), "judge")
    raw, duration_s = bundle.predict_raw(rows, 0), bundle.duration_s(rows)
    calibration_0 = bundle.calibrations[0]
    assert calibration_0.correction is not None
    expected = calibration_0.mean.apply(calibration_0.correction.apply(raw, duration_s), duration_s)
    predict_days(tmp_path / "small", FeatureDays(features, DAYS.judge), tmp_path / "judge.parquet")
    written = PredictionTable.read("small", [tmp_path / "judge.parquet"])
    np.testing.assert_allclose(written.watch_mean(0), expected, rtol=1e-6)
    np.testing.assert_array_equal(written.score(0), plain.predict_encoded(rows, 0)["score"])
    assert not np.allclose(expected, plain.predict_encoded(rows, 0)["watch_mean"], rtol=1e-3)
    export_model(tmp_path / "small", tmp_path / "model", seed=0)
    batch = rows.batch(0, len(rows))
    program = torch.export.load(tmp_path / "model/program.pt2").module()
    found = program(batch.ids_BF, batch.dense_BN, batch.duration_B, history_tensors(bundle.rankers[0], batch))
    for name, values in bundle.predict_encoded(rows, 0).items():
        np.testing.assert_allclose(found[name].numpy(), values, rtol=1e-5)


@pytest.mark.parametrize(
    ("taken", "missing"),
    [((), ()), (("user_decayed_ratio", "activity"), ("activity", "user_decayed_ratio")), (("watch_ms",), ())],
)
def test_what_a_night_lacks_of_a_model_is_named(
    path: Path, features: Path, tmp_path: Path, taken: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    copy = shutil.copytree(features, tmp_path / "features")
    for day in DAYS.judge:
        part = partition(copy / "rows", day)
        pl.read_parquet(part, hive_partitioning=False).drop(taken).write_parquet(part)
    assert lacking(path, FeatureDays(copy, DAYS.judge)) == missing


def test_fields_of_past_events_that_a_night_lacks_are_named(path: Path, features: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(features, tmp_path / "features")
    about = read_json(copy / "schema.json")
    about["history"]["fields"] = [name for name in about["history"]["fields"] if name != "tag"]
    write_json(copy / "schema.json", about)
    assert lacking(path, FeatureDays(copy, DAYS.judge)) == ("tag of past events",)


def test_predictions_repeat_byte_for_byte(path: Path, features: Path, tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        predict_days(path, FeatureDays(features, (DAYS.validation, *DAYS.judge)), tmp_path / name)
    assert hash_file(tmp_path / "a.parquet") == hash_file(tmp_path / "b.parquet")


def test_predictions_do_not_depend_on_the_rows_beside(bundle: Bundle, features: Path, judge: pl.DataFrame) -> None:
    histories = FeatureFolder.open(features).past()
    whole = bundle.predict(judge, histories, "judge")
    for begin, end in ((0, 1), (100, 240)):
        part = bundle.predict(judge[begin:end], histories, "judge")
        for name, values in part.items():
            np.testing.assert_allclose(values, whole[name][begin:end], rtol=1e-5)


def test_the_serving_seed_is_the_default(bundle: Bundle, features: Path, judge: pl.DataFrame) -> None:
    histories = FeatureFolder.open(features).past()
    served = bundle.predict(judge, histories, "judge")
    chosen = bundle.predict(judge, histories, "judge", seed=bundle.serving_seed)
    other = bundle.predict(judge, histories, "judge", seed=1 - bundle.serving_seed)
    assert (served["score"] == chosen["score"]).all()
    assert (served["score"] != other["score"]).any()


def test_unseen_ids_are_predicted_as_unknown(bundle: Bundle, features: Path, judge: pl.DataFrame) -> None:
    histories = FeatureFolder.open(features).past()
    strangers = judge.with_columns(user_id=pl.col("user_id") + 10**9, tag=pl.lit("never seen"))
    found = bundle.predict(strangers, histories, "judge")
    assert all(np.isfinite(values).all() for values in found.values())
    rows = bundle.encode(strangers, histories, "judge")
    assert (rows.columns["history_index"] == 0).all()
    assert (bundle.preprocessor.local_codes(rows.columns["ids"], "user_id") == 0).all()


def test_an_empty_frame_gives_empty_predictions(bundle: Bundle, features: Path, judge: pl.DataFrame) -> None:
    found = bundle.predict(judge.head(0), FeatureFolder.open(features).past(), "nowhere")
    assert {len(values) for values in found.values()} == {0}


def test_a_champion_scores_rows_of_another_night(path: Path, features: Path, tmp_path: Path) -> None:
    """Its own vocabulary and normalisation are used: columns it does not know are ignored, order does not matter."""
    other = Path(shutil.copytree(features, tmp_path / "features"))
    when = DAYS.judge[0]
    part = partition(other / "rows", when)
    frame = pl.read_parquet(part, hive_partitioning=False)
    frame.select(sorted(frame.columns)).with_columns(brand_new=pl.lit(1.0)).write_parquet(part)
    for folder, name in ((features, "a"), (other, "b")):
        predict_days(path, FeatureDays(folder, [when]), tmp_path / f"{name}.parquet")
    assert hash_file(tmp_path / "a.parquet") == hash_file(tmp_path / "b.parquet")


def test_a_missing_column_is_named_and_nothing_is_written(path: Path, features: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(features, tmp_path / "features"))
    part = partition(other / "rows", DAYS.judge[0])
    pl.read_parquet(part, hive_partitioning=False).drop("activity").write_parquet(part)
    with pytest.raises(ContractError, match=r"lacks the column\(s\) activity.*train the bundle anew"):
        predict_days(path, FeatureDays(other, DAYS.judge), tmp_path / "judge.parquet")
    assert not (tmp_path / "judge.parquet").exists()


def test_labels_do_not_reach_predictions(path: Path, features: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(features, tmp_path / "features"))
    changes = [
        (pl.col("watch_ms") // 5),
        (1 - pl.col("skip")).cast(pl.Int8).alias("skip"),
        (1 - pl.col("like")).cast(pl.Int8).alias("like"),
    ]
    rewrite_rows(other, DAYS.judge[0], changes)
    for folder, name in ((features, "a"), (other, "b")):
        predict_days(path, FeatureDays(folder, DAYS.judge), tmp_path / f"{name}.parquet")
    a, b = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in "ab")
    columns = [name for name in a.columns if name.endswith("_s0")]
    assert a.select(columns).equals(b.select(columns))
    assert not a.equals(b)


def test_no_bundle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds no manifest\.json"):
        load_bundle(tmp_path)


def test_weights_that_do_not_fit_are_an_error(path: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(path, tmp_path / "b"))
    (broken / "weights-seed1.safetensors").unlink()
    with pytest.raises(TrainingError, match="weights of seed 1 are missing"):
        load_bundle(broken)


@pytest.mark.slow
def test_the_exported_program_computes_what_is_served(
    exported: Path, bundle: Bundle, features: Path, judge: pl.DataFrame
) -> None:
    program = torch.export.load(exported / "program.pt2").module()
    rows = bundle.encode(judge, FeatureFolder.open(features).past(), "judge")
    served = bundle.predict_encoded(rows, bundle.serving_seed)
    assert list(read_json(exported / FILE)["outputs"]) == sorted(served)
    for end in (1, 2, 333):
        batch = rows.batch(0, end)
        history = history_tensors(bundle.rankers[bundle.serving_seed], batch)
        found = program(batch.ids_BF, batch.dense_BN, batch.duration_B, history)
        assert list(found) == list(served)
        for name, values in served.items():
            np.testing.assert_allclose(found[name].numpy(), values[:end], rtol=1e-5)


@pytest.mark.slow
def test_an_exported_model_repeats_and_names_no_path(path: Path, exported: Path, tmp_path: Path) -> None:
    export_model(path, tmp_path / "again")
    assert hash_tree(tmp_path / "again") == hash_tree(exported)
    with zipfile.ZipFile(exported / "program.pt2") as archive:
        assert not any(str(Path.cwd()).encode() in archive.read(member) for member in archive.namelist())


def test_without_the_extra_one_line_says_what_onnx_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"ONNX needs onnx, onnxscript, onnxruntime: install the extra"):
        write_onnx(tmp_path, tmp_path / "out")


@pytest.mark.slow
def test_the_onnx_model_computes_what_is_served_and_another_is_refused(
    path: Path, bundle: Bundle, features: Path, judge: pl.DataFrame, tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    for seed in (0, 1):
        export_model(path, tmp_path / f"model{seed}", seed)
    assert write_onnx(tmp_path / "model0", tmp_path / "onnx")[""] < RELATIVE
    write_onnx(tmp_path / "model0", tmp_path / "again")
    with pytest.raises(ConfigError, match="is the model's own folder or holds it"):
        write_onnx(tmp_path / "model0", tmp_path)
    assert hash_tree(tmp_path / "onnx") == hash_tree(tmp_path / "again")
    assert not (tmp_path / "onnx/program.pt2").exists() and (tmp_path / "onnx" / FILE).is_file()
    rows = bundle.encode(judge, FeatureFolder.open(features).past(), "judge")
    batch, served = rows.batch(0, len(rows)), bundle.predict_encoded(rows, 0)
    session = runtime.InferenceSession(tmp_path / "onnx" / ONNX)
    inputs = [batch.ids_BF, batch.dense_BN, batch.duration_B, *history_tensors(bundle.rankers[0], batch)]
    given = {entry.name: values.numpy() for entry, values in zip(session.get_inputs(), inputs, strict=True)}
    found = dict(zip(served, session.run(list(served), given), strict=True))
    for name, values in served.items():
        np.testing.assert_allclose(found[name], values, rtol=RELATIVE, atol=ABSOLUTE)
    shutil.copy(tmp_path / "onnx" / ONNX, tmp_path / "model1")
    with pytest.raises(DwellError, match=r"is not what program\.pt2 computes"):
        held_against(tmp_path / "model1", tmp_path / "model1" / ONNX)


@pytest.mark.slow
def test_the_documented_reader_needs_no_dwell(
    exported: Path, bundle: Bundle, features: Path, judge: pl.DataFrame, tmp_path: Path
) -> None:
    """The code of docs/serving.md, in an interpreter that finds torch and polars and no dwell, says what dwell does."""
    shutil.copytree(exported, tmp_path / "model")
    (block,) = re.findall(
        r"^```python\n(.*?)^```", (REPOSITORY / "docs/serving.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "reader.py").write_text(block)
    (day,) = judge["state_day"].mode().head(1)
    rows = judge.filter(pl.col("state_day") == day).with_columns(
        pl.when(pl.int_range(pl.len()) % 3 > 0).then(bundle.preprocessor.normalisation.names[0])
    )
    rows.write_parquet(tmp_path / "rows.parquet")
    shutil.copy(history_file(features, day), tmp_path / "history.parquet")
    site = str(Path(torch.__file__).parents[1])
    start = f"import sys; sys.path.append({site!r}); import runpy; runpy.run_path('reader.py'); assert 'tasks' not in sys.modules"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", start], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = pl.read_parquet(tmp_path / "scored.parquet")
    served = bundle.predict(rows, FeatureFolder.open(features).past(), "judge")
    assert found.columns == list(served)
    for name, values in served.items():
        np.testing.assert_allclose(found[name].to_numpy(), values, rtol=1e-5)


def test_the_example_fits_the_bundle(bundle: Bundle) -> None:
    found = bundle.predict_encoded(example_rows(bundle), bundle.serving_seed)
    assert all(len(values) == 2 and np.isfinite(values).all() for values in found.values())


def test_a_champion_of_another_version_serves_as_long_as_its_manifest_says_what_serving_reads(
    path: Path, tmp_path: Path
) -> None:
    """Settings of the fit come and go with versions; the recipe may not."""
    other = Path(shutil.copytree(path, tmp_path / "b"))
    manifest = read_json(path / "manifest.json")
    write_json(other / "manifest.json", manifest | {"more": 1, "training": {"of": "another version"}})
    assert load_bundle(other, seeds=(0,)).manifest.recipe == RECIPE
    write_json(other / "manifest.json", manifest | {"recipe": {"head": {"kind": "forgotten"}}})
    with pytest.raises(ContractError, match=r"manifest\.json is not what the stage train writes today: recipe\.head"):
        load_bundle(other)
