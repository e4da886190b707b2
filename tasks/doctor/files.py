"""The files that tools read and people merge: params.yaml, dvc.yaml, run.yaml, dvc.lock and DVC's own locks."""

from collections.abc import Iterator

from tasks.config import load_params
from tasks.core.layout import Workspace
from tasks.core.run_key import load_run_key
from tasks.core.yaml_file import read_yaml
from tasks.doctor.finding import Finding
from tasks.night.dvc_files import RWLOCK, damaged_lock, is_cut_short, put_aside, unreadable


def files(workspace: Workspace) -> Iterator[Finding]:
    """Yield what is wrong with the files in the root of a workspace."""
    for path, remedy in ((workspace.root / "dvc.yaml", "`git checkout dvc.yaml`"), (workspace.params, "mend it")):
        problem = unreadable(path, load_params if path == workspace.params else read_yaml)
        if problem:
            yield Finding(problem, remedy)
    if workspace.run_key.exists() and (problem := unreadable(workspace.run_key, load_run_key)):
        yield Finding(problem, "`dwell prepare` writes it anew", lambda: put_aside(workspace, workspace.run_key))
    lock = workspace.root / "dvc.lock"
    if problem := damaged_lock(lock):
        remedy = "put it aside; the next night finds its stages in the run cache or runs them"
        yield Finding(problem, remedy, lambda: put_aside(workspace, lock))
    internal = workspace.root / RWLOCK
    if is_cut_short(internal):
        yield Finding(f"{internal} was cut short by a kill", "remove it", lambda: put_aside(workspace, internal))
