from pathlib import Path

import pytest

from tasks.core.remembered import once


def test_a_check_that_passed_is_not_made_again_with_the_same_key(tmp_path: Path) -> None:
    made: list[str] = []
    for key in ("a", "a", "b", "a"):
        once(tmp_path / "checked", key, lambda key=key: made.append(key))
    assert made == ["a", "b", "a"]


def test_a_check_that_failed_is_made_again(tmp_path: Path) -> None:
    def fail() -> None:
        raise ValueError("wrong")

    for _ in range(2):
        with pytest.raises(ValueError, match="wrong"):
            once(tmp_path / "checked", "a", fail)


def test_where_nothing_can_be_written_the_check_is_made_every_time(tmp_path: Path) -> None:
    made: list[int] = []
    (tmp_path / "file").write_text("")
    for number in range(2):
        once(tmp_path / "file" / "checked", "a", lambda number=number: made.append(number))
    assert made == [0, 1]
