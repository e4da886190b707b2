"""A file as Polars reads it: itself where it is plain UTF-8, else a copy, decompressed and recoded piece by piece."""

import bz2
import codecs
import contextlib
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from tasks.core.errors import SourceError, StorageError
from tasks.core.files import remove
from tasks.core.layout import Workspace
from tasks.core.temporaries import temporary

_CHUNK = 1 << 20


def _zstd(path: Path) -> IO[bytes]:
    import pyarrow  # takes half a second, which other files need not wait for

    return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd"))


COMPRESSIONS: Mapping[str, tuple[bytes, Callable[[Path], Any]]] = {
    "gz": (b"\x1f\x8b", gzip.GzipFile),
    "zst": (b"\x28\xb5\x2f\xfd", _zstd),
    "bz2": (b"BZh", bz2.BZ2File),
}
"""suffix -> the bytes such a file begins with, and what reads it; a file is told by its bytes, whatever it is called"""

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Plain:
    """The uncompressed UTF-8 text, or the uncompressed bytes, of a file."""

    def __init__(self, path: Path, encoding: str = "utf-8", marked: bool = True) -> None:
        """Look at the first bytes of a file.

        Args:
            path: where it lies.
            encoding: what it is written in, unless a byte-order mark says otherwise.
            marked: whether the reader of UTF-8 passes over a byte-order mark.

        Raises:
            SourceError: if it is missing or cannot be read.
        """
        self._original = path
        with explaining(path), path.open("rb") as stream:
            start = stream.read(4)
        self.compression = next((name for name, (mark, _) in COMPRESSIONS.items() if start.startswith(mark)), None)
        self.head = self._first_bytes()
        said = next((name for mark, name in _MARKS if self.head.startswith(mark)), None)
        declared = codecs.lookup(encoding).name
        self.encoding = said if said and declared in ("utf-8", "utf-8-sig", "utf-16") else declared
        self._recoded = self.encoding not in ("utf-8", "ascii") and (self.encoding != "utf-8-sig" or not marked)
        if self._recoded or self.compression:
            about = f"{path.absolute()}\0{self.encoding}".encode()
            self.path = temporary(Workspace().scratch, hashlib.sha256(about).hexdigest()[:16])
        else:
            self.path = path

    @contextlib.contextmanager
    def readable(self) -> Iterator[None]:
        """Hold `path` readable: where it is a copy, make it, and remove it afterwards.

        Raises:
            SourceError: if the file ends too early, is damaged, or is not in the encoding that is declared.
            StorageError: if there is no room for the copy.
        """
        if self.path == self._original or self.path.exists():
            yield
            return
        try:
            self._copy()
            yield
        finally:
            remove(self.path)

    def binary(self) -> IO[bytes]:
        """Open the uncompressed bytes."""
        stream: IO[bytes] = (
            self._original.open("rb") if self.compression is None else COMPRESSIONS[self.compression][1](self._original)
        )
        return stream

    def text(self) -> IO[str]:
        """Open the text; bytes that are not of the encoding are replaced by U+FFFD."""
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        return io.TextIOWrapper(self.binary(), encoding, errors="replace", newline="")

    def _first_bytes(self) -> bytes:
        with explaining(self._original), self.binary() as stream:
            return stream.read(1 << 16)

    def _copy(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.binary() as stream:
            try:
                out = self.path.open("wb")
            except OSError as error:
                raise _no_room(self._original, self.path, error) from error
            with out:
                for piece in self._pieces(stream):
                    try:
                        out.write(piece)
                    except OSError as error:
                        raise _no_room(self._original, self.path, error) from error

    def _pieces(self, stream: IO[bytes]) -> Iterator[bytes]:
        """Yield the bytes of the copy."""
        decoder = codecs.getincrementaldecoder(self.encoding)() if self._recoded else None
        line = 1
        while True:
            with explaining(self._original):
                chunk = stream.read(_CHUNK)
            if decoder is None:
                yield chunk
            else:
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    at = line + error.object[: error.start].decode(self.encoding, "replace").count("\n")
                    found = error.object[error.start : error.end]
                    raise SourceError(
                        f"{self._original}, line {at}: {found!r} is not {self.encoding}; set encoding to what the file is "
                        "written in, or mend the line"
                    ) from error
                line += text.count("\n")
                yield text.encode()
            if not chunk:
                return


@contextlib.contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what keeps a file from being opened or decompressed into what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist: check the path of the source, or download the data again") from error
    except IsADirectoryError as error:
        raise SourceError(f"{path} is a folder: name the files in it") from error
    except PermissionError as error:
        raise SourceError(f"{path} cannot be read: make it readable for this user") from error
    except EOFError as error:
        raise SourceError(f"{path} is cut off: its compressed data end too early; deliver the file again") from error
    except (OSError, ValueError, zlib.error) as error:
        cut = "truncated" in str(error).lower()
        what = (
            "is cut off: its compressed data end too early"
            if cut
            else f"is damaged: it cannot be decompressed ({error})"
        )
        raise SourceError(f"{path} {what}; deliver the file again") from error


def _no_room(path: Path, copy: Path, error: OSError) -> StorageError:
    return StorageError(f"no readable copy of {path} could be made at {copy} ({error.strerror}): free some space there")
