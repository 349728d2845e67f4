"""The scanner: a real ClamAV with a base of our own, and daemons that answer nonsense. Nothing is clean that was not scanned."""

from __future__ import annotations

import hashlib
import io
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from egide.kernel.errors import BadInput
from egide.services.scanning import Scan, scan
from tests.conftest import missing
from tests.services.desk import EICAR, Desk, packed, photo
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
CONFIG = """LocalSocket {folder}/clamd.sock
DatabaseDirectory {folder}/base
TemporaryDirectory {folder}
Foreground yes
StreamMaxLength 1M
"""


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ClamAV that knows EICAR by its hash and nothing else."""
    program = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        missing("clamd is not installed: apt-get install clamav-daemon")
    folder = tmp_path_factory.mktemp("clamav")
    (folder / "base").mkdir()
    known = f"{hashlib.md5(EICAR, usedforsecurity=False).hexdigest()}:{len(EICAR)}:Egide.Test.EICAR\n"
    (folder / "base" / "own.hdb").write_text(known)
    (folder / "clamd.conf").write_text(CONFIG.format(folder=folder))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(folder / "clamd.conf")], stdout=log, stderr=log)
    address = f"unix:{folder}/clamd.sock"
    deadline = time.monotonic() + 60
    while scan(address, io.BytesIO(b"ready?")).state != "clean":
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.1)
    yield address
    process.terminate()
    process.wait(PATIENCE_S)


def test_clamav_finds_eicar_in_a_file_and_in_an_archive(clamd: str) -> None:
    for content in (EICAR, packed(a=b"harmless", b=EICAR)):
        found = scan(clamd, io.BytesIO(content))
        assert (found.state, found.word) == ("found", "Egide.Test.EICAR.UNOFFICIAL")
        assert found.scanner.startswith("ClamAV 1")
    assert scan(clamd, io.BytesIO(photo())).state == "clean"
    assert scan(clamd, io.BytesIO(bytes(3 * 1024 * 1024))) == Scan(
        "unscanned", found.scanner, "too large for the scanner"
    )


async def test_states_of_files(clamd: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data", clamav=clamd)
    await desk.start()
    bad, good = await desk.send(EICAR, "a.txt"), await desk.send(photo(), "a.jpg")
    shown = await desk.examined(bad["upload"])
    assert (shown["scan"], shown["download"]) == ("found", "")
    assert "malveillant" in shown["said"]["fr"]
    assert (await desk.ask("read", "officer", upload=bad["upload"], reason="Enquête"))["download"] == ""
    assert (await desk.ask("original", "officer", upload=bad["upload"], reason="Expertise"))["download"]
    events = desk.kernel.store.reader().exec_driver_sql("select payload from outbox where name = 'upload.found'").all()
    assert len(events) == 1
    assert bad["upload"] in bytes(events[0].payload).decode()

    shown = await desk.examined(good["upload"])
    assert (shown["scan"], shown["copy"]) == ("clean", "ready")
    answer = await desk.fetched(shown["download"])
    assert answer.status_code == 200
    assert answer.content == desk.copy(good["upload"])
    assert answer.headers["content-disposition"] == f'attachment; filename="copie-{good["upload"]}.jpg"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert (await desk.fetched(shown["download"])).status_code == 404, "once"
    await desk.stop()


@contextmanager
def daemon(*answers: bytes) -> Iterator[str]:
    """Somebody who answers each connection with the next of these."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                line, _ = server.accept()
                with line:
                    heard = line.recv(64)
                    if heard.startswith(b"zINSTREAM"):
                        while b"content" not in heard or not heard.endswith(bytes(4)):
                            heard += line.recv(1 << 16)
                    line.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp:127.0.0.1:{server.getsockname()[1]}"
        thread.join(PATIENCE_S)


VERSION = b"ClamAV 1.4.6/27800/Thu Nov 26 2026\0"


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ((VERSION, b"stream: OK\0"), "clean"),
        ((VERSION, b"stream: Win.Test FOUND\0"), "found"),
        ((b"HTTP/1.1 200 OK\0",), "unscanned"),
        ((b"",), "unscanned"),
        ((VERSION, b""), "unscanned"),
        ((VERSION, b"stream: OK maybe\0"), "unscanned"),
        ((VERSION, b"INSTREAM size limit exceeded. ERROR\0"), "unscanned"),
    ],
)
def test_only_the_word_of_a_scanner_makes_a_file_clean(answers: tuple[bytes, ...], state: str) -> None:
    with daemon(*answers) as address:
        assert scan(address, io.BytesIO(b"content")).state == state


@pytest.mark.parametrize("address", ["", "unix:/nowhere/clamd.sock", "tcp:127.0.0.1:1", "clamd", "tcp:here"])
def test_where_no_scanner_answers_nothing_is_scanned(address: str) -> None:
    assert scan(address, io.BytesIO(b"content")).state == "unscanned"


async def test_unscanned_copy_is_for_an_officer_with_a_reason(desk: Desk) -> None:
    sealed = await desk.send(b"words")
    assert (await desk.examined(sealed["upload"]))["download"] == ""
    with pytest.raises(BadInput):
        await desk.ask("read", "officer", upload=sealed["upload"])
