"""An address checked before it is added: the sentences of `egide source check`, by an act, and never more than a few at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from egide.kernel.errors import BadInput, Conflict
from egide.operations import examining
from egide.operations.media.examine import Measured
from tests.footage import footage
from tests.operations.test_sources import sending
from tests.ports import free_port
from tests.world import INSIDE, World

pytestmark = pytest.mark.anyio
ACT = "operations.source.examine"


async def test_what_a_camera_sends_is_said_without_its_secrets(world: World) -> None:
    port = free_port()
    with sending(f"tcp://127.0.0.1:{port}?listen", footage(world.folder.parent, at=INSIDE)):
        found = await world.act("command", ACT, url=f"tcp://127.0.0.1:{port}")
    assert (found["address"], found["verdict"]) == (f"tcp://127.0.0.1:{port}", "remarks"), found
    assert any(
        each["code"] == "video" and each["mark"] == "good" and "H.264" in each["fr"] for each in found["remarks"]
    )
    assert str(INSIDE[0]) not in repr(found), "where the aircraft is, is not part of the answer"


async def test_nobody_there(world: World) -> None:
    found = await world.act("administrator", ACT, url=f"rtsp://chef:secret@127.0.0.1:{free_port()}/path/key")
    assert found["verdict"] == "unusable"
    assert [(each["code"], each["mark"]) for each in found["remarks"]] == [("unreachable", "wrong")]
    assert "Vérifiez que la caméra est allumée" in found["remarks"][0]["do_fr"]
    assert "secret" not in repr(found)
    assert "key" not in found["address"]


async def test_only_who_may_add_a_source_may_ask_and_no_file_is_opened(world: World) -> None:
    assert await world.refused("officer", ACT, url="udp://127.0.0.1:5600")
    for url in ("/etc/hostname", "file:///etc/hostname", "http://127.0.0.1/", "udp://" + "x" * 2_000):
        with pytest.raises(BadInput, match="not the address of a camera"):
            await world.act("command", ACT, url=url)


async def test_a_look_without_end_is_given_up_and_few_run_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def endless(url: str, _seconds: float) -> Measured:
        ended.wait(20)
        return Measured(url, "udp")

    monkeypatch.setattr(examining, "measure", endless)
    monkeypatch.setattr(examining, "PATIENCE_S", 0.1)
    for _ in range(examining.AT_ONCE):
        found = await world.act("command", ACT, url="udp://127.0.0.1:5600")
        assert [each["code"] for each in found["remarks"]] == ["silent"]
    with pytest.raises(Conflict, match="being checked"):
        await world.act("command", ACT, url="udp://127.0.0.1:5600")
    ended.set()
    running: set[asyncio.Task[Measured]] = world.kernel.things["examining"]
    await world.until(lambda: not running)
