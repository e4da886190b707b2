"""`run.yaml`, the key of one night: which day, which source, which champion it has to beat."""

from pathlib import Path

from tasks.core.arithmetic import DEFAULT, Arithmetic
from tasks.core.errors import ConfigError
from tasks.core.names import Name
from tasks.core.settings import Block, Day
from tasks.core.yaml_config import parse
from tasks.core.yaml_file import read_yaml


class RunKey(Block):
    """`run.yaml`: what makes this night this night."""

    as_of: Day
    """night T"""
    source: Name
    """name of the source in params.yaml"""
    data: str
    """path the source is read from; the simulator's own code where there is no data"""
    arithmetic: Arithmetic = DEFAULT
    """which instructions of the CPU models are computed with"""
    champion: str = "none"
    """registry entry that the challengers have to beat; 'none' on the first night"""
    evidence: tuple[str, ...] = ()
    """registry ids of earlier judge tables that guardrails may pool"""
    ledger: str = "none"
    """name of the ledger's events that the night may read: the evidence over a reign's nights"""


def load_run_key(path: Path) -> RunKey:
    """Read and check `run.yaml`.

    Raises:
        ConfigError: if it is missing or wrong, in one line.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist: `dwell prepare` writes it (and `dwell nightly` does so by itself)")
    try:
        file = read_yaml(path)
        return parse(RunKey, file.value, file.place)
    except ConfigError as error:
        raise ConfigError(
            f"{' '.join(str(error).split())}: `dwell prepare` writes it anew, `dwell doctor` tells more"
        ) from error
