"""A platform in another process, as gates, kiosks and wallets see it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from tests.border.airport import Gates

ROOT = Path(__file__).parents[2]
LONGEST = 32 * 1024 * 1024  # characters of a line


class Remote(Gates):
    """What is asked of it goes over one pipe; `said`: all that it ever answered, `log`: all that it logged."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, told: dict[str, Any]) -> None:
        self.process, self.log, self.said = process, log, bytearray()
        self.gates, self._now = told["gates"], told["now"]
        self._numbers, self._waiting = count(), dict[int, asyncio.Future[dict[str, Any]]]()
        self._later: list[dict[str, Any]] = []
        self._hearing = asyncio.create_task(self._hear())

    def now(self) -> int:
        return int(self._now)

    def countries(self, csca: bytes, crl: bytes) -> None:
        self._later.append({"countries": [csca.hex(), crl.hex()]})

    async def act(self, who: str, name: str, channel: Any = None, /, **given: Any) -> Any:
        return await self.told(who=who, name=name, given=given)

    async def ask(self, name: str, /, **given: Any) -> Any:
        return await self.act("", name, **given)

    async def told(self, **asked: Any) -> Any:
        """The result of what served.py does; fails where it was refused."""
        while self._later:
            await self._exchange(self._later.pop(0))
        answer = await self._exchange(asked)
        assert "result" in answer, answer
        return answer["result"]

    async def _exchange(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self.process.stdin.write(msgspec.json.encode(asked | {"number": number}) + b"\n")
        await self.process.stdin.drain()
        return await waiting

    async def _hear(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.said += line
            answer: dict[str, Any] = msgspec.json.decode(line)
            self._now = answer["now"]
            self._waiting.pop(answer["number"]).set_result(answer)
        for each in self._waiting.values():
            each.set_exception(EOFError("the platform ended"))

    async def close(self) -> None:
        """Lets it end by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert await self.process.wait() == 0
        await self._hearing


@asynccontextmanager
async def remote(folder: Path, log: Path) -> AsyncIterator[Remote]:
    """Starts one in this folder; it is ended with the block, or before by `close`."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.border.served", str(folder), cwd=ROOT, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=errors, limit=LONGEST,
        )  # fmt: skip
    assert process.stdout is not None
    line = await process.stdout.readline()
    assert line, f"it did not start: {log}"
    made = Remote(process, log, msgspec.json.decode(line))
    try:
        yield made
    finally:
        if process.returncode is None:
            await made.close()
