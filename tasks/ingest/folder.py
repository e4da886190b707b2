"""Find the files of a source below the path it is given."""

from pathlib import Path

from tasks.core.errors import SourceError


def data_folder(path: Path, pattern: str) -> Path:
    """Return the folder that holds files named `pattern`: `path`, its data/, or data/ one folder deeper.

    Raises:
        SourceError: if there is no such folder or no such file in it.
    """
    if not path.is_dir():
        raise SourceError(
            f"{path.absolute()} is no folder: set the source's path to where the data lies, or `dwell download` it"
        )
    for folder in (path, path / "data", *sorted(path.glob("*/data"))):
        if any(folder.glob(pattern)):
            return folder
    raise SourceError(
        f"{path.absolute()} holds no {pattern}, neither itself nor in data/: set the path to the unpacked archive, "
        "and the variant to the one it is"
    )
