"""What the oracle stage writes for others: `oracle.json`, and `NAME.json` of every model."""

from typing import Literal

from tasks.core.document import Document
from tasks.evaluate.document import ExposedMetrics

SUMMARY = "oracle.json"
Truth = Literal["truth", "truth_expected"]
"""Against what was watched; against expected seconds, without the noise that nobody can predict."""
TrueMetrics = dict[Truth, ExposedMetrics]
"""`NAME.json`."""


class OracleResult(Document):
    """`oracle.json`: what was measured."""

    known: bool
    """Whether the source knows the truth."""
    rows: int
    """Uniformly exposed impressions."""
    models: tuple[str, ...]
    """Models measured."""
