import pytest

from tasks.core.errors import ConfigError
from tasks.core.names import LONGEST, checked_name


@pytest.mark.parametrize("name", ["d2q", "D2Q_ips-2", "2nd", "a" * LONGEST])
def test_letters_digits_underscores_and_hyphens_make_a_name(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "a.b", "a b", "../a", "a/b", "-a", "_a", "é", "a\n", "a" * (LONGEST + 1)])
def test_what_could_not_be_a_folder_and_a_stage_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="use up to 64 letters, digits"):
        checked_name(name)


@pytest.mark.parametrize("name", ["champion", "baselines", "gate"])
def test_names_of_dwells_own_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"name '{name}' is taken by dwell itself"):
        checked_name(name)
