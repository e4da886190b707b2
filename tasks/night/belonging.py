"""Which night an output belongs to: stated in it once its stage has ended, and asked before another stage reads it.

DVC reruns what a new key touches, but a stage run by hand, or the stages after a night that was killed, would read what
an earlier night left. Outputs that no day enters (code, champion) are held against the key by their content.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.config import Params
from tasks.core.errors import NightError
from tasks.core.files import NIGHT_FILE, read_json, remove, write_json
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.core.settings import Block
from tasks.core.yaml_file import read_yaml
from tasks.registry.checkout import CHAMPION_FILE
from tasks.registry.ledger import NO_CHAMPION

_MODEL = "${item.recipe}"
"""What stands in dvc.yaml for the name of a recipe or ensemble."""
_OF_NO_DAY = ("artifacts/code", "artifacts/champion")


class Belongs(Block):
    """`night.json`: what decides which days' rows an output was made of. Nothing else, so that DVC can skip what it could."""

    as_of: dt.date
    source: str
    fit_days: int
    lookback_days: int
    gaps: tuple[dt.date, ...] = ()
    """days accepted to be without rows"""

    @classmethod
    def of(cls, params: Params, key: RunKey) -> "Belongs":
        """Return what outputs of a night state."""
        window = params.window
        gaps = tuple(day for day, _ in window.days(key.as_of).gaps)
        return cls(
            as_of=key.as_of, source=key.source, fit_days=window.fit_days, lookback_days=window.lookback_days, gaps=gaps
        )

    def __str__(self) -> str:
        gaps = f", without {', '.join(map(str, self.gaps))}" if self.gaps else ""
        return f"night {self.as_of} of {self.source} ({self.fit_days} fit days, {self.lookback_days} of lookback{gaps})"


@contextmanager
def belonging(workspace: Workspace, params: Params, key: RunKey, stage: str, model: str | None) -> Iterator[None]:
    """Run a stage inside: its inputs are checked before, its outputs belong to no night meanwhile, and to this one after.

    Raises:
        NightError: if an input belongs to another night, or was left unfinished; nothing is touched then.
    """
    graph = _Graph(workspace.root)
    _refuse_others(workspace, graph, params, key, graph.declared(stage, "deps", model), f"stage {stage}")
    outputs = graph.declared(stage, "outs", model)
    for folder in graph.inside(outputs):
        remove(folder / NIGHT_FILE)
    yield
    for folder in graph.inside(outputs):
        write_json(folder / NIGHT_FILE, Belongs.of(params, key).model_dump(mode="json"))


def refuse_others(workspace: Workspace, params: Params, key: RunKey, paths: Iterable[str], reader: str) -> None:
    """Refuse to read outputs of another night.

    Args:
        workspace: where they lie.
        params: its configuration.
        key: the night they must belong to.
        paths: files and folders below the workspace, as dvc.yaml names dependencies; those that are no outputs are let be.
        reader: what wants to read them, for the message.

    Raises:
        NightError: one line per output that belongs to another night or to none.
    """
    _refuse_others(workspace, _Graph(workspace.root), params, key, list(paths), reader)


def foreign(workspace: Workspace, params: Params, key: RunKey) -> list[str]:
    """Return a line for every output that stands and belongs to another night than a key's, or to none."""
    wanted = Belongs.of(params, key)
    found = (_problem(folder, workspace, wanted) for folder in _Graph(workspace.root).outputs())
    return [problem for problem in found if problem]


def disown(workspace: Workspace) -> None:
    """Let no output belong to a night any more: what they were made of is not what the same key means now."""
    for folder in _Graph(workspace.root).outputs():
        remove(folder / NIGHT_FILE)


def _refuse_others(
    workspace: Workspace, graph: "_Graph", params: Params, key: RunKey, paths: Sequence[str], reader: str
) -> None:
    wanted = Belongs.of(params, key)
    problems = [problem for folder in graph.inside(paths) if (problem := _problem(folder, workspace, wanted))]
    if any(PurePosixPath(path).is_relative_to("artifacts/champion") for path in paths):
        problems += _another_champion(workspace, key)
    if problems:
        again = f"run the stages before it (`dwell nightly --as-of {key.as_of} --source {key.source}` runs all)"
        raise NightError("\n".join(f"{reader}: {problem}: {again}" for problem in problems))


def _problem(folder: Path, workspace: Workspace, wanted: Belongs) -> str | None:
    name = folder.relative_to(workspace.root).as_posix()
    try:
        found = Belongs.model_validate(read_json(folder / NIGHT_FILE))
    except FileNotFoundError:
        return f"{name} was left unfinished, or made from other data, and run.yaml asks for {wanted}"
    except ValueError:
        return f"{name}/{NIGHT_FILE} cannot be read, and run.yaml asks for {wanted}"
    return None if found == wanted else f"{name} belongs to {found}, run.yaml asks for {wanted}"


def _another_champion(workspace: Workspace, key: RunKey) -> list[str]:
    path = workspace.champion / CHAMPION_FILE
    if not path.is_file():
        return []
    found = read_json(path)
    champion = None if key.champion == NO_CHAMPION else key.champion
    pinned = {"champion": champion, "evidence": list(key.evidence), "ledger": key.ledger}
    return [
        f"artifacts/champion holds {what} {found.get(what) or NO_CHAMPION}, run.yaml names {value or NO_CHAMPION}"
        for what, value in pinned.items()
        if found.get(what, NO_CHAMPION) != value
    ]


class _Graph:
    """The inputs and outputs that dvc.yaml declares, below data/ and artifacts/."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stages: dict[str, Any] = read_yaml(root / "dvc.yaml").value["stages"]

    def declared(self, stage: str, what: str, model: str | None) -> list[str]:
        """Return the "deps" or "outs" of a stage."""
        names = (name if isinstance(name, str) else next(iter(name)) for name in self._stages[stage].get(what, ()))
        return [name.replace(_MODEL, model or _MODEL) for name in names]

    def inside(self, paths: Iterable[str]) -> list[Path]:
        """Return the output folders that stand and that lie in, or hold, one of some paths."""
        asked = [PurePosixPath(path) for path in paths]
        return [
            folder
            for folder in self.outputs()
            for own in [folder.relative_to(self._root)]
            if any(own.is_relative_to(path) or path.is_relative_to(own) for path in asked)
        ]

    def outputs(self) -> list[Path]:
        """Return every output folder that stands and that days enter."""
        patterns = {name.replace(_MODEL, "*") for stage in self._stages for name in self.declared(stage, "outs", None)}
        folders = {folder for pattern in patterns.difference(_OF_NO_DAY) for folder in self._root.glob(pattern)}
        return sorted(folder for folder in folders if folder.is_dir() and not folder.name.startswith("."))
