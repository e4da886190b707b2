"""What is wrong with an installation: environment, services, workspace and registry; what is safe is mended if asked."""

from tasks.doctor.diagnose import diagnose
from tasks.doctor.finding import Finding

__all__ = ["Finding", "diagnose"]
