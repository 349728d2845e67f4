"""People of the exercise: they sign in and act through the platform's public address, as browsers do, and know only that."""

from __future__ import annotations

import asyncio
import json
import struct
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

HEADER = struct.Struct("<BBHQQ")
VIDEO, KLV = 2, 3


class ActRefused(Exception):
    """The platform refused; `articles` are the rules it named."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.rules = [reason["rule"] for reason in told.get("reasons", [])]
        self.articles = [f"{reason['text']} {reason['article']}" for reason in told.get("reasons", [])]
        super().__init__(told["title"]["en"] + " " + "; ".join(self.articles))


class PersonError(Exception):
    """The platform answered something else than a result or a refusal."""


@dataclass
class Person:
    """One persona of the demonstration with a session of its own."""

    base: str
    persona: str
    cookie: str = ""

    async def enter(self) -> None:
        """Signs in as the persona (demo mode only)."""
        await self.act("administration.demo.enter", persona=self.persona)

    async def act(self, name: str, /, **given: Any) -> Any:
        """Performs an act over HTTP; raises `ActRefused` or `PersonError`."""
        return (await asyncio.to_thread(self._post, name, given))["result"]

    async def receipt(self, name: str, /, **given: Any) -> int:
        """Performs an act and returns its ledger index."""
        return int((await asyncio.to_thread(self._post, name, given))["receipt"]["index"])

    def fetch(self, path: str) -> bytes:
        """A file the platform offered."""
        request = urllib.request.Request(self.base + path, headers={"cookie": self.cookie})  # noqa: S310 — loopback http only
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return bytes(answer.read())

    async def live(self) -> Live:
        """Opens the live socket."""
        address = self.base.replace("http", "ws", 1) + "/live"
        socket = await connect(
            address,
            additional_headers={"cookie": self.cookie},
            origin=Origin(self.base),
            max_size=1 << 24,
            compression=None,
        )
        return Live(socket)

    def _post(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        headers = {"content-type": "application/json", "origin": self.base, "cookie": self.cookie}
        request = urllib.request.Request(f"{self.base}/api/acts/{name}", json.dumps(given).encode(), headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                given_cookie = answer.headers.get("set-cookie", "")
                if given_cookie:
                    self.cookie = given_cookie.partition(";")[0]
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            told = json.load(error)
            if told.get("code") == "refused":
                raise ActRefused(told) from error
            raise PersonError(f"{name}: {told['title']['en']}") from error


@dataclass
class Live:
    """A terminal's socket: acts, pushes and stream frames."""

    socket: ClientConnection
    frames: int = 0
    telemetry: list[dict[str, Any]] = field(default_factory=list)
    pushed: list[dict[str, Any]] = field(default_factory=list)
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _last: int = 0

    def __post_init__(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def act(self, name: str, /, **given: Any) -> Any:
        """Performs an act over the socket."""
        self._last += 1
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[self._last] = future
        await self.socket.send(json.dumps({"id": self._last, "act": name, "input": given}))
        told = await asyncio.wait_for(future, 10)
        if "error" in told:
            raise (
                ActRefused(told["error"]) if told["error"].get("code") == "refused" else PersonError(str(told["error"]))
            )
        return told["result"]

    async def until(self, condition: Any, seconds: float) -> bool:
        """Waits for a condition on what came; False when it did not come in time."""
        for _ in range(int(seconds / 0.02)):
            if condition():
                return True
            await asyncio.sleep(0.02)
        return bool(condition())

    async def close(self) -> None:
        """Hangs up."""
        self._task.cancel()
        await self.socket.close()

    async def _listen(self) -> None:
        async for message in self.socket:
            if isinstance(message, str):
                told = json.loads(message)
                future = self._answers.pop(told.get("id"), None) if "id" in told else None
                if future is not None and not future.done():
                    future.set_result(told)
                elif "push" in told:
                    self.pushed.append(told)
                continue
            kind = message[0]
            self.frames += kind == VIDEO
            if kind == KLV:
                self.telemetry = [*self.telemetry[-99:], json.loads(message[HEADER.size :])]
