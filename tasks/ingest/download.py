"""Fetch a public data set from its official archive: resumes, checks the checksum, unpacks nothing outside its folder.

The checksums are those that the publishers state: KuaiRand's README and its record https://zenodo.org/records/10439422,
KuaiRec's record https://zenodo.org/records/18164998.
"""

import gzip
import hashlib
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_IFMT, S_ISDIR, S_ISREG

import requests
import urllib3
from tqdm import tqdm

from tasks.core.errors import ConfigError, SourceError, StorageError
from tasks.core.files import remove, writing


@dataclass(frozen=True)
class Archive:
    """One official archive.

    Attributes:
        url: folder it lies in.
        file: its name.
        md5: as published.
        folder: what it is unpacked to.
    """

    url: str
    file: str
    md5: str
    folder: str


_KUAIRAND = "https://zenodo.org/records/10439422/files"
ARCHIVES: Mapping[str, Archive] = {
    "kuairand-pure": Archive(_KUAIRAND, "KuaiRand-Pure.tar.gz", "0820331067a3784d9691136f772b35a7", "KuaiRand-Pure"),
    "kuairand-1k": Archive(_KUAIRAND, "KuaiRand-1K.tar.gz", "6b0b9c8222d67fcd4c676218edca3f1f", "KuaiRand-1K"),
    "kuairand-27k": Archive(_KUAIRAND, "KuaiRand-27K.tar.gz", "3e3c799a24e2d23a4d2c757fbf9adf59", "KuaiRand-27K"),
    "kuairec": Archive(
        "https://zenodo.org/records/18164998/files", "KuaiRec.zip", "261550d472c48eff4990fb13c0e5bcf7", "KuaiRec"
    ),
}
"""data set -> archive"""

MOST_BYTES = 1 << 38
MOST_MEMBERS = 100_000
"""What an archive may unpack to at most, where the disk has as much free."""

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = (10, 60)
_ATTEMPTS = 5
_PAUSE_SECONDS = 1.0


def download(name: str, into: Path, base_url: str | None = None, md5: str | None = None) -> Path:
    """Fetch and unpack a data set; return its folder.

    An interrupted download goes on where it stopped when the same call is made again. A folder that exists is left as
    it is and returned.

    Args:
        name: key of `ARCHIVES`.
        into: where the folder is made; the archive lies beside it while it is fetched.
        base_url: a mirror that holds the archive under its official name.
        md5: expected checksum, where the mirror holds another edition.

    Raises:
        ConfigError: if there is no such data set.
        SourceError: if the server does not deliver it, the checksum differs, or the archive is damaged or unsafe.
        StorageError: if the disk is full or the folder cannot be written.
    """
    if name not in ARCHIVES:
        raise ConfigError(f"unknown data set {name!r} (valid: {', '.join(ARCHIVES)})")
    archive = ARCHIVES[name]
    target = into / archive.folder
    if target.exists():
        return target
    file = into / archive.file
    if not file.exists():
        _fetch(f"{(base_url or archive.url).rstrip('/')}/{archive.file}", file)
    _verify(file, md5 or archive.md5)
    with writing(target) as folder:
        unpack(file, folder)
        _lift_single_folder(folder)
    remove(file)
    return target


class _CutOff(Exception):
    """The connection ended before the last byte."""


