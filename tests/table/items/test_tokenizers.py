"""Every tokenizer on content in which structure is planted, beside codes of other videos, which have none of it."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tasks.core.errors import ContractError
from tasks.core.files import hash_tree, read_json
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.items.codes import TOKENIZERS, ItemCodes
from tasks.table.items.config import CodedItems
from tasks.table.items.fsq import rounded
from tasks.table.items.schemes import RandomScheme, RqScheme
from tasks.table.items.tokenizer import product
from tasks.table.preprocessor import Preprocessor
from tests.table.items.conftest import CODED
from tests.table.small_night import DAYS

SETTINGS = {
    "rq_kmeans": CodedItems(kind="rq", levels=2, codewords=16),
    "fsq": CodedItems.model_validate({"kind": "rq", "levels": 2, "codewords": 16, "tokenizer": {"kind": "fsq"}}),
    "rq_vae": CodedItems.model_validate(
        {
            "kind": "rq",
            "levels": 2,
            "codewords": 16,
            "tokenizer": {"kind": "rq_vae", "hidden": 24, "latent": 6, "epochs": 40, "learning_rate": 0.005},
        }
    ),
}
WIDTH = 10


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray]:
    """Content that is a noisy linear image of four factors, and watch time that the strongest of them moves."""
    rng = np.random.default_rng(9)
    factor = rng.normal(size=(500, 4)) * [3.0, 2.0, 1.5, 1.0]
    content = factor @ rng.normal(size=(4, WIDTH)) + 0.1 * rng.normal(size=(500, WIDTH))
    return content * np.linspace(0.1, 9, WIDTH) + 5, factor[:, 0] + 0.3 * rng.normal(size=500)


def explained(code: np.ndarray, target: np.ndarray, learned: int) -> float:
    """Return the share of the later videos' variance that the first ones' mean by code explains, levels added up."""
    left, guess = target[:learned] - target[:learned].mean(), np.full(len(target) - learned, target[:learned].mean())
    for level in code.T:
        for value in np.unique(level[:learned]):
            mean = left[level[:learned] == value].mean()
            left[level[:learned] == value] -= mean
            guess[level[learned:] == value] += mean
    later = target[learned:]
    return float(1 - ((later - guess) ** 2).sum() / ((later - later.mean()) ** 2).sum())


@pytest.mark.slow
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_codes_of_new_videos_tell_what_is_planted_and_those_of_others_do_not(
    kind: str, planted: tuple[np.ndarray, np.ndarray]
) -> None:
    (content, target), videos = planted, np.arange(500)
    tokenizer = TOKENIZERS[kind].fitted(content[:400], SETTINGS[kind], 16)
    codes = tokenizer.encode(content)
    assert codes.shape == (500, 2) and (codes >= 0).all() and (codes < tokenizer.sizes).all()
    schemes = [scheme(tokenizer.sizes, codes[:400]).lookup(videos, codes) for scheme in (RqScheme, RandomScheme)]
    own, random = (explained(rows, target, 400) for rows in schemes)
    assert own > 0.6 and random < 0.1
    errors, later = tokenizer.errors(content[:400], codes[:400]), tokenizer.errors(content[400:], codes[400:])
    assert errors[1] < errors[0] < 0.75 and later[1] < 0.5
    others = tokenizer.errors(content[:400], np.roll(codes[:400], 1, axis=0))
    assert others[1] > 1 > errors[1]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_codes_depend_on_nothing_but_the_content(kind: str, planted: tuple[np.ndarray, np.ndarray]) -> None:
    content = np.concatenate([planted[0][:200], np.full((200, 1), 7.0)], axis=1)
    one, again = (TOKENIZERS[kind].fitted(content, SETTINGS[kind], 10) for _ in range(2))
    for book, other in zip(
        [*one.codebooks, *one.arrays.values()], [*again.codebooks, *again.arrays.values()], strict=True
    ):
        np.testing.assert_array_equal(book, other)
    codes = one.encode(content[:40])
    np.testing.assert_array_equal(np.concatenate([one.encode(row[None]) for row in content[:40]]), codes)
    restored = TOKENIZERS[kind].restored(one.mean_C, one.scale_C, one.codebooks, one.arrays)
    np.testing.assert_array_equal(restored.encode(content[:40]), codes)
    np.testing.assert_array_equal(restored.reconstruct(codes), one.reconstruct(codes))
    assert max(one.sizes) <= 10 and one.width == WIDTH + 1


def test_rounding_is_that_of_the_publication() -> None:
    """Five values of a number around 0, eight of one whose middle lies half a step lower; all are reached, none beyond."""
    counts = np.array([5.0, 8.0])
    number = np.linspace(-9, 9, 4001)
    value = rounded(np.stack([number, number], axis=1), counts)
    assert [np.unique(of).tolist() for of in value.T] == [list(range(5)), list(range(8))]
    assert (np.diff(value, axis=0) >= 0).all()
    assert rounded(np.zeros((1, 2)), counts).tolist() == [[2.0, 4.0]]
    half = (5 - 1) * (1 - 1e-3) / 2
    edge = np.arctanh(0.5 / half)
    assert rounded(np.array([[edge - 1e-9, 0], [edge + 1e-9, 0]]), counts)[:, 0].tolist() == [2.0, 3.0]


def test_components_of_chunks_are_uncorrelated_and_alike_in_spread(planted: tuple[np.ndarray, np.ndarray]) -> None:
    found = TOKENIZERS["fsq"].fitted(planted[0], SETTINGS["fsq"], 16)
    component = product((planted[0] - found.mean_C) / found.scale_C, found.arrays["into"])
    np.testing.assert_allclose(component.T @ component / 500, np.eye(4), atol=1e-9)
    assert found.arrays["counts"].tolist() == [4.0, 4.0] and found.sizes == (16, 16)
    word = found.codebooks[1][found.encode(planted[0])[:, 1]]
    np.testing.assert_allclose(word.mean(axis=0), component[:, 2:].mean(axis=0), atol=1e-9)


def test_what_content_does_not_hold_is_not_rounded(planted: tuple[np.ndarray, np.ndarray]) -> None:
    flat = planted[0] @ np.diag([1.0, 1, 1] + [0.0] * (WIDTH - 3))
    with pytest.raises(ContractError, match=r"holds 3 independent numbers .* levels x numbers = 4 and 3\^numbers = 9"):
        TOKENIZERS["fsq"].fitted(flat, SETTINGS["fsq"], 16)
    with pytest.raises(ContractError, match="the videos allow 8 codewords"):
        TOKENIZERS["fsq"].fitted(planted[0], SETTINGS["fsq"], 8)
    with pytest.raises(ValidationError, match="the chunks of fsq lead nowhere"):
        CodedItems.model_validate({"kind": "prefix", "tokenizer": {"kind": "fsq"}})


def test_a_network_learns_what_a_line_cannot_say() -> None:
    """Points of a ring: one latent number says where on it, so few codewords of a learned one leave less than as many centres' first level."""
    angle = np.random.default_rng(3).uniform(0, 2 * np.pi, 400)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    tokenizer = {"kind": "rq_vae", "hidden": 32, "latent": 4, "epochs": 30, "learning_rate": 0.005}
    items = CodedItems.model_validate({"kind": "rq", "levels": 2, "codewords": 6, "tokenizer": tokenizer})
    found = TOKENIZERS["rq_vae"].fitted(ring, items, 6)
    assert found.errors(ring, found.encode(ring))[1] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    "tokenizer", [{"kind": "fsq", "numbers": 1}, {"kind": "rq_vae", "hidden": 8, "latent": 4, "epochs": 6}]
)
def test_a_table_carries_its_tokenizer(features: Path, tmp_path: Path, tokenizer: dict[str, object]) -> None:
    items = CodedItems.model_validate(CODED.model_dump() | {"tokenizer": tokenizer})
    build_table(features, TableConfig(items=items), DAYS, tmp_path / "one")
    assert read_json(tmp_path / "one/items/codebook_report.json")["tokenizer"] == tokenizer["kind"]
    preprocessor = Preprocessor.load(tmp_path / "one/preprocessor")
    codes = preprocessor.items
    assert isinstance(codes, ItemCodes) and codes.tokenizer.kind == tokenizer["kind"]
    preprocessor.save(tmp_path / "saved")
    again = Preprocessor.load(tmp_path / "saved")
    assert again.tokenizer == preprocessor.tokenizer
    assert hash_tree(tmp_path / "saved/items") == hash_tree(tmp_path / "one/preprocessor/items")
