"""`python -m flows.dvc ...`: DVC's command line."""

import sys

from tasks.core.fork_server import call

LIBRARIES = (
    "dvc.cli.parser",
    "dvc.repo",
    "dvc.stage.run",
    "dvc_data.index",
    "dvc_http",
    "ruamel.yaml",
    "psutil",
    "orjson",
)

if __name__ == "__main__":
    sys.exit(call("dvc.cli:main", sys.argv[1:], LIBRARIES))
