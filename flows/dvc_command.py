"""`python -m flows.dvc_command ...`: DVC's command line. (Prefect puts this folder on the path: no file may be called dvc.py.)"""

import sys

from tasks.core.fork_server import call

LIBRARIES = (
    "dvc.cli.parser",
    "dvc.repo",
    "dvc.repo.datasets",
    "dvc.repo.plots",
    "dvc.repo.stage",
    "dvc.data_cloud",
    "dvc.lock",
    "dvc.scm",
    "dvc.stage.run",
    "dvc_data.index",
    "dvc_http",
    "ruamel.yaml",
    "psutil",
    "orjson",
)

if __name__ == "__main__":
    sys.exit(call("dvc.cli:main", sys.argv[1:], LIBRARIES))
