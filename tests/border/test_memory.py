"""After a traveller enrolled and passed, the platform's own memory holds nothing of them: it was in the rooms, which are gone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from egide.border.token.claims import from_json
from egide.exercise.travel_document import ERIKA
from egide.protocols.vapid import decoded, encoded
from tests.border.airport import Gates
from tests.border.kiosk import OTHER, SELF, Kiosk, frames, picture
from tests.conftest import missing

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
ZONE = msgspec.structs.replace(ERIKA, surname="KANARIENVOGEL", given="GELB", number="X98765432")
FLIGHT = "QZ 4711"
LONGEST = 32 * 1024 * 1024  # characters of a line


class Remote(Gates):
    """A platform in another process."""

    def __init__(self, process: asyncio.subprocess.Process, gates: dict[str, str], now: int) -> None:
        self.process, self.gates, self._now = process, gates, now
        self._waiting: list[bytes] = []

    def now(self) -> int:
        return self._now

    def countries(self, csca: bytes, crl: bytes) -> None:
        self._waiting = [msgspec.json.encode({"countries": [csca.hex(), crl.hex()]})]

    async def act(self, who: str, name: str, channel: Any = None, /, **given: Any) -> Any:
        for line in self._waiting:
            await self._said(line)
        self._waiting = []
        told = await self._said(msgspec.json.encode({"who": who, "name": name, "given": given}))
        assert "result" in told, told
        return told["result"]

    async def ask(self, name: str, /, **given: Any) -> Any:
        return await self.act("", name, **given)

    async def _said(self, line: bytes) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + b"\n")
        await self.process.stdin.drain()
        found: dict[str, Any] = msgspec.json.decode(await self.process.stdout.readline())
        return found


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Remote]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.border.served", str(tmp_path / "data"), cwd=ROOT, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, limit=LONGEST,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    told = msgspec.json.decode(await process.stdout.readline())
    yield Remote(process, told["gates"], told["now"])
    process.stdin.close()
    assert await process.wait() == 0


def memory(pid: int) -> Iterator[bytes]:
    """Every part of a process's memory that it may write to, with a little of the part before."""
    maps = Path(f"/proc/{pid}/maps")
    if not maps.exists():
        missing("the memory of a process is read from /proc")
    with Path(f"/proc/{pid}/mem").open("rb", 0) as file:
        for line in maps.read_text("ascii").splitlines():
            place, rights, *_rest = line.split()
            if rights.startswith("rw"):
                start, end = (int(each, 16) for each in place.split("-"))
                file.seek(start)
                yield file.read(end - start)


def found(pid: int, wanted: dict[str, bytes]) -> set[str]:
    """Which of these are in its memory."""
    there: set[str] = set()
    for part in memory(pid):
        there |= {name for name, content in wanted.items() if content in part}
    return there


async def test_the_platforms_memory_holds_nothing_of_a_traveller(remote: Remote) -> None:
    kiosk = Kiosk(remote, FLIGHT)
    _consent, opened = await kiosk.open()
    passport = kiosk.passport(zone=ZONE)
    assert (await kiosk.read(opened, passport))["verdict"] == "proved"
    answer, tokens = await kiosk.issue(opened, SELF)
    assert answer["why"] == ""
    gate = await remote.opened("boarding", external=True)
    passed = await remote.present("boarding", tokens["boarding"], gate, frames=frames(SELF, gate["key"]))
    assert passed["result"] == "pass"
    gate = await remote.opened("boarding", external=True)
    for _ in range(2):
        turned = await remote.present("boarding", tokens["spare"], gate, frames=frames(OTHER, gate["key"]))
    assert turned["result"] == "officer"

    token = tokens["boarding"]
    claims = from_json({
        name: value
        for _salt, name, value in (msgspec.json.decode(decoded(each)) for each in token.issued.credential.split("~")[1:-1])
    })  # fmt: skip
    assert claims.face_t is not None
    wanted = {
        "name": b"KANARIENVOGEL", "number": b"X98765432", "flight": FLIGHT.encode(), "template": claims.face_t,
        "template in text": encoded(claims.face_t).encode(), "secret": token.secret, "secret in text": encoded(token.secret).encode(),
        "frame": picture(SELF)[400:464], "portrait": passport["DG2"][400:464], "token": token.issued.credential[-200:-136].encode(),
    }  # fmt: skip
    assert found(remote.process.pid, {"gate": gate["control"].encode(), "kid": remote.gates["facilitation"].encode()})
    assert found(remote.process.pid, wanted) == set()
