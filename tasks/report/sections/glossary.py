"""What the metrics mean, for a reader who meets them for the first time."""

from tasks.evaluate.catalogue import METRICS
from tasks.report.view import Cell, PageTable, Section, TableHead, TableRow, Text


def glossary() -> Section:
    """Return the section."""
    rows = tuple(TableRow((Cell(metric.label), Cell(metric.meaning))) for metric in METRICS.values() if metric.meaning)
    text = (
        "Three prediction columns: pair and list metrics read the ranking score, MAE the predicted median, RMSE and every "
        "calibration error the predicted mean. Intervals hold the sampling of users, not the variance between fits."
    )
    return Section(
        "glossary", "Words", (Text(text), PageTable("Metrics", (TableHead("Metric"), TableHead("Meaning")), rows))
    )
