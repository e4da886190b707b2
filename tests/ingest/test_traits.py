"""What may be used of the users' traits on a morning, and declarations that are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from tasks.core.days import midnight_ms
from tasks.core.errors import SourceError
from tasks.core.files import read_json
from tasks.core.traits import Trait
from tasks.ingest.stage import ingest
from tasks.ingest.traits import usable
from tasks.simulate.config import SimulatedTraits, SimulatorConfig, Strengths
from tasks.simulate.users import AGE_BANDS, Users
from tests.ingest.foreign import NIGHT, ZONE, log, source

DAY_MS = 86_400_000
MORNING = midnight_ms(NIGHT.serve, ZONE)
DECLARED = {
    "band": Trait(purpose="p", retention_days=10, least_users=2),
    "score": Trait(kind="number", purpose="p", retention_days=20),
}
COLUMNS = {"user_id": "uid", "consent": "agrees", "consent_time_ms": "since", "recorded_time_ms": "asked"}


def records(**changes: Any) -> pl.DataFrame:
    """Return ten users who all agreed a day ago, of two bands; `changes` are columns of the first of them."""
    first = {
        "consent": 1,
        "consent_time_ms": MORNING - DAY_MS,
        "recorded_time_ms": MORNING - DAY_MS,
        "band": "a",
        "score": 1.5,
    }
    others = {name: [value] * 9 for name, value in first.items()}
    columns = {name: [(first | changes)[name], *others[name]] for name in first}
    types = {"consent": pl.Int8, "score": pl.Float32}
    return pl.DataFrame({"user_id": range(10), **columns}, schema_overrides=types)


@pytest.mark.parametrize(
    ("changes", "band", "score"),
    [
        ({}, "a", 1.5),
        ({"consent": 0}, None, None),
        ({"consent": None}, None, None),
        ({"consent": 2}, None, None),
        ({"consent": 0, "consent_time_ms": MORNING + DAY_MS}, None, None),
        ({"consent_time_ms": MORNING}, "a", 1.5),
        ({"consent_time_ms": MORNING + 1}, None, None),
        ({"consent_time_ms": None}, None, None),
        ({"recorded_time_ms": MORNING + 1}, None, None),
        ({"recorded_time_ms": None}, None, None),
        ({"recorded_time_ms": MORNING - 10 * DAY_MS + 1}, "a", 1.5),
        ({"recorded_time_ms": MORNING - 10 * DAY_MS}, None, 1.5),
        ({"recorded_time_ms": MORNING - 20 * DAY_MS}, None, None),
        ({"band": "rare"}, None, 1.5),
        ({"band": None}, None, 1.5),
        ({"band": None, "score": None}, None, None),
    ],
)
def test_what_may_be_used_on_a_morning(changes: dict[str, Any], band: str | None, score: float | None) -> None:
    kept = usable(records(**changes), DECLARED, MORNING)
    first = kept.filter(pl.col("user_id") == 0)
    assert first.select("band", "score").rows() == ([(band, score)] if band or score else [])
    assert kept.filter(pl.col("user_id") > 0).select("band", "score").rows() == [("a", 1.5)] * 9


def declared(**changes: Any) -> dict[str, Any]:
    band = {"kind": "category", "purpose": "p", "retention_days": 3000, "least_users": 1}
    return {"files": "people.csv", "columns": COLUMNS, "traits": {"band": band}} | changes


def test_values_of_users_who_did_not_agree_change_no_byte(tmp_path: Path) -> None:
    log().write_csv(tmp_path / "log.csv")
    written = []
    for secret in ("x", "y"):
        people = pl.DataFrame(
            {"uid": [0, 1, 2], "agrees": ["yes", "no", "no"], "since": [0] * 3, "asked": [MORNING - DAY_MS] * 3}
        )
        people.with_columns(band=pl.Series(["a", secret, None])).write_csv(tmp_path / "people.csv")
        ingest(source(tmp_path, traits=declared()), NIGHT, tmp_path / "raw")
        written.append((tmp_path / "raw/traits.parquet").read_bytes())
    assert written[0] == written[1]
    assert pl.read_parquet(tmp_path / "raw/traits.parquet").select("user_id", "band").rows() == [(0, "a")]
    about = read_json(tmp_path / "raw/source.json")
    assert about["trait_users"] == {"asked": 3, "used": 1}
    assert about["traits"]["band"] == declared()["traits"]["band"]
    ingest(source(tmp_path), NIGHT, tmp_path / "raw")
    assert not (tmp_path / "raw/traits.parquet").exists() and "traits" not in read_json(tmp_path / "raw/source.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"traits": declared(columns={"user_id": "uid"})}, "columns must map consent, consent_time_ms, recorded_time_ms: without"),
        ({"traits": declared(columns=COLUMNS | {"consent": {"constant": 1}})}, "nobody consents for all users"),
        ({"traits": declared(categoricals=["city"])}, "is declared under traits"),
        ({"traits": declared(traits={})}, "at least 1 item"),
        ({"traits": declared(traits={"consent": declared()["traits"]["band"]})}, "a name of dwell's own"),
        ({"traits": declared(traits={"band": {"retention_days": 3}})}, "purpose"),
        ({"traits": declared(traits={"band": {"purpose": "p"}})}, "retention_days"),
        (
            {"traits": declared(), "users": {"files": "people.csv", "columns": {"user_id": "uid"}, "categoricals": ["band"]}},
            "users.categoricals: 'band' is declared under traits, and would be read here without consent",
        ),
    ],
)  # fmt: skip
def test_wrong_declarations_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source(tmp_path, **changes)


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ({"agrees": None}, "people.csv lacks column 'agrees'"),
        ({"agrees": ["perhaps"]}, "column 'agrees' holds 'perhaps', which cannot be read as consent"),
        ({"score": ["inf"]}, "column 'score' holds 'something that is not shown', which cannot be read as score"),
        ({"score": ["high"]}, "numbers are finite"),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path: Path, people: dict[str, Any], message: str) -> None:
    log().write_csv(tmp_path / "log.csv")
    given = {
        "uid": [0],
        "agrees": [1],
        "since": [0],
        "asked": [MORNING - DAY_MS],
        "band": ["a"],
        "score": ["1.5"],
    } | people
    pl.DataFrame({name: column for name, column in given.items() if column}).write_csv(tmp_path / "people.csv")
    number = {"score": {"kind": "number", "purpose": "p", "retention_days": 3}}
    with pytest.raises(SourceError, match=message) as caught:
        ingest(source(tmp_path, traits=declared(traits=declared()["traits"] | number)), NIGHT, tmp_path / "raw")
    assert "high" not in str(caught.value)


def test_simulated_traits_have_the_size_that_is_asked_for_and_are_off_by_default() -> None:
    assert "trait" not in Strengths().model_dump() and "traits" not in SimulatorConfig().model_dump()
    users = Users(SimulatorConfig(), np.arange(20_000))
    planted = Users(SimulatorConfig(strengths=Strengths(trait=0.7)), users.ids)
    added = planted.effect - users.effect
    assert added.std() == pytest.approx(0.7, rel=0.02)
    age = (users.age_band - 2) / np.sqrt(2)
    np.testing.assert_allclose(added, 0.7 * (users.openness + age) / np.sqrt(2), atol=1e-5)
    told = planted.trait_records(SimulatedTraits(), index=3)
    assert told["openness"].to_numpy().tolist() == users.openness.tolist()
    assert told["age_band"].to_list() == [AGE_BANDS[place] for place in users.age_band]


def test_simulated_users_agree_and_withdraw_at_the_stated_rates() -> None:
    users, traits = Users(SimulatorConfig(), np.arange(20_000)), SimulatedTraits(consent=0.6, withdrawn_per_day=0.1)
    days = [users.trait_records(traits, index) for index in range(3)]
    agree = [float(day["consent"].mean()) for day in days]
    assert agree == pytest.approx([0.6 * 0.9, 0.6 * 0.9**2, 0.6 * 0.9**3], abs=0.01)
    gone = (days[0]["consent"] == 1) & (days[1]["consent"] == 0)
    when = days[1].filter(gone)["consent_time_ms"]
    start = midnight_ms(SimulatorConfig().start_day, SimulatorConfig().timezone)
    assert gone.any() and when.is_between(start + DAY_MS, start + 2 * DAY_MS).all()
    kept = usable(days[1], traits.declared, start + 2 * DAY_MS)
    assert set(kept["user_id"]) == set(days[1].filter(pl.col("consent") == 1)["user_id"])
