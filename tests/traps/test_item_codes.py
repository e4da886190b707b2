"""What numbers videos and users: identifiers that later rows move, parts of unequal size, numbers rounded at the wrong scale
(docs/methods/metrics.md#traps)."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.retrieval.balanced_tree import balanced_parts
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.fit import fit_preprocessor
from tasks.table.items.codes import TOKENIZERS
from tasks.table.items.config import CodedItems
from tasks.table.items.fsq import Fsq
from tasks.table.preprocessor import Preprocessor
from tasks.table.source import FeatureFolder
from tasks.table.training_table import LEARNED
from tests.table.small_night import DAYS, rewrite_rows
from tests.traps.twins import tells_apart

REPOSITORY = Path(__file__).resolve().parents[2]
CODED = TableConfig(items=CodedItems(kind="rq", levels=2, codewords=8, videos_per_codeword=5))
LATER_MS = 1 << 50
Identifiers = tuple[dict[str, list[object]], str | None]


@pytest.mark.slow
def test_trap_4_rows_of_the_judge_day_move_no_identifier(night: Path, tmp_path: Path) -> None:
    """Vocabularies, and the tokenizer's id, which is a hash of its codebooks."""

    def identifiers(found: Preprocessor) -> Identifiers:
        return {vocabulary.field: vocabulary.keys.to_list() for vocabulary in found.vocabularies}, found.tokenizer

    def of_the_product(features: Path) -> Identifiers:
        build_table(features, CODED, DAYS, tmp_path / f"{features.name} table", splits=LEARNED)
        return identifiers(Preprocessor.load(tmp_path / f"{features.name} table/preprocessor"))

    def of_all_rows(features: Path) -> Identifiers:
        """Number before the log is split."""
        return identifiers(fit_preprocessor(FeatureFolder.open(features), CODED, DAYS.modelled, LATER_MS, 10_000))

    changed = Path(shutil.copytree(night, tmp_path / "changed"))
    others = [pl.col("user_id") - 500, pl.col("video_id").reverse(), pl.lit("a level of that day").alias("activity")]
    rewrite_rows(changed, DAYS.judge[0], others)

    def check(number: Callable[[Path], Identifiers]) -> None:
        before, after = (number(features) for features in (night, changed))
        assert before == after and before[1] is not None

    tells_apart(check, of_the_product, of_all_rows)


@pytest.mark.slow
def test_trap_11_parts_of_5000_rows_are_equal_and_a_buffer_may_be_read_only() -> None:
    """k-means-constrained 0.9.1 with several workers dies on this; plain k-means leaves parts of any size."""
    from sklearn.cluster import KMeans

    rows_MC = np.random.default_rng(0).normal(size=(5_000, 64)).astype(np.float32)
    rows_MC.setflags(write=False)

    def plain(vector_MC: np.ndarray, parts: int, seed: int) -> np.ndarray:
        return KMeans(parts, n_init=1, random_state=seed).fit_predict(vector_MC.astype(np.float64))

    def check(divide: Callable[[np.ndarray, int, int], np.ndarray]) -> None:
        size_K = np.bincount(divide(rows_MC, 16, 0), minlength=16)
        assert size_K.sum() == 5_000 and size_K.max() - size_K.min() <= 1

    tells_apart(check, balanced_parts, plain)


def test_trap_14_nothing_merges_pieces_by_a_library_whose_versions_differ() -> None:
    """SentencePiece's unigram merges nothing in some versions. Codes are joined two by two here; who brings it in tests that."""

    def check(locked: str) -> None:
        assert re.search(r"^sentencepiece\b", locked, re.MULTILINE) is None

    locked = (REPOSITORY / "requirements.lock").read_text()
    tells_apart(check, locked, locked + "sentencepiece==0.2.0\n")


def test_trap_15_numbers_are_rounded_at_the_scale_of_their_content() -> None:
    """Content in units of a thousandth and of thousands: components have unit variance all the same, so codes are used."""
    rng = np.random.default_rng(3)
    content = rng.normal(size=(600, 6)) @ np.diag([1e-3, 1, 40, 1e-2, 1e3, 5])
    items = CodedItems.model_validate({"kind": "rq", "levels": 2, "codewords": 16, "tokenizer": {"kind": "fsq"}})
    fitted = TOKENIZERS["fsq"].fitted(content, items, 16)
    assert isinstance(fitted, Fsq)

    def check(tokenizer: Fsq) -> None:
        codes_VL = tokenizer.encode(content)
        used = [len(np.unique(codes_V)) / size for codes_V, size in zip(codes_VL.T, tokenizer.sizes, strict=True)]
        assert min(used) > 0.9
        share_K = np.bincount(codes_VL[:, 0], minlength=tokenizer.sizes[0]) / len(codes_VL)
        assert share_K.max() < 0.5

    too_small, too_large = (replace(fitted, into_CD=scale * fitted.into_CD) for scale in (0.01, 100.0))
    tells_apart(check, fitted, too_small, too_large)
