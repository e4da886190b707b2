"""`dwell init`: from a path to a source of `params.yaml` that a person reads, corrects and keeps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from ruamel.yaml.comments import CommentedMap

from tasks.config import FILE, load_params, write_params
from tasks.core.errors import ConfigError, DwellError, SourceError
from tasks.core.names import checked_name
from tasks.core.yaml_config import parse
from tasks.core.yaml_edit import to_text, with_entry
from tasks.core.yaml_file import Place
from tasks.ingest.config import TableSourceConfig
from tasks.ingest.table import TableSource
from tasks.onboard.clock import values_of
from tasks.onboard.look import ROWS, look
from tasks.onboard.propose import Proposal, propose

_SHOWN = 3
_WIDTH = 24


@dataclass(frozen=True)
class Onboarding:
    """What `dwell init` found.

    Attributes:
        proposal: the source, and what a person should know of it.
        unread: why other files cannot be read.
        before: some rows of the log as they are.
        after: the same rows as the contract has them; None where the proposal cannot read them.
        refused: why it cannot.
    """

    proposal: Proposal
    unread: Sequence[str]
    before: pl.DataFrame
    after: pl.DataFrame | None
    refused: str

    def lines(self, name: str) -> Iterator[str]:
        """Yield what a person reads."""
        log, proposal = self.proposal.log, self.proposal
        yield f"{len(log.files)} file(s) of a log, {log.form}; its columns: {', '.join(log.rows.columns)}"
        yield from (f"not read: {line}" for line in self.unread[:_SHOWN])
        yield from ("", "the first rows, as they are:", *_table(self.before.head(_SHOWN)))
        if self.after is not None:
            yield from (
                "",
                "and as they would be read:",
                *_table(self._readable().head(_SHOWN).select(_told(self.after))),
            )
            yield from ("", f"of the first {self.after.height} rows:", *(f"  {line}" for line in profile(self.after)))
        else:
            yield from ("", "they cannot be read so:", *(f"  {line}" for line in self.refused.splitlines()))
        yield from ("", "what is missing, and what that costs:", *(f"  {line}" for line in proposal.missing))
        if proposal.unused:
            yield from ("", f"columns that nothing reads: {', '.join(proposal.unused)}")
            yield "  those known when a row was shown (country, app version) become features under impressions.categoricals"
        if proposal.questions:
            yield from ("", "look at these:", *(f"  {line}" for line in proposal.questions))
        yield from ("", f"for {FILE}:", "", *to_text(CommentedMap(sources={name: proposal.block})).splitlines())

    def _readable(self) -> pl.DataFrame:
        """Return the rows with identifiers as they are written, times as dates and lengths in seconds."""
        assert self.after is not None
        mapping = self.proposal.mapped["impressions"]
        times = [name for name in self.after.columns if name.endswith(("time_ms", "at_ms"))]
        return self.after.with_columns(
            *(values_of(self.before, mapping[name]).alias(name) for name in ("user_id", "video_id")),
            *(pl.from_epoch(name, "ms").dt.to_string("%Y-%m-%d %H:%M:%S UTC") for name in times),
            *(pl.format("{} s", (pl.col(name) / 1000).round(3)) for name in ("duration_ms", "watch_ms")),
        )


def onboard(path: Path, timezone: str | None = None) -> Onboarding:
    """Look at a folder or a file and propose how it is read.

    Args:
        path: a folder or a file.
        timezone: days begin at its midnight; None: as the times say, else UTC.

    Raises:
        SourceError: if it holds no log.
    """
    groups, unread = look(path)
    if not groups:
        raise SourceError("\n".join(unread) or f"{path} holds no file with rows")
    proposal = propose(path, groups, timezone)
    before, after, refused = proposal.log.rows, None, ""
    try:
        source = TableSource(parse(TableSourceConfig, plain(proposal.block), Place("the proposal")))
        before, after = source.first_rows(ROWS)
    except DwellError as error:
        refused = str(error)
    return Onboarding(proposal, unread, before, after, refused)


def write(params: Path, name: str, proposal: Proposal) -> str:
    """Add a proposed source to params.yaml, whose comments stay; say what was done.

    Raises:
        ConfigError: if the name cannot be one, is taken, or the file would not be valid; it then is as it was.
    """
    checked_name(name)
    if name in load_params(params).sources:
        raise ConfigError(f"{params.name}: sources.{name} is there already: choose another name, or take it out first")
    text = with_entry(params.read_text(encoding="utf-8"), ("sources", name), proposal.block)
    write_params(params, text)
    return f"{params}: added sources.{name}; read it, then `dwell check --source {name}` and `dwell nightly --source {name}`"


def profile(rows: pl.DataFrame) -> Iterator[str]:
    """Yield what a person would notice if a mapping or a unit were wrong."""
    times = pl.from_epoch(rows["event_time_ms"].drop_nulls(), "ms").sort().dt.to_string("%Y-%m-%d %H:%M")
    yield f"{times[0]} to {times[-1]} UTC" if len(times) else "no time of an event can be read"
    yield f"{rows['user_id'].n_unique()} users, {rows['video_id'].n_unique()} videos"
    for name, label in (("watch_ms", "watch"), ("duration_ms", "duration")):
        values = rows[name].drop_nulls()
        if len(values):
            low, middle, high = (float(values.quantile(share) or 0) / 1000 for share in (0.1, 0.5, 0.9))
            yield f"{label}: median {middle:.1f} s, eight in ten between {low:.1f} s and {high:.1f} s"
    longer = (rows["watch_ms"] > rows["duration_ms"]).drop_nulls()
    if len(longer):
        yield f"{longer.sum() / len(longer):.1%} watched longer than the video lasts"
    nulls = {name: rows[name].null_count() for name in rows.columns}
    empty = [f"{name} {count / rows.height:.1%}" for name, count in nulls.items() if 0 < count < rows.height]
    if empty:
        yield f"empty: {', '.join(empty)}"
    flags = {name: rows[name].sum() for name in rows.columns if rows[name].dtype == pl.Int8}
    ones = [f"{name} {count / rows.height:.1%}" for name, count in flags.items() if count]
    if ones:
        yield f"flags: {', '.join(ones)}"


def plain(value: Any) -> Any:
    """Return a block without its comments."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def _told(rows: pl.DataFrame) -> list[str]:
    """Return the columns that hold more than a default."""
    return [name for name in rows.columns if rows[name].n_unique() > 1 or name in ("user_id", "video_id")]


def _table(rows: pl.DataFrame) -> list[str]:
    """Return rows as aligned columns of text."""
    texts = [[name, *("" if value is None else str(value) for value in rows[name])] for name in rows.columns]
    cut = [[text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…" for text in column] for column in texts]
    widths = [max(map(len, column)) for column in cut]
    return [
        "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*cut, strict=True)
    ]
