"""What made a result, besides its inputs: code and the libraries whose version can change bytes."""

from functools import cache
from importlib.metadata import version

from tasks.core.manifest import code_hash

_LIBRARIES = ("duckdb", "great-expectations", "polars", "pyarrow")


@cache
def versions() -> dict[str, str]:
    """Return the hash of this stage's code and the versions of the libraries it computes and writes with."""
    return {"validate": code_hash("validate", "core/partition_cache"), **{name: version(name) for name in _LIBRARIES}}
