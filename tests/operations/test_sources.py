"""Sources of every kind through the one door: started, watched, and refused by the article where they carry sound."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from egide.exercise.links import sink_of
from egide.kernel.errors import BadInput, Conflict
from tests.conftest import missing
from tests.footage import footage
from tests.ports import free_port
from tests.waiting import PATIENCE_S
from tests.world import INSIDE, Terminal, World

pytestmark = pytest.mark.anyio


@contextmanager
def sending(url: str, clip: Path) -> Iterator[None]:
    """Sends a clip of two seconds over a link, again and again."""
    stop, data = threading.Event(), clip.read_bytes()
    pieces = [data[at : at + 1316] for at in range(0, len(data), 1316)]

    def run() -> None:
        sink = sink_of(url)
        while not stop.is_set():
            for piece in pieces:
                if stop.wait(2 / len(pieces)):
                    break
                sink.write(piece)
                sink.send()
        sink.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)


async def test_a_tcp_source_is_started_and_watched(world: World) -> None:
    port = free_port()
    with sending(f"tcp://127.0.0.1:{port}?listen", footage(world.folder.parent, at=INSIDE)):
        source = await world.source(kind="tcp", url=f"tcp://127.0.0.1:{port}")
        mission = await world.mission(await world.order())
        started = await world.act("command", "operations.camera.start", source=source, mission=mission)
        terminal = Terminal(world.person("officer"))
        await world.act("officer", "operations.watch.open", terminal, deployment=started["deployment"])
        await world.until(lambda: sum(frame[0] == 2 for frame in terminal.frames) > 5)
        assert any(frame[0] == 3 for frame in terminal.frames), "telemetry travels with the picture"


async def test_sound_by_srt_is_refused_by_the_article(world: World) -> None:
    if shutil.which("ffmpeg") is None:
        missing("ffmpeg is not installed: apt install ffmpeg")
    port = free_port()
    clip = footage(world.folder.parent, at=INSIDE, audio=True, seconds=4.0)
    with sending(f"srt://127.0.0.1:{port}?mode=listener", clip):
        source = await world.source(kind="srt", url=f"srt://127.0.0.1:{port}", audio=True)
        mission = await world.mission(await world.order())
        assert await world.refused("command", "operations.camera.start", source=source, mission=mission) == [
            "CSI-242-4-b"
        ]


async def test_without_ffmpeg_the_card_says_what_to_install(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egide.operations.media.child.shutil.which", lambda _name: None)
    source = await world.source(kind="rtmp", url="rtmp://127.0.0.1/live/key")
    checked = await world.act("command", "operations.source.check", source=source)
    assert checked["state"] == "failed"
    assert "apt install ffmpeg" in checked["detail"]["fr"]
    mission = await world.mission(await world.order())
    with pytest.raises(Conflict, match="apt install ffmpeg"):
        await world.act("command", "operations.camera.start", source=source, mission=mission)


async def test_what_is_no_source_is_said(world: World) -> None:
    with pytest.raises(BadInput, match="Unknown"):
        await world.source(kind="gopher")
    for tag in ("mavlink", "mavlink:0", "mavlink:14550:999"):
        with pytest.raises(BadInput, match="Unknown"):
            await world.source(tags=(tag,))


async def test_a_source_that_is_removed_leaves_nothing_behind(world: World) -> None:
    """Sources come and go for years: each number serves again, and nobody is told the name of one that is no more."""
    signed = await world.order()
    mission, relay = await world.mission(signed), world.kernel.things["relay"]
    seen = []
    for name in ("Drone 1", "Drone 2"):
        source = await world.source(name=name)
        started = await world.act("command", "operations.camera.start", source=source, mission=mission)
        await world.until(lambda: relay.positions.place(source) is not None)  # noqa: B023 — asked at once
        seen.append(relay.hub.stream(source))
        await world.act("command", "operations.camera.stop", deployment=started["deployment"], reason="Relève")
        await world.act("command", "operations.source.remove", source=source)
        await world.until(lambda: source not in dict(relay.states()))  # noqa: B023
    assert seen[0] == seen[1]
    terminal = Terminal(world.person("command"))
    await world.act("command", "operations.track.subscribe", terminal)
    assert [told for told in terminal.pushed if told["push"] == "entities"] == [{"push": "entities", "entities": []}]
