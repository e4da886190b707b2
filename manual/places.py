"""Where the manual reads and writes."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
OUT = REPOSITORY / ".dwell" / "manual"
