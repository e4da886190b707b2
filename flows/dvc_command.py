"""`python -m flows.dvc_command ...`: DVC's command line. (Prefect puts this folder on the path: no file may be called dvc.py.)"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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

LOCK = "dvc.lock"


def main(arguments: Sequence[str]) -> int:
    """Run DVC's command line.

    After every stage DVC reads all of dvc.lock with a parser that keeps comments, of which there are none in it: the fast one
    gives the same file.
    """
    from dvc.cli import main as dvc
    from dvc.utils.serialize import _yaml

    with_comments = _yaml.parse_yaml_for_update

    def parse(text: str, path: str) -> Any:
        return (_yaml.parse_yaml if Path(path).name == LOCK else with_comments)(text, path)

    _yaml.parse_yaml_for_update = parse
    return int(dvc(list(arguments)))


if __name__ == "__main__":
    sys.exit(call("flows.dvc_command:main", sys.argv[1:], LIBRARIES))
