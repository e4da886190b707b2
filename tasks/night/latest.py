"""The last night of a source that could have run by now."""

import datetime as dt

from tasks.config import Params
from tasks.core.errors import ConfigError, SourceError
from tasks.ingest import default_as_of


def latest_night(params: Params, source: str) -> dt.date | None:
    """Return it; None where the source or its data are gone: what was decided stands in the ledger."""
    try:
        return default_as_of(params.named_source(source))
    except (ConfigError, SourceError):
        return None
