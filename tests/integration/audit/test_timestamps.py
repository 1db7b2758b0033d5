"""A checkpoint is stamped by an authority of its own, OpenSSL's, and OpenSSL alone can check it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.audit.timestamps import NotStamped, Timestamps
from tests.serving import serving

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(
    OPENSSL is None, reason="the authority is OpenSSL's; install the command openssl"
)
NOTE = "bihuan/audit\n18\n4Zt1vG6Y=\n"
CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
"""


def openssl(folder: Path, *command: str) -> None:
    assert OPENSSL is not None
    subprocess.run([OPENSSL, *command], cwd=folder, check=True, capture_output=True, timeout=60)


def make_authority(folder: Path, name: str) -> None:
    """A root, and a signer below it that may do nothing but stamp."""
    folder.mkdir()
    (folder / "tsa.conf").write_text(CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    root = ("-keyout", "root.key", "-out", "root.pem", "-subj", f"/CN={name} root", "-days", "30")
    openssl(folder, *new, "-x509", *root)
    openssl(folder, *new, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", f"/CN={name}")
    (folder / "ext").write_text("extendedKeyUsage=critical,timeStamping\n")
    signed = ("-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "30")
    openssl(folder, "x509", "-req", "-in", "tsa.csr", *signed, "-extfile", "ext", "-out", "tsa.pem")


class Authority(BaseHTTPRequestHandler):
    """Stamps what it is asked to, or says what the test has it say."""

    def do_POST(self) -> None:
        server: Any = self.server
        folder: Path = server.folder
        (folder / "asked.tsq").write_bytes(self.rfile.read(int(self.headers["content-length"])))
        answer = server.says
        if answer is None:
            signer = ("-signer", "tsa.pem", "-inkey", "tsa.key", "-config", "tsa.conf")
            openssl(folder, "ts", "-reply", "-queryfile", "asked.tsq", *signer, "-out", "out.tsr")
            answer = (folder / "out.tsr").read_bytes()
        server.asked += 1
        self.send_response(200 if answer else 503)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("authority")
    make_authority(where / "ours", "ours")
    make_authority(where / "other", "other")
    return where


@contextmanager
def not_listening() -> Iterator[HTTPServer]:
    """A port where nobody answers, until `stamping` is at it."""
    server = HTTPServer(("127.0.0.1", 0), Authority, bind_and_activate=False)
    server.server_bind()
    try:
        yield server
    finally:
        server.server_close()


@contextmanager
def stamping(
    folder: Path, says: bytes | None = None, *, at: HTTPServer | None = None
) -> Iterator[Any]:
    server: Any = at or HTTPServer(("127.0.0.1", 0), Authority)
    server.folder, server.says, server.asked = folder, says, 0
    if at is not None:
        at.server_activate()
    with serving(server):
        yield server


def stamps(server: Any, drop: Path, roots: Path | None = None) -> Timestamps:
    return Timestamps(f"http://127.0.0.1:{server.server_address[1]}/", drop, roots)


def test_a_note_is_stamped_once_and_openssl_verifies_it(folder: Path, tmp_path: Path) -> None:
    with stamping(folder / "ours") as server:
        for _ in range(2):
            stamps(server, tmp_path, folder / "ours/root.pem").deliver(18, NOTE, ())
        assert server.asked == 1
    assert [path.name for path in tmp_path.iterdir()] == ["000000000000018.tsr"]
    (tmp_path / "note").write_text(NOTE)
    stamp = ("-in", "000000000000018.tsr", "-CAfile", str(folder / "ours/root.pem"))
    openssl(tmp_path, "ts", "-verify", "-data", "note", *stamp)
    (tmp_path / "note").write_text(NOTE.replace("18", "19"))
    with pytest.raises(subprocess.CalledProcessError):
        openssl(tmp_path, "ts", "-verify", "-data", "note", *stamp)


def test_what_is_no_stamp_of_this_note_is_not_kept(folder: Path, tmp_path: Path) -> None:
    with stamping(folder / "ours") as server:
        stamps(server, tmp_path / "other").deliver(18, "another note\n", ())
    another = next((tmp_path / "other").iterdir()).read_bytes()
    drop = tmp_path / "drop"
    for says in (b"not a stamp", b"0" * 70_000, another, another[:-1]):
        with stamping(folder / "ours", says) as server, pytest.raises(NotStamped):
            stamps(server, drop).deliver(18, NOTE, ())
    with stamping(folder / "ours", b"") as server, pytest.raises(httpx.HTTPError):
        stamps(server, drop).deliver(18, NOTE, ())
    assert not drop.exists()


def test_an_authority_that_nobody_trusts_is_refused(folder: Path, tmp_path: Path) -> None:
    with stamping(folder / "other") as server, pytest.raises(NotStamped):
        stamps(server, tmp_path, folder / "ours/root.pem").deliver(18, NOTE, ())
    assert list(tmp_path.iterdir()) == []
