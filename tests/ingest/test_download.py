"""The downloader against a server on this machine: resuming, checksums, archives that must be refused."""

import hashlib
import io
import os
import re
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.core.errors import ConfigError, SourceError, StorageError
from tasks.ingest import download as downloader
from tasks.ingest.download import ARCHIVES, download

FILE = "KuaiRand-Pure.tar.gz"


class Server(ThreadingHTTPServer):
    """Serves bytes; can cut connections, ignore ranges or answer errors.

    Attributes:
        content: path -> bytes.
        cut_after: bytes sent of each answer before the connection is cut.
        answers: requests answered before the server only hangs up.
        ranges: whether Range is honoured.
        requests: the Range header of every request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {}
        self.cut_after: int | None = None
        self.answers = 1_000
        self.ranges = True
        self.requests: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append(wanted)
        if len(self.server.requests) > self.server.answers:
            self.close_connection = True
            return
        content = self.server.content.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and self.server.ranges else 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if wanted and self.server.ranges else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = len(content) if self.server.cut_after is None else min(len(content), start + self.server.cut_after)
        self.wfile.write(content[start:stop])
        if stop < len(content):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloader, "_PAUSE_SECONDS", 0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        for member, content in members:
            member.size = len(content)
            bundle.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def good_tar() -> bytes:
    folder = tarfile.TarInfo("KuaiRand-Pure/data")
    folder.type = tarfile.DIRTYPE
    return tar_of((folder, b""), (tarfile.TarInfo("KuaiRand-Pure/data/log.csv"), os.urandom(300_000)))


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def fetch(server: Server, into: Path, name: str = "kuairand-pure") -> Path:
    return download(name, into, server.url, md5(server.content[ARCHIVES[name].file]))


def test_fetches_checks_and_unpacks(server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server.content[FILE] = good_tar()
    folder = fetch(server, tmp_path)
    assert folder == tmp_path / "KuaiRand-Pure"
    assert (folder / "data/log.csv").stat().st_size == 300_000
    assert os.listdir(tmp_path) == ["KuaiRand-Pure"]
    assert "KuaiRand-Pure.tar.gz: 100%" in capfd.readouterr().err


def test_a_folder_that_exists_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "KuaiRand-Pure").mkdir()
    assert download("kuairand-pure", tmp_path, server.url) == tmp_path / "KuaiRand-Pure"
    assert server.requests == []


def test_cut_connections_are_resumed(server: Server, tmp_path: Path) -> None:
    server.content[FILE] = good_tar()
    server.cut_after = 100_000
    fetch(server, tmp_path)
    assert server.requests == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-"]


def test_an_interrupted_download_goes_on_in_the_next_call(server: Server, tmp_path: Path) -> None:
    server.content[FILE] = good_tar()
    server.cut_after, server.answers = 10_000, 5
    with pytest.raises(SourceError, match=r"the 50000 bytes that have arrived are kept .*: run the command again"):
        fetch(server, tmp_path)
    assert (tmp_path / f"{FILE}.partial").stat().st_size == 50_000
    server.cut_after, server.answers = None, 1_000
    fetch(server, tmp_path)
    assert server.requests[-1] == "bytes=50000-"


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.content[FILE] = good_tar()
    server.ranges = False
    (tmp_path / f"{FILE}.partial").write_bytes(b"begun" * 1_000)
    assert (fetch(server, tmp_path) / "data/log.csv").exists()


def test_a_complete_partial_file_is_taken(server: Server, tmp_path: Path) -> None:
    server.content[FILE] = good_tar()
    (tmp_path / f"{FILE}.partial").write_bytes(server.content[FILE])
    assert (fetch(server, tmp_path) / "data/log.csv").exists()


def test_a_partial_file_longer_than_the_archive_is_thrown_away(server: Server, tmp_path: Path) -> None:
    server.content[FILE] = good_tar()
    (tmp_path / f"{FILE}.partial").write_bytes(server.content[FILE] + b"more")
    assert (fetch(server, tmp_path) / "data/log.csv").exists()


def test_a_wrong_checksum_is_refused_and_nothing_unpacked(server: Server, tmp_path: Path) -> None:
    server.content[FILE] = good_tar()
    with pytest.raises(SourceError, match=r"has the MD5 [0-9a-f]{32}, published is 0820331067a3784d9691136f772b35a7"):
        download("kuairand-pure", tmp_path, server.url)
    assert os.listdir(tmp_path) == []


def test_a_missing_file_and_an_unknown_name_are_explained(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"KuaiRec.zip answers 404 .*check the address"):
        download("kuairec", tmp_path, server.url)
    with pytest.raises(
        ConfigError, match=r"unknown data set 'kuairnd' \(valid: kuairand-pure, kuairand-1k, kuairand-27k, kuairec\)"
    ):
        download("kuairnd", tmp_path, server.url)


def test_no_server_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloader, "_PAUSE_SECONDS", 0)
    with pytest.raises(SourceError, match=r"could not be fetched"):
        download("kuairand-pure", tmp_path, "http://127.0.0.1:1")


def test_an_unwritable_folder_is_explained(server: Server, tmp_path: Path) -> None:
    server.content[FILE] = good_tar()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"could not be written .*choose another folder"):
        fetch(server, tmp_path / "file")


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member, b""


def of_type(name: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "data/log.csv"
    return member, b""


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ((tarfile.TarInfo("../evil"), b"x"), r"member '../evil' would be written outside"),
        ((tarfile.TarInfo("data/../../evil"), b"x"), r"would be written outside"),
        ((tarfile.TarInfo("/tmp/evil"), b"x"), r"member '/tmp/evil' would be written outside"),
        ((tarfile.TarInfo("..\\evil"), b"x"), r"would be written outside"),
        (symlink("data/link", "/etc/passwd"), r"member 'data/link' is a link or a device"),
        (of_type("data/hard", tarfile.LNKTYPE), r"is a link or a device"),
        (of_type("data/device", tarfile.CHRTYPE), r"is a link or a device"),
        (of_type("data/pipe", tarfile.FIFOTYPE), r"is a link or a device"),
    ],
)
def test_unsafe_tar_members_are_refused(
    server: Server, tmp_path: Path, member: tuple[tarfile.TarInfo, bytes], reason: str
) -> None:
    server.content[FILE] = tar_of((tarfile.TarInfo("data/log.csv"), b"a"), member)
    into = tmp_path / "deep/into"
    with pytest.raises(SourceError, match=reason):
        fetch(server, into)
    assert os.listdir(into) == [FILE]
    assert not list(tmp_path.rglob("evil"))


def zip_of(*members: tuple[str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content, mode in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            packed.writestr(entry, content)
    return buffer.getvalue()


def test_zip_is_unpacked_without_its_top_folder(server: Server, tmp_path: Path) -> None:
    server.content["KuaiRec.zip"] = zip_of(
        ("KuaiRec 2.0/data/big_matrix.csv", b"a,b\n", 0), ("KuaiRec 2.0/README.md", b"", 0o100644)
    )
    folder = fetch(server, tmp_path, "kuairec")
    assert (folder / "data/big_matrix.csv").read_text() == "a,b\n"


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("../evil", 0, "outside"),
        ("/evil", 0, "outside"),
        ("C:\\evil", 0, "outside"),
        ("data/link", 0o120777, "link or a device"),
    ],
)
def test_unsafe_zip_members_are_refused(server: Server, tmp_path: Path, name: str, mode: int, reason: str) -> None:
    server.content["KuaiRec.zip"] = zip_of((name, b"/etc/passwd", mode))
    with pytest.raises(SourceError, match=reason):
        fetch(server, tmp_path, "kuairec")
    assert os.listdir(tmp_path) == ["KuaiRec.zip"]


def test_an_archive_that_unpacks_to_too_much_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two kilobytes that stand for two megabytes, where one may be written."""
    monkeypatch.setattr(downloader, "MOST_BYTES", 1 << 20)
    zeros = bytes(1 << 21)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("data/log.csv", zeros)
    server.content["KuaiRec.zip"] = buffer.getvalue()
    server.content[FILE] = tar_of((tarfile.TarInfo("data/log.csv"), zeros))
    for name, file in (("kuairec", "KuaiRec.zip"), ("kuairand-pure", FILE)):
        assert len(server.content[file]) < 10_000
        with pytest.raises(SourceError, match=r"is refused: unpacked it is larger than the free space"):
            fetch(server, tmp_path / name, name)
        assert os.listdir(tmp_path / name) == [file]


def test_a_zip_that_lies_about_its_sizes_is_damaged(server: Server, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("data/log.csv", bytes(1 << 21))
    content = buffer.getvalue().replace((1 << 21).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    server.content["KuaiRec.zip"] = content
    with pytest.raises(SourceError, match="is no readable archive"):
        fetch(server, tmp_path, "kuairec")
    assert os.listdir(tmp_path) == ["KuaiRec.zip"]


def test_an_archive_of_too_many_files_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloader, "MOST_MEMBERS", 3)
    server.content[FILE] = tar_of(*((tarfile.TarInfo(f"data/{number}"), b"") for number in range(4)))
    with pytest.raises(SourceError, match=r"unpacked it holds more than"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    "cut", [lambda content: content[:-1_000], lambda content: b"not an archive", lambda content: b""]
)
def test_a_damaged_archive_is_refused(server: Server, tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    server.content[FILE] = cut(good_tar())
    with pytest.raises(SourceError, match=r"is no readable archive .*download it again"):
        fetch(server, tmp_path)
    assert not (tmp_path / "KuaiRand-Pure").exists()
