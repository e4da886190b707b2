"""Build the site of the documentation; `make docs` calls it. The tour runs first, unless a notebook of it is given."""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from manual.build import build, run_tour
from manual.places import OUT
from tasks.core.errors import DwellError, print_error


def main() -> int:
    """Build what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m manual", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=OUT, help="folder to write, default %(default)s")
    parser.add_argument("--night", type=Path, help="archive of a night whose report is shown among the pictures")
    parser.add_argument("--tour", type=Path, help="notebook of the tour as it ran; default: it runs now")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        with tempfile.TemporaryDirectory() as folder:
            tour = options.tour or run_tour(Path(folder) / "tour.ipynb")
            print(f"written: {build(options.out, tour, options.night)}")
    except DwellError as error:
        return print_error(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
