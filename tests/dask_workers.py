"""Two Dask workers that see the disk of the tests: to start them takes longer than most of what they are asked."""

from collections.abc import Iterator

import distributed
import pytest

from tasks.core.cluster import ClusterAddress


@pytest.fixture(scope="session")
def workers() -> Iterator[ClusterAddress]:
    """The cluster that they belong to. Those that a stage starts for itself are tested in tests/core, and with the features stage."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as running:
        yield ClusterAddress(address=running.scheduler_address)
