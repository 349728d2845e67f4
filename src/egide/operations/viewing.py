"""One open picture: the lease it lives on, and the way it goes to its terminal.

The way may change while the picture stays open — WebSocket, fMP4 on the same socket, WebRTC beside it; everything, key frames, or
no picture at all — and all of it ends with the lease, at once, whatever the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from egide.kernel.errors import BadInput, Text
from egide.kernel.leases import Lease
from egide.operations.media.hub import Attachment, Form, Mode

if TYPE_CHECKING:
    from egide.operations.media.hub import MediaHub
    from egide.operations.media.webrtc import Peer

Transport = Literal["socket", "fmp4", "webrtc"]
SMALL = 64 * 1024  # bytes that are nobody's fault
FORMS: dict[str, Form] = {"socket": "units", "fmp4": "fmp4"}


class Sink:
    """Between hub and terminal: a frame passes only while the lease lives."""

    def __init__(self, lease: Lease, way: Any) -> None:
        self._lease = lease
        self._send = way.send
        self.pending = way.pending

    def shared(self, channel: Any) -> Sink:
        """The same for one of several pictures on a terminal: of what waits for it, each answers for its part."""
        pending = self.pending

        def part() -> int:
            waiting = int(pending())
            return waiting if waiting < SMALL else waiting // max(1, len(getattr(channel, "watches", ())))

        self.pending = part
        return self

    def send(self, data: bytes) -> None:
        """Pass one frame on, or not."""
        if self._lease.alive():
            self._send(data)


class View:
    """A picture that is open on a terminal.  `on_close(why)` is called once, however it ends (gone, ended, refused, closed)."""

    def __init__(
        self, hub: MediaHub, lease: Lease, channel: Any, source: str, on_close: Callable[[str], None],
        form: Form = "units", mode: Mode = "normal",
    ) -> None:  # fmt: skip
        self.lease, self.source, self.channel = lease, source, channel
        self._hub, self._on_close = hub, on_close
        self._form, self._mode = form, mode
        self._attachment: Attachment | None = None
        self._peer: Peer | None = None
        self._beside: Attachment | None = None  # what the peer gets of the source
        self._tasks: set[asyncio.Task[None]] = set()
        self.over = False

    @property
    def transport(self) -> Transport:
        """The way the picture goes now."""
        if self._beside is not None:
            return "webrtc"
        return "fmp4" if self._form == "fmp4" else "socket"

    def start(self) -> None:
        """The picture begins."""
        self._attachment = self._hub.attach(
            self.source, Sink(self.lease, self.channel).shared(self.channel), on_end=lambda: self.close("ended"),
            form=self._form, mode=self._mode,
        )  # fmt: skip

    def close(self, why: str) -> None:
        """The picture is gone when this returns; any number of times."""
        if self.over:
            return
        self.over = True
        getattr(self.channel, "watches", {}).pop(self.lease.id, None)
        if self._attachment is not None:
            self._attachment.close()
        self._drop_peer()
        self._on_close(why)

    async def negotiate(self, offer: str) -> tuple[Peer, str]:
        """A peer for this offer and its answer; nothing passes until `pass_to`.  Raises BadInput."""
        from egide.operations.media.webrtc import Peer, WebRtcError  # noqa: PLC0415 — aiortc loads with the first who needs it

        def ended() -> None:
            if self._peer is peer:
                self._back()

        peer = Peer(lambda: self._opened(peer), self._clock, ended)
        try:
            return peer, await peer.answer(offer)
        except WebRtcError as error:
            raise BadInput(
                Text(f"Proposition WebRTC refusée : {error}.", f"WebRTC offer refused: {error}."),
                Text("L’image continue par le lien ordinaire.", "The picture goes on over the ordinary link."),
            ) from error

    def pass_to(self, peer: Peer) -> None:
        """The peer may have the picture as soon as its connection stands; until then the socket carries it."""
        if self.over:
            self._later(peer.close())
            return
        self._drop_peer()
        self._peer = peer

    def become(self, transport: Transport, mode: Mode) -> None:
        """Another way over the socket, or more or less of the picture."""
        self._mode = mode
        if transport != "webrtc":
            self._form = FORMS[transport]
            self._drop_peer()
        if self._beside is not None:
            self._beside.become("units", mode)
        if self._attachment is not None:
            self._attachment.become("ticks" if self._beside is not None else self._form, mode)

    def _opened(self, peer: Peer) -> None:
        if self.over or peer is not self._peer:
            return
        self._beside = self._hub.attach(self.source, Sink(self.lease, peer), mode=self._mode)
        if self._attachment is not None:
            self._attachment.become("ticks", self._mode)

    def _clock(self, zero: int) -> None:
        self.channel.push({"push": "watch.clock", "watch": self.lease.id, "zero": zero})

    def _back(self) -> None:
        """The peer is gone: the socket carries the picture again, and the page is told."""
        self._drop_peer()
        if self._attachment is not None and not self.over:
            self._attachment.become(self._form, self._mode)
            self.channel.push({"push": "watch.delivery", "watch": self.lease.id, "transport": self.transport})

    def _drop_peer(self) -> None:
        peer, self._peer = self._peer, None
        if self._beside is not None:
            self._beside.close()
            self._beside = None
        if peer is not None:
            self._later(peer.close())

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def view_of(channel: Any, watch: str) -> View | None:
    """The picture of that id which is open on this terminal."""
    found: View | None = getattr(channel, "watches", {}).get(watch)
    return found
