"""What the log of a stage says of its Dask cluster, shown as artifacts while the stage runs: where its dashboard is, and how far it is."""

from collections.abc import Callable
from dataclasses import dataclass, field

from prefect.artifacts import create_link_artifact, create_progress_artifact

from flows.artifacts import show
from tasks.core.cluster import DASHBOARD, PROGRESS


@dataclass
class ClusterLog:
    """Hands every line of a stage's log on, and shows what it says of a cluster.

    Attributes:
        stage: its name.
        key: begins the keys of the artifacts.
        log: what lines are handed to.
        dashboard: where the dashboard of its cluster is, once that is said.
    """

    stage: str
    key: str
    log: Callable[[str], object]
    dashboard: str | None = field(default=None, init=False)

    def __call__(self, line: str) -> None:
        """Take one line."""
        self.log(line)
        if found := DASHBOARD.search(line):
            self.dashboard = found[1]
            show(create_link_artifact, f"{self.key}-dask", link=found[1], description=f"{self.stage}: Dask dashboard")
        if found := PROGRESS.search(line):
            done, tasks = int(found[1]), int(found[2])
            said = f"{self.stage}: {done} of {tasks} tasks on the Dask cluster"
            show(create_progress_artifact, f"{self.key}-progress", progress=100 * done / tasks, description=said)
