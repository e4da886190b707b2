"""Let the machine refuse something in the middle of a stage: one error line with the remedy, and a rerun that heals."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults import world
from benchmarks.faults.inject import KINDS
from benchmarks.faults.kills import Case, failures, state
from benchmarks.faults.world import STAGES
from tasks.core.files import remove

_WHERE = {
    "EIO when a file is put in place": ("ingest", "validate", "features", "table"),
    "EACCES when a folder is made": ("ingest", "table", "gate"),
    "EROFS when a folder is made": ("features", "score", "report"),
    "EDQUOT when a file is put in place": ("ingest", "oracle"),
    "no memory": ("ingest", "table"),
    "files of 2 KB at most": ("ingest", "validate", "features", "table", "train --recipe d2q", "evaluate --recipe d2q"),
    "6 open files at most": ("features", "validate"),
}
"""Kind of refusal -> stages that meet it."""
_FULL = {"data": ("ingest", "validate", "features", "table"), "artifacts": ("train --recipe d2q", "baselines", "score")}
"""Folder on a file system of its own that is full -> stages that write there."""


def injected(root: Path, expected: dict[str, str]) -> Iterator[Case]:
    """Inject every kind of refusal."""
    script = str(Path(__file__).with_name("inject.py"))
    for kind, stages in _WHERE.items():
        assert kind in KINDS
        for stage in stages:
            remove(root / STAGES[stage])
            yield _refused(root, expected, stage, kind, (script, kind, *stage.split()))


def full_disks(root: Path, expected: dict[str, str]) -> Iterator[Case]:
    """Fill a real file system; where none may be mounted there is no case."""
    for folder, stages in _FULL.items():
        with _small_disk(root / folder) as filler:
            for stage in stages if filler else ():
                remove(root / STAGES[stage])
                _fill(filler)  # type: ignore[arg-type]
                yield _refused(
                    root, expected, stage, f"{folder}/ on a full disk", ("-m", "tasks", *stage.split()), filler
                )


def _refused(
    root: Path, expected: dict[str, str], stage: str, kind: str, command: tuple[str, ...], filler: Path | None = None
) -> Case:
    done = world.finish(root, *command)
    problems = [] if done.status in (1, 2) else [f"it ended with {done.status}"]
    if not done.error_lines or "Traceback" in done.output:
        problems.append(f"no error line: {done.output[-400:]}")
    elif not any(": " in line.removeprefix("error: ") for line in done.error_lines):
        problems.append(f"no remedy: {done.error_lines}")
    if filler is not None:
        filler.unlink()
    problems += failures(world.finish(root, "-m", "tasks", *stage.split()))
    said = (done.error_lines or ["-"])[0].replace(f"{root}/", "")
    return Case(f"stage {stage}", f"{kind}: `{said[:160]}`", problems + state(root, expected))


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """Let a folder lie on a file system of its own; yield the file that is going to fill it, None where none can be mounted."""
    kept = folder.with_name(f"{folder.name}.kept")
    folder.rename(kept)
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False).returncode == 0
    try:
        if mounted:
            shutil.copytree(kept, folder, dirs_exist_ok=True)
        yield folder / "filler" if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        kept.rename(folder)


def _fill(filler: Path, spare: int = 20_000) -> None:
    free = shutil.disk_usage(filler.parent).free
    with filler.open("wb") as stream:
        stream.write(b"\0" * max(0, free - spare))
