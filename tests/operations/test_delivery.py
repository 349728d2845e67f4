"""The ways of a picture to its terminal: fMP4, WebRTC, less of it — and none of them outlives the lease."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import av
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription

from egide.kernel.errors import BadInput, NotFound
from egide.operations.media import frames, webrtc
from egide.operations.viewing import view_of
from tests.footage import footage
from tests.world import INSIDE, Terminal, World

pytestmark = pytest.mark.anyio


def of(terminal: Terminal, kind: int) -> list[bytes]:
    return [frame for frame in terminal.frames if frame[0] == kind]


class Browser:
    """A WebRTC client that is not ours, as a browser would be: it receives one video."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = self.connection.addTransceiver("video", direction="recvonly")
        codecs = RTCRtpReceiver.getCapabilities("video").codecs
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType in ("video/H264", "video/rtx")])
        self.pictures: list[int] = []
        self._reading: asyncio.Task[None] | None = None
        self.connection.on("track", self._on_track)

    def _on_track(self, track: Any) -> None:
        async def read() -> None:
            while True:
                picture = await track.recv()
                self.pictures.append(picture.width)

        self._reading = asyncio.ensure_future(read())

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def take(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def close(self) -> None:
        await self.connection.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


async def watching(world: World, **how: Any) -> tuple[str, Terminal, str]:
    """(order, the officer's terminal, the open watch)."""
    order, _mission, deployment = await world.flying()
    terminal = Terminal(world.person("officer"))
    opened = await world.act("officer", "operations.watch.open", terminal, deployment=deployment, **how)
    return order, terminal, str(opened["watch"])


async def over_webrtc(world: World, terminal: Terminal, watch: str) -> Browser:
    """The picture goes over WebRTC and no more over the socket."""
    browser = Browser()
    given = {"watch": watch, "transport": "webrtc", "offer": await browser.offer()}
    told = await world.act("officer", "operations.watch.deliver", terminal, **given)
    assert "typ host" in told["answer"]
    assert not any(word in told["answer"] for word in ("srflx", "relay")), "host candidates only"
    await browser.take(told["answer"])
    await world.until(lambda: len(browser.pictures) > 5)
    return browser


async def test_fmp4_on_the_same_socket_plays(world: World) -> None:
    _order, terminal, watch = await watching(world, form="fmp4")
    await world.until(lambda: len(of(terminal, frames.FRAGMENT)) > 5)
    assert not of(terminal, frames.VIDEO)
    body = b"".join(f[frames.HEADER.size :] for f in terminal.frames if f[0] in (frames.SEGMENT, frames.FRAGMENT))
    with av.open(io.BytesIO(body)) as movie:
        assert sum(1 for _ in movie.decode(video=0)) > 5
    await world.act("officer", "operations.watch.deliver", terminal, watch=watch, transport="socket")
    await world.until(lambda: len(of(terminal, frames.VIDEO)) > 5)


async def test_webrtc_carries_the_picture_and_the_socket_its_telemetry(world: World) -> None:
    _order, terminal, watch = await watching(world)
    browser = await over_webrtc(world, terminal, watch)
    await world.until(lambda: any(m.get("push") == "watch.clock" for m in terminal.pushed))
    assert of(terminal, frames.TICK)
    before = len(of(terminal, frames.VIDEO))
    told = len(of(terminal, frames.KLV))
    await world.until(lambda: len(of(terminal, frames.KLV)) > told + 3)
    assert len(of(terminal, frames.VIDEO)) == before, "no picture goes twice"

    await world.act("officer", "operations.watch.deliver", terminal, watch=watch, transport="socket")
    await world.until(lambda: len(of(terminal, frames.VIDEO)) > before + 5)
    await world.until(lambda: browser.connection.connectionState in ("closed", "failed"))
    await browser.close()


async def test_over_webrtc_too_the_picture_ends_with_the_lease(world: World) -> None:
    order, terminal, watch = await watching(world)
    browser = await over_webrtc(world, terminal, watch)
    view = view_of(terminal, watch)
    assert view is not None
    asked = asyncio.get_running_loop().time()
    await world.act("prefect", "orders.revoke", order=order, reason="Fin")
    await world.until(lambda: view.over, 2.5)
    took = asyncio.get_running_loop().time() - asked
    await asyncio.sleep(0.3)  # what is on its way may still arrive
    seen = len(browser.pictures)
    await asyncio.sleep(0.4)
    assert len(browser.pictures) == seen, "nothing passes after the end"
    assert took < 2.5
    assert world.kernel.things["relay"].hub.stats(view.source).viewers == 0
    await browser.close()


async def test_a_terminal_that_goes_takes_its_peer_with_it(world: World) -> None:
    _order, terminal, watch = await watching(world)
    browser = await over_webrtc(world, terminal, watch)
    terminal.leave()
    await world.until(lambda: browser.connection.connectionState in ("closed", "failed"))
    await browser.close()


def two_sizes(folder: Path) -> Path:
    """A feed that changes its size, and with it its codec string, at every other second."""
    small = footage(folder, at=INSIDE, seconds=1.0)
    large = footage(folder, at=INSIDE, seconds=1.0, size=(640, 360))
    both = folder / "two-sizes.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    return both


async def test_a_feed_that_changes_its_size_goes_on_over_every_way(world: World) -> None:
    mission = await world.mission(await world.order())
    source = await world.source(url=str(two_sizes(world.folder)))
    deployment = (await world.act("command", "operations.camera.start", source=source, mission=mission))["deployment"]
    units, movie = Terminal(world.person("officer")), Terminal(world.person("command"))
    watch = (await world.act("officer", "operations.watch.open", units, deployment=deployment))["watch"]
    await world.act("command", "operations.watch.open", movie, deployment=deployment, form="fmp4")
    await world.until(lambda: len(of(movie, frames.SEGMENT)) >= 2 and len(of(units, frames.CONFIG)) >= 2)
    told = [json.loads(frame[frames.HEADER.size :]) for frame in of(units, frames.CONFIG)]
    assert {one["width"] for one in told} == {320, 640}
    for frame in of(units, frames.CONFIG)[1:]:
        after = units.frames[units.frames.index(frame) + 1]
        assert frames.unpack(after)[0].key, "a decoder that is told anew starts at a key frame"
    browser = await over_webrtc(world, units, watch)
    await world.until(lambda: {320, 640} <= set(browser.pictures))
    await browser.close()


async def test_where_udp_does_not_pass_the_socket_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "CONNECT_S", 0.3)
    _order, terminal, watch = await watching(world)
    browser = Browser()
    offer = await browser.offer()
    await world.act("officer", "operations.watch.deliver", terminal, watch=watch, transport="webrtc", offer=offer)
    await world.until(lambda: any(m.get("push") == "watch.delivery" for m in terminal.pushed))
    assert next(m for m in terminal.pushed if m.get("push") == "watch.delivery")["transport"] == "socket"
    before = len(of(terminal, frames.VIDEO))
    await world.until(lambda: len(of(terminal, frames.VIDEO)) > before + 5)
    await browser.close()


