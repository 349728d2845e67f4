"""Chunks in any order, doubled, lost, cut: the file that was sent, or a refusal; never another file."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egide.kernel.errors import BadInput, Conflict, EgideError, TooLarge, TooMany
from egide.services import quarantine as room
from egide.services.quarantine import Quarantine, quarantine
from tests.services.desk import Desk

pytestmark = pytest.mark.anyio
CASES = int(os.environ.get("EGIDE_FUZZ", "25"))
SENT = bytes(range(32, 127)) * 40
CHUNKS = st.lists(
    st.tuples(st.integers(0, len(SENT) + 10), st.integers(0, 1500), st.sampled_from(["same", "same", "same", "other"])), max_size=12
)  # fmt: skip


@pytest.fixture
def loop_thread(tmp_path: Path):
    """A desk on a loop of its own, for tests that hypothesis repeats."""
    runner = asyncio.Runner()
    desk = Desk(tmp_path / "data")
    runner.run(desk.start())
    yield desk, runner
    runner.run(desk.stop())
    runner.close()


@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=CHUNKS)
def test_same_bytes_or_a_refusal(loop_thread, chunks: list[tuple[int, int, str]]) -> None:
    desk, runner = loop_thread
    held = quarantine(desk.kernel)
    opened = runner.run(desk.open(SENT, who="officer", owner=f"draft:{os.urandom(6).hex()}"))
    id_, secret = opened["id"], opened["secret"]
    there = 0
    for at, length, kind in chunks:
        content = SENT[at : at + length] if kind == "same" else b"\0" * length
        try:
            now = held.take(id_, secret, at, content)
        except (BadInput, Conflict, TooLarge):
            assert held.offset(id_, secret)[0] == there
            continue
        assert now == max(there, at + len(content))
        if kind == "other":
            assert at == there, "what was there is not replaced"
            return  # another file was sent than announced: sealing refuses it (test_upload_acts)
        there = now
        assert held.file(id_).read() == SENT[:there]
    held.take(id_, secret, there, SENT[there:]) if there < len(SENT) else None
    assert held.file(id_).read() == SENT


@settings(max_examples=CASES, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    moves=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 700))),
)
def test_parts_read_as_one_file(cuts: list[int], moves: list[tuple[int, int]]) -> None:
    from egide.kernel.parts import Parts

    ends = [sum(cuts[: number + 1]) for number in range(len(cuts))]
    whole = os.urandom(ends[-1])
    plain, parts = (
        io.BytesIO(whole),
        io.BufferedReader(Parts(ends, lambda number: whole[ends[number] - cuts[number] : ends[number]])),
    )
    for at, size in moves:
        plain.seek(at)
        parts.seek(at)
        assert parts.read(size) == plain.read(size)
        assert parts.tell() == plain.tell()
    with pytest.raises(OSError, match="before"):
        parts.seek(-1 - ends[-1], io.SEEK_END)


async def test_two_who_fill_the_same_place_leave_one_content(desk: Desk) -> None:
    opened = await desk.open(SENT)
    one, other = Quarantine(desk.kernel), Quarantine(desk.kernel)

    def send(held: Quarantine, content: bytes) -> int | EgideError:
        try:
            return held.take(opened["id"], opened["secret"], 0, content)
        except EgideError as error:
            return error

    told = await asyncio.gather(asyncio.to_thread(send, one, SENT[:2000]), asyncio.to_thread(send, other, b"\0" * 2000))
    assert sorted(isinstance(each, Conflict) for each in told) == [False, True]
    assert one.file(opened["id"]).read() in (SENT[:2000], b"\0" * 2000)


async def test_bounds_of_chunks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    held = quarantine(desk.kernel)
    opened = await desk.open(SENT, bytes=20 * 1024 * 1024)
    take = (opened["id"], opened["secret"])
    with pytest.raises(BadInput):
        held.take(*take, 0, b"")
    with pytest.raises(TooLarge):
        held.take(*take, 0, bytes(room.MAX_CHUNK + 1))
    with pytest.raises(Conflict, match="from byte 0"):
        held.take(*take, 5, b"x")
    monkeypatch.setattr(room, "MAX_PARTS", 2)
    assert held.take(*take, 0, b"a") == 1
    assert held.take(*take, 1, b"b") == 2
    with pytest.raises(TooMany):
        held.take(*take, 2, b"c")
    leaves = [held.enter("a") for _ in range(room.OF_ONE)]
    with pytest.raises(TooMany):
        held.enter("a")
    leaves[0]()
    held.enter("a")


async def big(desk: Desk, size: int) -> None:
    """Sends so many bytes through the real application, chunk by chunk, seals them, and reads them again."""
    block = os.urandom(1024 * 1024 - 44)
    head = b"RIFF" + (size - 8).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += (
        bytes.fromhex("0100010044ac000088580100")
        + bytes.fromhex("02001000")
        + b"data"
        + (size - 44).to_bytes(4, "little")
    )
    content = (head + block * (size // len(block) + 1))[:size]
    opened = await desk.open(content, "a.wav", media="audio/wav", bytes=size)
    async with desk.client() as client:
        for at in range(0, size, 4 * 1024 * 1024):
            answer = await client.put(
                f"/api/uploads/{opened['id']}", content=content[at : at + 4 * 1024 * 1024],
                headers={"upload-secret": opened["secret"], "upload-offset": str(at)},
            )  # fmt: skip
            assert answer.status_code == 204, answer.text
    sealed = await desk.ask("seal", upload=opened["id"], secret=opened["secret"], sha256=sha256(content).hexdigest())
    assert sealed["bytes"] == size
    hasher = sha256()
    for piece in quarantine(desk.kernel).original(opened["id"]):
        hasher.update(piece)
    assert hasher.hexdigest() == sealed["sha256"]
    assert (await desk.examined(opened["id"]))["copy"] == "ready"


async def test_twenty_megabytes(desk: Desk) -> None:
    await big(desk, 20 * 1000 * 1000)


@pytest.mark.proof
@pytest.mark.skipif(os.environ.get("EGIDE_PROOF") != "1", reason="a long run: make proof")
async def test_two_hundred_megabytes(desk: Desk) -> None:
    await big(desk, 200 * 1000 * 1000)


SENDER = """
import asyncio, sys
from pathlib import Path
from tests.services.desk import Desk
from egide.services.quarantine import quarantine

