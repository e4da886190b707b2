"""Every stage of the data on workers that share no disk with it: a bucket between them, and the bytes of one process."""

import datetime as dt
from pathlib import Path

import pytest

from tasks.core.cluster import HERE, ClusterAddress, ClusterConfig
from tasks.core.days import Days
from tasks.core.errors import MachineError
from tasks.core.files import hash_tree
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig
from tasks.ingest import ingest
from tasks.simulate.config import SimulatorConfig
from tasks.table.build import build_table
from tasks.table.candidate_log import CandidateLog
from tasks.table.config import TableConfig
from tasks.validate.config import ValidationConfig
from tasks.validate.stage import validate
from tests.far_workers import far_workers, hidden_while_workers_run
from tests.table.small_night import FEATURES

pytestmark = pytest.mark.slow

SMALL = SimulatorConfig(
    users=50, videos=40, new_users_per_day=5, new_videos_per_day=4, impressions_per_day=300, log_candidates=True
)
DAYS = Days.of_night(SMALL.start_day + dt.timedelta(days=4), 2, 1)
FEATURE_CONFIG = FeatureConfig(groups=FEATURES.groups, history_length=5)
VALIDATION = ValidationConfig.model_validate({"tables": {"min_rows": 1}})


def data_stages(root: Path, cluster: ClusterConfig) -> Path:
    """Run ingest, validation, features and the table below a folder."""
    root.mkdir(exist_ok=True)
    ingest(SMALL, DAYS, root / "raw", cluster)
    validate(root / "raw", VALIDATION, DAYS, root / "validated", cluster)
    build_features(root / "validated", FEATURE_CONFIG, DAYS, root / "features", cluster)
    table = TableConfig(unobserved_per_impression=0.3)
    log = CandidateLog.of(root / "raw")
    build_table(root / "features", table, DAYS, root / "table", candidates=log, cluster=cluster)
    return root


def test_workers_without_the_disk_of_the_stage_give_the_same_bytes(bucket: str, tmp_path: Path) -> None:
    here = data_stages(tmp_path / "here", HERE)
    there = tmp_path / "there"
    with far_workers(tmp_path / "far") as address:
        far = ClusterAddress(address=address, storage=bucket)
        with hidden_while_workers_run(there) as times:
            data_stages(there, far)
            assert len(times) == 10, "one for ingest, two for validation, three for features, four for the table"
            again = build_features(there / "validated", FEATURE_CONFIG, DAYS, there / "features", far)
            assert again.built == 0, "what stands is looked up there, and not made"
        assert hash_tree(there) == hash_tree(here)
        with (
            hidden_while_workers_run(tmp_path / "here"),
            pytest.raises(MachineError, match=r"does not see .* name a store that it reaches in cluster\.storage"),
        ):
            build_table(
                tmp_path / "here/features",
                TableConfig(),
                DAYS,
                tmp_path / "here/again",
                cluster=ClusterAddress(address=address),
            )
