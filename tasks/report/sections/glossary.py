"""What the metrics mean, for a reader who meets them for the first time."""

from tasks.report.formatting import MEASURES
from tasks.report.view import Cell, Head, Row, Section, Table, Text


def glossary() -> Section:
    """Return the section."""
    rows = tuple(Row((Cell(how.label), Cell(how.meaning))) for name, how in MEASURES.items() if name != "rmse_ratio")
    text = (
        "Three prediction columns: pair and list metrics read the ranking score, MAE the predicted median, RMSE and every "
        "calibration error the predicted mean. Intervals hold the sampling of users, not the variance between fits."
    )
    return Section("glossary", "Words", (Text(text), Table("Metrics", (Head("Metric"), Head("Meaning")), rows)))
