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
from tasks.table.items.controls import CONTROLS
from tasks.table.items.fsq import rounded
from tasks.table.items.rq_kmeans import RqKMeans
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
    "tree": CodedItems.model_validate(
        {"kind": "rq", "levels": 2, "codewords": 16, "videos_per_codeword": 5, "tokenizer": {"kind": "tree"}}
    ),
    "cluster": CodedItems.model_validate({"kind": "rq", "codewords": 16, "tokenizer": {"kind": "cluster"}}),
}
CARRIED = {"tree": 0.4, "cluster": 0.3}
"""Share of the planted effect that codes carry to later videos at least; .6 of what adds levels up."""
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
    levels = SETTINGS[kind].levels
    assert codes.shape == (500, levels) and (codes >= 0).all() and (codes < tokenizer.sizes).all()
    drawn = [control(videos, tokenizer.sizes, codes[:400]) for control in CONTROLS.values()]
    own, shuffled, random = (explained(of, target, 400) for of in (codes, *drawn))
    assert own > CARRIED.get(kind, 0.6) and shuffled < 0.1 and random < 0.1, (own, shuffled, random)
    errors, later = tokenizer.errors(content[:400], codes[:400]), tokenizer.errors(content[400:], codes[400:])
    assert errors == sorted(errors, reverse=True) and errors[0] < 0.75 and later[-1] < 0.5
    others = tokenizer.errors(content[:400], np.roll(codes[:400], 1, axis=0))
    assert others[-1] > 1 > errors[-1]


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
    assert one.sizes[0] <= 10 and one.width == WIDTH + 1


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "prefix", "tokenizer": {"kind": "fsq"}}, "the chunks of fsq lead nowhere"),
        ({"kind": "bigram", "tokenizer": {"kind": "tree"}}, "a node of a tree says those above it"),
        ({"kind": "bpe", "tokenizer": {"kind": "tree"}}, "'bpe' joins levels"),
        ({"kind": "rq", "levels": 2, "tokenizer": {"kind": "cluster"}}, "'cluster' makes one code, not 2"),
        ({"kind": "rq", "until": "2026-01-10", "vectors": {"kind": "co_watch"}}, "learned anew from the fit days"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CodedItems.model_validate(settings)


def test_a_cluster_index_has_one_level_without_being_told_so() -> None:
    items = CodedItems.model_validate({"kind": "rq", "tokenizer": {"kind": "cluster"}})
    assert items.levels == 1 and CodedItems.model_validate(items.model_dump(mode="json")) == items


def test_nodes_of_a_tree_have_equal_shares_and_codes_spell_the_way_down(
    planted: tuple[np.ndarray, np.ndarray],
) -> None:
    """Of equal shares the centre of a node is the plain mean of its children's; of k-means it is not."""
    content = planted[0][:490]
    items = SETTINGS["tree"].model_copy(update={"videos_per_codeword": 10})
    tree = TOKENIZERS["tree"].fitted(np.concatenate([content, content[:90]]), items, 16)
    assert tree.sizes == (7, 49)
    first, second = tree.codebooks
    children = second.reshape(7, 7, WIDTH)
    np.testing.assert_allclose(children.mean(axis=1), first, atol=1e-12)
    found = RqKMeans.fit(content, levels=1, codewords=7, seed=0)
    assert np.abs(found.codebooks[0].mean(axis=0)).max() > 0.01
    np.testing.assert_allclose(first.mean(axis=0), ((content - tree.mean_C) / tree.scale_C).mean(axis=0), atol=1e-12)
    codes = tree.encode(planted[0])
    np.testing.assert_array_equal(codes[:, 1] // 7, codes[:, 0])
    row = (planted[0][-1] - tree.mean_C) / tree.scale_C
    gaps = ((children[codes[-1, 0]] - row) ** 2).sum(axis=1)
    assert codes[-1, 1] == 7 * codes[-1, 0] + gaps.argmin()
    shares = np.bincount(codes[:490, 0], minlength=7) / 490
    assert shares.max() < 1.5 / 7


def test_a_tree_of_too_few_videos_is_refused(planted: tuple[np.ndarray, np.ndarray]) -> None:
    items = SETTINGS["tree"].model_copy(update={"levels": 5, "videos_per_codeword": 20})
    with pytest.raises(ContractError, match=r"400 videos differ, and a tree of levels 5 needs .* = 640: lower levels"):
        TOKENIZERS["tree"].fitted(planted[0][:400], items, 16)


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
    "tokenizer",
    [{"kind": "fsq", "numbers": 1}, {"kind": "rq_vae", "hidden": 8, "latent": 4, "epochs": 6}, {"kind": "tree"}],
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
