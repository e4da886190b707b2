"""What stages are run by writes the lock file as DVC does."""

import io

from dvc.utils.serialize import _yaml

AWKWARD = [
    *("on", "no", "~", "", "1e5", "1.0", "2026-01-15", "a: b", "- x", "#c", " before", "new\nline", "ünïcode", "😀", "'q'", "x " * 90),
    *(1e-5, 0.1 + 0.2, 1e300, float("inf"), -0.0, 10**20, None, True, [], {}, {"on": {"null": 1}}),
]  # fmt: skip


def test_the_lock_is_written_alike_whether_comments_were_looked_for_or_not() -> None:
    lock = {"schema": "2.0", "stages": {"a": {"cmd": "python x: y #z", "params": {"params.yaml": {"values": AWKWARD}}}}}
    text = _yaml.dumps_yaml(lock)

    def again(data: object) -> str:
        stream = io.StringIO()
        _yaml._dump(data, stream)
        return stream.getvalue()

    assert again(_yaml.parse_yaml(text, "dvc.lock")) == again(_yaml.parse_yaml_for_update(text, "dvc.lock")) == text
