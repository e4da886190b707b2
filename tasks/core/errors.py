"""The errors a person is meant to read: what is wrong, where, and what to do about it."""

import sys


class DwellError(ValueError):
    """Base of every error that dwell raises on purpose."""


class ConfigError(DwellError):
    """`params.yaml`, `run.yaml` or a command-line value is wrong."""


class SourceError(DwellError):
    """A source cannot be read, or does not hold what its layout promises."""


class ContractError(DwellError):
    """A table does not satisfy the contract (missing column, wrong type, refused feature source)."""


class ValidationFailed(DwellError):
    """A table rule stopped the run; the message lists every rule that failed."""


class NightError(DwellError):
    """What a stage would read belongs to another night, or another process is writing the workspace."""


class StorageError(DwellError):
    """A file could not be written (disk full, folder not writable). What stood there before is untouched."""


class MachineError(DwellError):
    """The machine failed, not the input: out of memory or handles, no worker left. Trying again may help."""


class LostError(MachineError):
    """Another of several processes that work together has ended, or does not answer. Trying again may help."""


class TrainingError(DwellError):
    """A fit cannot go on (a loss that is not finite), or a bundle cannot be read."""


class TuningError(DwellError):
    """A search for hyper-parameters cannot start, or found nothing."""


class RegistryError(DwellError):
    """The registry refuses an action, or one of its entries is damaged."""


USER_ERROR = 2
"""Exit status for bad input: the message says what to mend, and trying again cannot help."""


def print_error(error: DwellError) -> int:
    """Print an error as a person reads it, one `error:` line per problem; return the exit status."""
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)
    return 1 if isinstance(error, MachineError) else USER_ERROR
