"""Pages of all nights, for a browser and without a server: trends, a calendar with its holes, every report, every failure."""

from tasks.site.build import build_site

__all__ = ["build_site"]
