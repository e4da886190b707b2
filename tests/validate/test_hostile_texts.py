"""Names of columns and their values are data: never a query's template, never a page's markup."""

from pathlib import Path

import polars as pl
import pytest

from tasks.validate.config import ValidationConfig
from tasks.validate.stage import validate
from tests.hostile import HOSTILE, SCRIPT
from tests.validate.by_hand import DAYS, RawFolder, clean_users

pytestmark = pytest.mark.slow


def hostile_users() -> pl.DataFrame:
    """Return users with a category column of every name, whose levels are the names."""
    users = clean_users()
    return users.with_columns(
        pl.Series(name, [HOSTILE[(row + shift) % len(HOSTILE)] for row in range(users.height)], dtype=pl.String)
        for shift, name in enumerate(HOSTILE)
    )


def test_any_text_is_a_name_of_a_column(raw: RawFolder, out: Path) -> None:
    hostile_users().write_parquet(raw.path / "users.parquet")
    validate(raw.path, ValidationConfig(), DAYS, out)
    kept = pl.read_parquet(out / "users.parquet")
    assert set(HOSTILE) <= set(kept.columns)
    assert kept["x;touch PWNED"].to_list() == hostile_users()["x;touch PWNED"].to_list()


def test_a_wrong_type_is_found_whatever_the_name(raw: RawFolder, out: Path) -> None:
    from tasks.validate.duckdb_batches import SuiteRunner
    from tasks.validate.expectations import side_suite

    users = hostile_users()
    types = dict(users.schema)
    path = raw.path / "users.parquet"
    for name in (SCRIPT, "{x}", "user's city", 'the "best" city', ":name :1 ?", "a\\nb\\", "100 % of %s %(name)s"):
        assert name in HOSTILE
        users.with_columns(pl.lit(1.5).alias(name)).write_parquet(path)
        with SuiteRunner(out / "scratch") as runner:
            rules = side_suite("users", types, ValidationConfig().tables)
            verdicts = {verdict.rule: verdict for verdict in runner.judge(path, "users", rules)}
        assert verdicts["types"].status == "failed", name
        assert "could not be judged" not in verdicts["types"].observed, name


def test_pages_show_texts_and_run_none(raw: RawFolder, out: Path) -> None:
    hostile_users().with_columns(pl.lit(None, dtype=pl.String).alias(HOSTILE[0])).write_parquet(
        raw.path / "users.parquet"
    )
    config = ValidationConfig.model_validate(
        {"tables": {"may_be_null": [*ValidationConfig().tables.may_be_null, HOSTILE[0]]}}
    )
    validate(raw.path, config, DAYS, out)
    pages = "".join(path.read_text(encoding="utf-8") for path in out.rglob("*.html"))
    assert "&lt;script&gt;document.title" in pages
    assert "<script>document" not in pages and "<img src=x" not in pages
