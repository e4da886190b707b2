"""The table rule "plausible": does a day look like any log of short videos, or has a unit or a column been mistaken?"""

from collections.abc import Mapping

from tasks.core.partition_cache import Manifest
from tasks.validate.config import Expected, PlausibleConfig
from tasks.validate.profile import median
from tasks.validate.verdicts import Status, Verdict

_FAR = 10
_SECONDS_OF_DAY = 86_400
_LEAST_PLAYED = 0.01
_ACCEPT = "or let the day pass under validation.tables.accept, or mend validation.tables.plausible"
_UNITS = (
    "watch and duration are of one unit and have been read in two: check duration_unit and watch_unit of the source, and "
    "which columns they are mapped from"
)
_LENGTHS = "check the source's {}_unit, and which column {}_ms is mapped from"


def judge_plausible(day: Manifest, config: PlausibleConfig) -> list[Verdict]:
    """Judge a day by what its incoming rows look like."""
    counts: Mapping[str, Mapping[str, int]] = day["magnitudes"]
    played = sum(counts["watch"].values())
    verdicts = [_distinct(day, config)]
    if played < config.min_played:
        odd = day["rows_in"] >= config.min_played and played < _LEAST_PLAYED * day["rows_in"]
        verdict = Verdict(
            "plausible",
            day["day"],
            "warning" if odd else "skipped",
            f"{played:,} of {day['rows_in']:,} rows were played and have a length",
            f"at least {config.min_played:,} to judge the rest",
            f"check that the player's log is complete, {_ACCEPT}",
            column="played",
        )
        return [*verdicts, verdict]
    measures = (
        ("play_ratio", config.play_ratio, "a median play of {:.3g} times the video's length", _UNITS),
        ("duration", config.duration_s, "a median duration of {:.3g} s", _LENGTHS.format("duration", "duration")),
        ("watch", config.watch_s, "a median watch of {:.3g} s", _LENGTHS.format("watch", "watch")),
    )
    for name, expected, words, advice in measures:
        value = median(dict(counts[name]))
        assert value is not None
        verdicts.append(
            Verdict(
                "plausible",
                day["day"],
                _status(value, expected),
                words.format(value),
                f"between {expected.low:g} and {expected.high:g}",
                f"{advice}, {_ACCEPT}",
                column=name,
                value=round(value, 6),
            )
        )
    return [*verdicts, _longer(day, config), _resolution(day, config)]


def _status(value: float, expected: Expected) -> Status:
    if expected.low <= value <= expected.high:
        return "passed"
    return "warning" if expected.low / _FAR <= value <= expected.high * _FAR else "failed"


def _longer(day: Manifest, config: PlausibleConfig) -> Verdict:
    share = day["notes"].get("replay", 0) / day["rows_in"]
    return Verdict(
        "plausible",
        day["day"],
        "passed" if share <= config.longer_share else "warning",
        f"{share:.1%} of rows were played for longer than the video lasts",
        f"at most {config.longer_share:.0%}",
        f"check the units and columns of watch and duration, {_ACCEPT}",
        column="replay",
        value=round(share, 6),
    )


def _resolution(day: Manifest, config: PlausibleConfig) -> Verdict:
    times, rows = day["distinct"]["event_time_ms"], day["rows_in"]
    share = times / min(rows, _SECONDS_OF_DAY)
    return Verdict(
        "plausible",
        day["day"],
        "passed" if share >= config.distinct_times else "warning",
        f"{times:,} different times in {rows:,} rows",
        f"at least {config.distinct_times:.0%} of the rows, or of the day's seconds",
        f"check that the log's times have not been rounded, {_ACCEPT}",
        column="event_time_ms",
        value=round(share, 6),
    )


def _distinct(day: Manifest, config: PlausibleConfig) -> Verdict:
    users, videos = (day["distinct"][name] for name in ("user_id", "video_id"))
    return Verdict(
        "plausible",
        day["day"],
        "passed" if min(users, videos) >= config.min_ids else "warning",
        f"{users:,} users and {videos:,} videos",
        f"at least {config.min_ids:,} of both",
        f"check which columns user_id and video_id are mapped from, {_ACCEPT}",
        column="ids",
    )