async def main():
    desk = Desk(Path(sys.argv[1]))
    await desk.start()
    content = Path(sys.argv[2]).read_bytes()
    opened = await desk.open(content, "a.txt")
    print(opened["id"], opened["secret"], flush=True)
    for at in range(0, len(content), 50_000):
        quarantine(desk.kernel).take(opened["id"], opened["secret"], at, content[at:at + 50_000])
        print(at, flush=True)

asyncio.run(main())
"""


async def test_killed_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    content = b"".join(b"line %d\n" % number for number in range(1_000_000))
    sent = tmp_path / "sent.txt"
    sent.write_bytes(content)
    command = [sys.executable, "-c", SENDER, str(tmp_path / "data"), str(sent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        id_, secret = process.stdout.readline().split()
        for _ in range(5):
            last = int(process.stdout.readline())
        await asyncio.sleep(0.003)  # somewhere within the next chunk
        process.send_signal(signal.SIGKILL)
    desk = Desk(tmp_path / "data")
    await desk.start()
    held = quarantine(desk.kernel)
    there, _ = held.offset(id_, secret)
    assert there >= last + 50_000
    assert there % 50_000 == 0, "whole chunks only"
    assert held.file(id_).read() == content[:there]
    for at in range(there, len(content), 4_000_000):
        held.take(id_, secret, at, content[at : at + 4_000_000])
    sealed = await desk.ask("seal", upload=id_, secret=secret, sha256=sha256(content).hexdigest())
    assert sealed["kind"] == "text"
    await desk.stop()
