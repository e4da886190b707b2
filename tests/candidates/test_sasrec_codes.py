"""SASRec by codes in a world of planted taste whose last videos are new: codes of content find them, codes of others do not."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch

from tasks.candidates.config import SasRecConfig
from tasks.candidates.proposers.sasrec import SasRecTopK
from tasks.candidates.registry import PROPOSERS
from tasks.table.items.codes import ItemCodes
from tasks.table.items.config import CodedItems
from tasks.table.watches import VideoCodes, Watches
from tests.candidates.world import NEW, VIDEOS, WithNew

CONFIG = SasRecConfig(
    width=16, history=8, dropouts=(0.0,), learning_rate=0.01, max_epochs=12, patience=12, items="joined"
)
ITEMS = CodedItems(kind="rq", levels=3, codewords=8, videos_per_codeword=5)
CODELESS = VIDEOS - 1
"""A new video that nobody describes."""


@dataclass(frozen=True)
class Coded(WithNew):
    """The same with codes of videos, learned from those of the fit days.

    Attributes:
        control: of the codes.
    """

    control: Literal["shuffled"] | None = None

    @cached_property
    def watches(self) -> Watches:
        items = ITEMS.model_copy(update={"control": self.control})
        codes = ItemCodes.fit(self.catalogue.head(VIDEOS - NEW), items, "here")
        described = pl.when(pl.col("video_id") != CODELESS).then("content_vector")
        return super().watches.with_codes(codes, lambda _: self.catalogue.with_columns(described))


WORLD = Coded()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.slow
def test_codes_find_new_videos_and_codes_of_others_do_not() -> None:
    joined, alone = (WORLD.fit(CONFIG.model_copy(update={"items": items})) for items in ("joined", "alone"))
    others = Coded(control="shuffled")
    dealt = others.recalls(others.fit(CONFIG))
    assert all(WORLD.recalls(proposer)["new"] > 2 * dealt["new"] + 0.1 for proposer in (joined, alone)), dealt
    plain = WORLD.recalls(WORLD.fit(CONFIG.model_copy(update={"items": "none"})))
    assert plain["new"] == 0 and WORLD.recalls(joined)["all"] > plain["all"] + 0.05
    for proposer in (joined, alone):
        assert proposer.propose(WORLD.later(3).audience, VIDEOS).max() < CODELESS, "its code is its place here"


@pytest.mark.slow
def test_a_vector_is_a_row_of_its_own_and_those_of_its_codes() -> None:
    fitted = WORLD.fit(CONFIG.model_copy(update={"max_epochs": 1}))
    assert isinstance(fitted, SasRecTopK)
    model, watches = fitted.model, WORLD.watches
    codes = watches.codes
    assert model.codes is not None and codes is not None
    own, shared = model.videos.weight.detach(), model.codes.weight.detach()
    expected = torch.stack([shared[row_F].sum(dim=0) for row_F in torch.from_numpy(codes.row_VF)])
    expected[: watches.num_known] += own
    torch.testing.assert_close(model.vectors().detach(), expected)


def test_codes_stand_in_one_table_field_after_field_and_end_with_the_fit_days() -> None:
    codes = WORLD.watches.codes
    assert codes is not None
    assert codes.num_rows == 27 and codes.row_VF.shape == (VIDEOS, 3)
    assert ((codes.row_VF // 9) == np.arange(3)).all()
    assert np.flatnonzero(~codes.has_V).tolist() == [VIDEOS - 1] and codes.row_VF[-1].tolist() == [0, 9, 18]
    of_fit_days = WORLD.watches.of_fit_days
    assert isinstance(of_fit_days.codes, VideoCodes) and of_fit_days.codes.row_VF.shape == (VIDEOS - NEW, 3)


def test_what_is_known_by_nothing_is_not_proposed_to_who_watched_nothing() -> None:
    """They get what is popular: codes ascend, new videos at the end, and the one without a code is left out."""
    fitted = WORLD.fit(CONFIG.model_copy(update={"max_epochs": 1}))
    audience = replace(WORLD.later(3).audience.part(0, 1), user_N=np.array([-1]))
    assert fitted.propose(audience, VIDEOS).tolist() == [[*range(VIDEOS - 1), -1]]


def test_new_videos_are_reached_where_codes_are_read() -> None:
    sasrec = PROPOSERS["sasrec"]
    assert [(sasrec.reads_codes(of), sasrec.reaches_new(of)) for of in (CONFIG, SasRecConfig())] == [
        (True,) * 2,
        (False,) * 2,
    ]
    assert "items" not in SasRecConfig().model_dump()
