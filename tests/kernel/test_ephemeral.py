"""The datagram sockets that one machine's processes speak through: who is told, and what a killed process leaves."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from egide.kernel.ephemeral import ENDING, Sockets
from tests.waiting import until


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_each_hears_the_other_and_none_itself(tmp_path: Path) -> None:
    async def both() -> None:
        heard: dict[str, list[bytes]] = {"a": [], "b": []}
        a, b = (Sockets(tmp_path, name, heard[name].append) for name in heard)
        try:
            a.send(b"from a")
            await until(lambda: heard["b"] == [b"from a"])
            assert heard["a"] == []
        finally:
            a.close()
            b.close()

    asyncio.run(both())
    assert names(tmp_path) == set()


def test_a_killed_process_leaves_no_name_and_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    async def start() -> None:
        dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        dead.bind(str(tmp_path / f"dead{ENDING}"))
        dead.close()  # as a kill does: the name stays
        heard: list[bytes] = []
        living = Sockets(tmp_path, "living", heard.append)
        assert names(tmp_path) == {f"living{ENDING}"}
        replacement = Sockets(tmp_path, "replacement", heard.append)
        try:
            assert names(tmp_path) == {f"living{ENDING}", f"replacement{ENDING}"}
            replacement.send(b"here")
            await until(lambda: heard == [b"here"])
        finally:
            replacement.close()
            living.close()

    asyncio.run(start())
