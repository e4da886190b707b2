"""A dvc.lock that a kill damaged is put aside before a night; a whole one, and one in a merge, are let be."""

from pathlib import Path

import pytest

from tasks.core.layout import Workspace
from tasks.night.dvc_files import set_aside_damage

WHOLE = "schema: '2.0'\nstages:\n  ingest:\n    cmd: python -m tasks ingest\n    outs:\n    - path: data/raw\n      md5: 1f.dir\n"
MERGE = f"<<<<<<< ours\n{WHOLE}=======\n{WHOLE}>>>>>>> theirs\n"


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        (WHOLE[: WHOLE.index("      md5")].encode(), "stage ingest was cut short"),
        (WHOLE[: WHOLE.index("stages")].encode(), "holds no stages"),
        (b"", "must hold a mapping of keys, got nothing"),
        (b"\x80\x81" + WHOLE.encode(), "not UTF-8"),
    ],
)
def test_what_a_kill_damaged_is_put_aside_and_kept(tmp_path: Path, damaged: bytes, problem: str) -> None:
    (tmp_path / "dvc.lock").write_bytes(damaged)
    said = set_aside_damage(Workspace(tmp_path))
    assert said is not None
    assert problem in said
    assert "by a kill: moved dvc.lock to .dwell/damaged/dvc.lock." in said
    assert not (tmp_path / "dvc.lock").exists()
    assert [path.read_bytes() for path in (tmp_path / ".dwell/damaged").iterdir()] == [damaged]
    assert set_aside_damage(Workspace(tmp_path)) is None


@pytest.mark.parametrize("text", [WHOLE, MERGE])
def test_a_whole_lock_and_one_in_a_merge_are_let_be(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.lock").write_text(text)
    assert set_aside_damage(Workspace(tmp_path)) is None
    assert (tmp_path / "dvc.lock").read_text() == text
