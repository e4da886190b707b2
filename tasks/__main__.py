"""`python -m tasks STAGE`."""

import sys
from pathlib import Path

from tasks.core import arithmetic

if __name__ == "__main__":
    arithmetic.pin_for_night(Path.cwd())
    from tasks.main import main  # loads numpy

    sys.exit(main())
