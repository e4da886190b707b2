"""What other people call the columns of the contract."""

import re
from collections.abc import Mapping

IMPRESSIONS: Mapping[str, str] = {
    "user_id": "user_id uid user member_id viewer_id viewer account_id customer_id device_id did visitor_id 用户id 用户",
    "video_id": "video_id vid video item_id iid item feed_id photo_id clip_id post_id media_id note_id content_id doc_id aid 视频id",
    "event_time_ms": "event_time timestamp ts event_timestamp time datetime date_time event_ts impression_time exposure_time "
    "show_time server_time request_time started_at viewed_at watched_at played_at created_at log_time client_time dt date",
    "known_at_ms": "known_at logged_at ingested_at arrived_at received_at",
    "duration_ms": "duration video_duration video_length length video_seconds videoplayseconds item_duration clip_length "
    "content_duration total_time len",
    "watch_ms": "watch watch_time watched play_time playing_time play play_duration watch_duration view_time view_duration "
    "dwell_time dwell time_spent seconds_watched stay_time consumed",
    "scene": "scene scene_id tab page surface channel placement feed_type entry scenario",
    "policy": "policy is_rand is_random random rand is_explore",
    "position": "position pos slot rank list_position show_index",
    "exposure_probability": "exposure_probability propensity propensity_score pscore",
    "click": "click is_click clicked clicks",
    "like": "like is_like liked likes digg thumbs_up",
    "follow": "follow is_follow followed",
    "comment": "comment is_comment commented comments",
    "forward": "forward is_forward forwarded share shared is_share shares",
    "hate": "hate is_hate dislike disliked is_dislike not_interested report",
    "profile_enter": "profile_enter is_profile_enter profile_visit",
    "long_view": "long_view is_long_view",
    "shown": "shown is_shown was_shown exposed is_exposed was_exposed",
}
USERS: Mapping[str, str] = {"user_id": f"{IMPRESSIONS['user_id']} id"}
VIDEOS: Mapping[str, str] = {
    "video_id": f"{IMPRESSIONS['video_id']} id",
    "author_id": "author_id author uploader_id uploader creator_id creator up_id owner_id publisher_id",
    "upload_time_ms": "upload_time upload_dt upload_date uploaded_at publish_time publish_date published_at created_at pubdate",
    "duration_ms": IMPRESSIONS["duration_ms"],
    "music_id": "music_id music song_id bgm_song_id sound_id audio_id",
    "tag": "tag tags tag_ids hashtags topic topics",
}
SYNONYMS: Mapping[str, Mapping[str, str]] = {"impressions": IMPRESSIONS, "users": USERS, "videos": VIDEOS}
"""table -> contract column -> its names elsewhere, those that say it most clearly first; case and punctuation do not count"""

_UNITS: Mapping[str, str] = {
    "ms": "ms", "msec": "ms", "millis": "ms", "milliseconds": "ms", "s": "s", "sec": "s", "secs": "s", "seconds": "s",
    "us": "us", "micros": "us", "ns": "ns",
}  # fmt: skip


def matches(table: str, columns: list[str]) -> dict[str, str]:
    """Return contract column -> column of the file whose name says that it is this; a column stands for one at most."""
    plain = {_plain(column): column for column in reversed(columns)}
    bare = {_plain(_without_unit(column)[0]): column for column in reversed(columns)}
    found: dict[str, str] = {}
    for name, others in SYNONYMS[table].items():
        for other in (_plain(text) for text in [name, *others.split()]):
            column = plain.get(other) or bare.get(other)
            if column is not None and column not in found.values():
                found[name] = column
                break
    return found


def unit_of(column: str) -> str | None:
    """Return the unit that a column's name ends in: ms of `play_ms`."""
    return _without_unit(column)[1]


def _without_unit(column: str) -> tuple[str, str | None]:
    words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower())
    return ("_".join(words[:-1]), _UNITS[words[-1]]) if len(words) > 1 and words[-1] in _UNITS else (column, None)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
