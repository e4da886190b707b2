"""A night whose every free text is hostile: reasons of people, names of columns, scenes and tags, sentences about values."""

from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.files import read_json, write_json
from tasks.report import render_report
from tasks.report.config import ReportConfig
from tests.hostile import HOSTILE
from tests.report.conftest import MadeNight

FREE = frozenset({"reason", "forced_reason", "warnings", "sentence", "column", "value", "why"})
"""Keys of documents below which texts come from people or from the log."""


def write_page(night: MadeNight, page: Path) -> str:
    """Fill a night with hostile texts, write its page and return it."""
    root, texts = night.workspace.root, iter(HOSTILE * 10_000)

    def filled(value: Any, free: bool) -> Any:
        if isinstance(value, dict):
            return {key: filled(inner, free or key in FREE) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner, free) for inner in value]
        return f"{value} {next(texts)}" if free and isinstance(value, str) else value

    entry = root / "artifacts/champion/entry/entry.json"
    write_json(entry, read_json(entry) | {"kind": "forced", "forced_reason": HOSTILE[0]})
    chosen = [
        root / "artifacts/gate/decision.json",
        root / "data/validated/summary.json",
        *root.rglob("segments.json"),
        entry,
    ]
    for path in chosen:
        write_json(path, filled(read_json(path), free=False))
    lists = root / "artifacts/scores/top_k.parquet"
    frame = pl.read_parquet(lists)
    names = pl.concat_str(pl.col("video_id"), pl.lit(" " + HOSTILE[1])).alias("video_id")
    if frame.schema["video_id"] == pl.String:
        frame.with_columns(names).write_parquet(lists)
    key = night.key.model_copy(update={"data": f"datasets/{HOSTILE[0]}"})
    render_report(night.workspace, ReportConfig(title=HOSTILE[2]), key, page)
    return page.read_text(encoding="utf-8")
