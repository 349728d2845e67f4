"""TAK clients as light as they can be, in a process of their own: each tells its position once a second; what comes is counted.

    python -m egide.bench.tak_load      reads one JSON line: {port, folder, clients}; prints {"open": n} when all are connected,
                                        then for each line it reads what came since the last one: {"bytes", "events", "ages"}

It samples: the bytes of every client are counted and dropped; the events of every tenth are read, for their number, size and age
(milliseconds between the `time` that the sender wrote and the moment the bytes were here). Deliveries to all are the
bytes of all over the size of an event, which is the same for all by construction.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from pathlib import Path
from typing import Any, cast

OPENING = 8  # handshakes at once
EVERY = 10  # of how many clients one is read
AGES = 200_000  # ages kept between two answers
PERIOD_S = 1.0  # s between two positions of a client
_EVENT = re.compile(rb'<event [^>]*?time="[\d-]{10}T(\d\d):(\d\d):(\d\d)\.(\d{3})Z"')
END = b"</event>"
EVENT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<event version="2.0" uid="BENCH-{number:06d}" type="a-f-G-U-C" how="m-g" time="{now}" '
    'start="{now}" stale="{later}"><point lat="60.{lat:06d}" lon="24.{lat:06d}" hae="25.7" ce="9.9" le="9999999.0"/><detail>'
    '<takv os="33" version="5.2.0.0" device="Bench" platform="ATAK-CIV"/><contact endpoint="*:-1:stcp" callsign="BENCH-{number:06d}"/>'
    '<__group role="Team Member" name="Cyan"/><status battery="78"/><track course="80.248" speed="0.0"/></detail></event>'
)


def moment(seconds: float) -> str:
    """xs:dateTime with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.read = number % EVERY == 0
        self.bytes = self.events = self.sampled = 0
        self.ages: list[int] = []
        self.lost = False
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses

    def data_received(self, data: bytes) -> None:
        """Counts, and reads where it is one of the sample."""
        self.bytes += len(data)
        if not self.read:
            return
        now = int(time.time() * 1000) % 86_400_000
        data = self._rest + data
        end = data.rfind(END)
        if end < 0:
            self._rest = data
            return
        whole, self._rest = data[: end + len(END)], data[end + len(END) :]
        self.sampled += len(whole)
        for found in _EVENT.finditer(whole):
            hours, minutes, seconds, ms = (int(part) for part in found.groups())
            self.events += 1
            if len(self.ages) < AGES:
                self.ages.append((now - ((hours * 60 + minutes) * 60 + seconds) * 1000 - ms) % 86_400_000)

    def connection_lost(self, _error: Exception | None) -> None:
        """The server let it go."""
        self.lost = True

    def tell(self) -> None:
        """Its position, now."""
        if self._transport is not None and not self.lost:
            now = time.time()
            text = EVENT.format(
                number=self.number, now=moment(now), later=moment(now + 300), lat=int(now * 10) % 1000 + self.number * 1000
            )  # fmt: skip
            self._transport.write(text.encode())


async def play(told: dict[str, Any]) -> None:
    """Connects them all, lets them tell their positions evenly spread over each second, answers each line of standard input."""
    loop = asyncio.get_running_loop()
    folder = Path(told["folder"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(folder / "clients.pem")
    context.load_cert_chain(folder / "client.pem")
    gate = asyncio.Semaphore(OPENING)

    async def one(number: int) -> Client:
        async with gate:
            _, client = await loop.create_connection(
                lambda: Client(number), "127.0.0.1", told["port"], ssl=context, server_hostname="localhost",
                ssl_handshake_timeout=60,
            )  # fmt: skip
            return client

    clients = await asyncio.gather(*(one(number) for number in range(told["clients"])))
    sending = asyncio.create_task(_tell(clients))
    print(json.dumps({"open": len(clients)}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        read = [client for client in clients if client.read]
        answer = {
            "bytes": sum(client.bytes for client in clients), "events": sum(client.events for client in read),
            "sampled": sum(client.sampled for client in read), "lost": sum(client.lost for client in clients),
            "ages": [age for client in read for age in client.ages],
        }  # fmt: skip
        for client in clients:
            client.bytes = client.events = client.sampled = 0
            client.ages.clear()
        print(json.dumps(answer), flush=True)
    sending.cancel()


async def _tell(clients: list[Client]) -> None:
    begin, turn = time.monotonic(), 0
    while True:
        clients[turn % len(clients)].tell()
        turn += 1
        await asyncio.sleep(max(0.0, begin + turn * PERIOD_S / len(clients) - time.monotonic()))


def main() -> None:
    """Plays what the first line asks for."""
    import uvloop

    uvloop.run(play(json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