def _fetch(url: str, file: Path) -> None:
    """Download to `file` by way of FILE.partial, which outlives an interruption."""
    partial = file.with_name(file.name + ".partial")
    in_vain = 0
    while True:
        before = _size(partial)
        try:
            _continue(url, partial)
            break
        except (requests.ConnectionError, requests.Timeout, _CutOff) as error:
            in_vain = 0 if _size(partial) > before else in_vain + 1
            if in_vain == _ATTEMPTS:
                raise SourceError(
                    f"{url} could not be fetched ({error}); the {_size(partial)} bytes that have arrived are kept in {partial}: "
                    "run the command again to go on"
                ) from error
            time.sleep(_PAUSE_SECONDS * in_vain)
        except requests.RequestException as error:
            raise SourceError(f"{url} could not be fetched ({error}): check the address") from error
        except OSError as error:
            remedy = "free some space, or choose another folder"
            raise StorageError(f"{partial} could not be written ({error}): {remedy}") from error
    partial.replace(file)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _continue(url: str, partial: Path) -> None:
    """Fetch what is missing of a file; start over where the server cannot continue."""
    have = _size(partial)
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return
            remove(partial)
            raise _CutOff(f"the server holds another file than the {have} bytes begun")
        if not answer.ok:
            raise SourceError(
                f"{url} answers {answer.status_code} {answer.reason}: check the address, or try again later"
            )
        resumed = answer.status_code == requests.codes.partial_content
        if not resumed:
            have = 0
        length = int(answer.headers.get("Content-Length", 0))
        partial.parent.mkdir(parents=True, exist_ok=True)
        with (
            partial.open("ab" if resumed else "wb") as stream,
            tqdm(total=have + length or None, initial=have, unit="B", unit_scale=True, desc=partial.stem) as progress,
        ):
            try:
                while block := answer.raw.read1(_BLOCK):  # what has arrived, so that a cut loses none of it
                    progress.update(stream.write(block))
            except urllib3.exceptions.HTTPError as error:
                raise _CutOff(str(error)) from error
            arrived = stream.tell()
        if length and arrived < have + length:
            raise _CutOff(f"{arrived} of {have + length} bytes arrived")


def _verify(file: Path, expected: str) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != expected:
        remove(file)
        raise SourceError(
            f"{file.name} has the MD5 {found}, published is {expected}: it was damaged on the way or is another edition, and has "
            "been removed; download it again"
        )


def unpack(file: Path, folder: Path) -> None:
    """Unpack a .tar.gz or .zip into a new folder, plain files and folders only.

    Raises:
        SourceError: if a member would land outside the folder or is a link or a device, there are too many of them or they are
            too large, or the archive is damaged.
    """
    folder.mkdir(parents=True)
    allowance = _Allowance(file, min(MOST_BYTES, shutil.disk_usage(folder).free), MOST_MEMBERS)
    try:
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as packed:
                for entry in packed.infolist():
                    kind = S_IFMT(entry.external_attr >> 16)
                    _refuse_unsafe(file, entry.filename, kind == 0 or S_ISREG(kind) or S_ISDIR(kind))
                    allowance.take(entry.file_size)
                packed.extractall(folder)  # writes no more of a member than its size, or finds the archive damaged
        else:
            with tarfile.open(file) as bundle:
                # Python 3.11.4 and later check members themselves, too; before, `_refuse_unsafe` alone does.
                bundle.extraction_filter = getattr(tarfile, "data_filter", None)
                for member in bundle:
                    _refuse_unsafe(file, member.name, member.isreg() or member.isdir())
                    allowance.take(member.size)
                    bundle.extract(member, folder)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is cut"
        raise SourceError(f"{file} is no readable archive ({reason}): delete it and download it again") from error


@dataclass
class _Allowance:
    """What may still be unpacked: a small archive can stand for more than any disk holds."""

    file: Path
    bytes_left: int
    members_left: int

    def take(self, size: int) -> None:
        self.bytes_left -= size
        self.members_left -= 1
        if self.bytes_left < 0 or self.members_left < 0:
            what = (
                "is larger than the free space, or than any data set"
                if self.bytes_left < 0
                else f"holds more than {MOST_MEMBERS} files"
            )
            raise SourceError(
                f"{self.file} is refused: unpacked it {what}: free some space, or choose another folder or edition"
            )


def _refuse_unsafe(file: Path, name: str, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]:
        raise SourceError(
            f"{file} is refused: its member {name!r} would be written outside the folder it is unpacked to"
        )
    if not plain:
        raise SourceError(
            f"{file} is refused: its member {name!r} is a link or a device; a data set holds plain files only"
        )


def _lift_single_folder(folder: Path) -> None:
    """Drop the one top folder that an archive wraps its content in."""
    content = list(folder.iterdir())
    if len(content) == 1 and content[0].is_dir() and content[0].name != "data":
        inner = content[0].rename(folder.with_name(folder.name + ".inner"))
        folder.rmdir()
        inner.rename(folder)
