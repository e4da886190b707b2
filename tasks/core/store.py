"""Files by the hash of their content, at a URL that fsspec knows: what workers and the stage have between them."""

import contextlib
import errno
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.core.errors import DwellError, MachineError, StorageError
from tasks.core.files import hash_file
from tasks.core.system_errors import remedy_of

URL = r"^[a-z0-9+]+://\S(.*\S)?$"
"""What an address looks like."""
FRESH_S = 24 * 3600.0
"""Age beyond which a file that is put again is written anew, so that a rule that deletes what is old does not meet what is in use."""
_PATHS = frozenset({"file", "local"})
_FOLDERS = _PATHS | {"sftp", "ssh", "ftp", "smb", "hdfs", "arrow_hdfs", "webhdfs", "webdav"}
"""Schemes with folders to make and names that files may have before they are whole; others are buckets, which have neither."""
_NEVER = frozenset(
    {"memory", "inproc", "data", "dask", "jupyter", "jlab", "pyscript", "asynclocal"}  # of one process
    | {"http", "https", "git", "github", "gist", "hf", "dvc", "root", "wandb"}  # only read
    | {"dir", "zip", "tar", "libarchive", "reference", "generic", "async_wrapper", "asyncwrapper"}  # lie around another
    | {"cached", "blockcache", "filecache", "simplecache"}
)
"""Schemes that no several machines can write."""
_DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENAMETOOLONG}
)
"""Errors that no store reports of itself when something is fetched from it."""


def names_credentials(url: object) -> bool:
    """Whether an address holds a user, as `user@` or `user:password@`; an @ in a path of files is none."""
    return isinstance(url, str) and "@" in url and url.partition("://")[0] not in _PATHS


def why_no_store(url: str) -> str | None:
    """Return why an address can never be a store between machines, and what could be one; None: it may be one."""
    scheme, _, rest = url.partition("://")
    if scheme in _NEVER:
        return f"{scheme}:// cannot hold what several machines write: name a bucket (s3://bucket/prefix) or a folder (file:///folder)"
    if not rest.strip("/"):
        return "it names no bucket or folder: s3://bucket/prefix, file:///folder"
    if scheme in _PATHS and not rest.startswith("/"):
        return f"its path does not begin at the root: {scheme}:///folder"
    return None


class Store:
    """Files by the hash of their content. A file is seen under its hash only when it is whole, whoever else puts it or dies.

    Args:
        url: folder, for example s3://bucket/prefix. Who may is known from the environment.

    Raises:
        MachineError: if it cannot be opened.
    """

    def __init__(self, url: str) -> None:
        if names_credentials(url):
            raise MachineError("cluster.storage holds credentials, which come from the environment: take them out")
        if why := why_no_store(url):
            raise MachineError(f"cluster.storage {url}: {why}")
        self.url = url
        scheme = url.partition("://")[0]
        self._has_folders, self._has_made_folder = scheme in _FOLDERS, False
        self._hashes: dict[tuple[Path, int, int, int], str] = {}
        self._there: set[str] = set()
        try:
            from fsspec.core import url_to_fs  # seconds, and only those who have a store need it

            self._files, self._folder = url_to_fs(url, use_listings_cache=False)
        except Exception as error:  # each file system has errors of its own
            hint = "; pip install 'dwell[s3]'" if scheme in ("s3", "s3a") and isinstance(error, ImportError) else ""
            raise MachineError(f"cluster.storage {url} cannot be opened: {_first_line(error)}{hint}") from error

    def put(self, path: Path) -> str:
        """Put a file there, unless it is, in the same size and not long ago; return its hash.

        Raises:
            MachineError: if the store refuses it.
        """
        about = path.stat()
        known = (path, about.st_ino, about.st_size, about.st_mtime_ns)
        if known not in self._hashes:
            self._hashes[known] = hash_file(path)
        digest = self._hashes[known]
        if digest not in self._there:
            with self._asking(f"put {path} there"):
                size, written_s = self._about(digest)
                if size != about.st_size or (written_s is not None and time.time() - written_s > FRESH_S):
                    self._write(path, digest, about.st_size)
            self._there.add(digest)
        return digest

    def get(self, digest: str, target: Path) -> None:
        """Fetch a file.

        Raises:
            MachineError: if it is not there, or is another.
            StorageError: if it cannot be written here.
        """
        with self._asking(f"fetch {digest}", target):
            self._files.get_file(self._named(digest), str(target))
        if (found := hash_file(target)) != digest:
            raise MachineError(
                f"cluster.storage {self.url} holds {found}, {target.stat().st_size:,} bytes, as {digest}: run again, which puts anew what "
                "has another size; if it is said again, remove that file there while no stage runs"
            )

    def _about(self, digest: str) -> tuple[int | None, float | None]:
        """Return size and time (seconds since 1970, where the store tells it) of a file there; None: there is none."""
        try:
            about = self._files.info(self._named(digest))
        except FileNotFoundError:
            return None, None
        return about.get("size"), _written_s(about)

    def _write(self, path: Path, digest: str, size: int) -> None:
        name = self._named(digest)
        if not self._has_folders:  # a bucket shows an object when it is whole, and none is ever made here
            try:
                self._files.put_file(str(path), name)
            except FileNotFoundError as error:
                if not path.exists():
                    raise
                bucket = str(self._folder).partition("/")[0]
                raise MachineError(
                    f"cluster.storage {self.url}: there is no bucket {bucket}: mend its name, or make the bucket"
                ) from error
            return
        if not self._has_made_folder:
            self._files.makedirs(self._folder, exist_ok=True)
            self._has_made_folder = True
        unfinished = f"{name}.{uuid.uuid4().hex}.tmp"
        try:
            self._files.put_file(str(path), unfinished)
            self._files.mv(unfinished, name)
        except Exception:
            with contextlib.suppress(Exception):
                self._files.rm_file(unfinished)
            if self._about(digest)[0] != size:  # else another one has put it, and this system renames onto no file
                raise

    def _named(self, digest: str) -> str:
        return f"{self._folder}/{digest}"

    @contextmanager
    def _asking(self, what: str, target: Path | None = None) -> Iterator[None]:
        """Say in words what the store refused, or what the disk did that something is fetched to."""
        try:
            yield
        except DwellError:
            raise
        except Exception as error:  # each store has errors of its own
            reason = remedy_of(error)
            if reason and target and isinstance(error, OSError) and _is_of_disk(error, target):
                raise StorageError(f"could not write {target}: {reason}") from error
            said = f"cluster.storage {self.url}: could not {what}: {_first_line(error)}"
            if isinstance(error, FileNotFoundError) and target:
                raise MachineError(
                    f"{said}: it is gone from there, deleted while the stage ran or by a rule for files younger than a night: run again"
                ) from error
            if reason and self._has_folders:
                raise MachineError(f"{said}: {reason}") from error
            raise MachineError(f"{said}: are address, rights and credentials those of the environment?") from error


def _is_of_disk(error: OSError, target: Path) -> bool:
    return error.errno in _DISK or str(target) in (error.filename, error.filename2)


def _written_s(about: dict[str, Any]) -> float | None:
    """Return when a file was written, as file systems of fsspec say it; None: this one does not."""
    said = next((about[name] for name in ("LastModified", "mtime", "last_modified", "updated") if name in about), None)
    if isinstance(said, datetime):
        return said.timestamp()
    return float(said) if isinstance(said, (int, float)) else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
