"""Vectors of sparse users on the days at hand of KuaiRand-Pure: half of the judge rows are of users with at most five fit rows."""

from pathlib import Path

from benchmarks.parts.part import Options, Table
from benchmarks.parts.protocol import protocol_of
from benchmarks.representation.distillation import measured_days

FILE = Path(__file__).resolve().parent / "distillation_kuairand.yaml"
_QUICK = {"training": {"max_epochs": 1}}


def run(options: Options) -> list[Table]:
    """Read the days of protocol R0 and measure every arm."""
    about = (
        "Days and fields of protocol R0, features of the judge days frozen. Videos have no content here, so DirectAU teaches, on valid plays, of which a user "
        "has hardly more than two. A network of deepfm learns every arm with the same seeds."
    )
    protocol = protocol_of(FILE, options, _QUICK)
    return measured_days(protocol, options, "directau", about, options.data / "KuaiRand-Pure")