async def test_modes(world: World) -> None:
    _order, terminal, watch = await watching(world, mode="low")
    await world.until(lambda: len(of(terminal, frames.VIDEO)) >= 3)
    assert all(frames.unpack(f)[0].key for f in of(terminal, frames.VIDEO))
    await world.act("officer", "operations.watch.deliver", terminal, watch=watch, transport="socket", mode="minimal")
    before = len(of(terminal, frames.VIDEO))
    told = len(of(terminal, frames.KLV))
    await world.until(lambda: len(of(terminal, frames.KLV)) > told)
    assert len(of(terminal, frames.VIDEO)) == before
    await world.act("officer", "operations.watch.deliver", terminal, watch=watch, transport="socket")
    await world.until(lambda: len(of(terminal, frames.VIDEO)) > before + 20)


async def test_what_is_not_open_here_cannot_be_changed(world: World) -> None:
    _order, _terminal, watch = await watching(world)
    other = Terminal(world.person("officer"))
    with pytest.raises(NotFound):
        await world.act("officer", "operations.watch.deliver", other, watch=watch, transport="socket")


OFFERS = (
    "", "v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nm=audio 9 X 0\r\n", "m=video 9\r\n", "x" * 20000,
)  # fmt: skip


async def test_offers_that_are_none(world: World) -> None:
    _order, terminal, watch = await watching(world)
    for offer in OFFERS:
        with pytest.raises(BadInput):
            await world.act(
                "officer", "operations.watch.deliver", terminal, watch=watch, transport="webrtc", offer=offer
            )
    before = len(of(terminal, frames.VIDEO))
    await world.until(lambda: len(of(terminal, frames.VIDEO)) > before + 3)


def test_only_udp_hosts_are_followed() -> None:
    lines = [
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=candidate:1 1 udp 2122260223 192.0.2.1 5000 typ host generation 0",
        "a=candidate:2 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active",
        "a=candidate:3 1 udp 1686052607 198.51.100.1 5000 typ srflx raddr 192.0.2.1 rport 5000",
        *(f"a=candidate:{n} 1 udp 1 192.0.2.{n} 5000 typ host" for n in range(4, 40)),
    ]
    kept = webrtc.bounded("\r\n".join(lines)).split("\r\n")
    assert lines[1] in kept
    assert lines[2] not in kept
    assert lines[3] not in kept
    assert len(kept) <= 1 + webrtc.MAX_CANDIDATES
