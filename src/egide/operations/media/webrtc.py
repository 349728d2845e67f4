"""A picture over WebRTC: the camera's own packets in RTP, lost ones sent again, nothing decoded and nothing encoded.

Why beside the WebSocket: TCP delivers everything in order, so that on a link which loses packets each loss holds up all that
comes after it.  Here a lost packet costs one picture a round trip, or is given up.
Sources: RFC 8829 (offer and answer), RFC 6184 (H.264), RFC 4585 (NACK), through aiortc.  Host candidates only: no STUN or TURN
server is ever asked, so nobody outside learns who watches; where UDP does not pass, the picture stays on the WebSocket.
What an offer may say is bounded here before aiortc reads it: one video line, no sound, few candidates, none but UDP hosts.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any, Final

import av

from egide.operations.media import frames

_log = logging.getLogger(__name__)

MAX_OFFER: Final = 16 * 1024
"""Bytes; a browser's offer of one video line is about 4 KiB."""
MAX_CANDIDATES: Final = 8
CONNECT_S: Final = 8.0
"""Seconds for ICE and DTLS; past it UDP is taken to be blocked."""
MICROSECOND: Final = Fraction(1, 1_000_000)
_HOST_CANDIDATE: Final = re.compile(
    r"a=candidate:\S{1,32} \d{1,3} udp \d{1,10} [0-9A-Za-z.:-]{1,64} \d{1,5} typ host\b.*", re.IGNORECASE
)


class WebRtcError(ValueError):
    """This offer cannot be answered."""


def bounded(offer: str) -> str:
    """The offer with nothing in it that we would not follow.  Raises WebRtcError when it asks for anything but one video line."""
    if len(offer) > MAX_OFFER:
        raise WebRtcError("the offer is too long")
    lines = offer.replace("\r\n", "\n").split("\n")
    media = [line.split(" ", 1)[0] for line in lines if line.startswith("m=")]
    if media != ["m=video"]:
        raise WebRtcError("an offer has one video line and nothing else: there is no sound here")
    kept, candidates = [], 0
    for line in lines:
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > MAX_CANDIDATES or not _HOST_CANDIDATE.fullmatch(line):
                continue
        kept.append(line)
    return "\r\n".join(kept)


def _track(peer: Peer) -> Any:
    """What aiortc draws packets from."""
    from aiortc.mediastreams import MediaStreamError, MediaStreamTrack  # noqa: PLC0415 — see `Peer`

    class Track(MediaStreamTrack):
        kind = "video"

        async def recv(self) -> av.Packet[Any]:
            packet = await peer.next()
            if packet is None:
                raise MediaStreamError
            return packet

    return Track()


class Peer:
    """One viewer: a sink of the hub on one side, a peer connection on the other.

    `on_open` is called once when pictures can pass, `on_clock(zero)` when the RTP time of the stream's moment 0 is known,
    `on_end` once when the connection is over for any reason but `close`.

    aiortc is imported where it is used: a part of it asks the system for a library, by a process, when it is imported.
    """

    def __init__(
        self, on_open: Callable[[], None], on_clock: Callable[[int], None], on_end: Callable[[], None]
    ) -> None:
        from aiortc import RTCConfiguration, RTCPeerConnection  # noqa: PLC0415 — see above

        self._on_open, self._on_clock, self._on_end = on_open, on_clock, on_end
        self._connection: Any = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._sender: Any = self._connection.addTrack(_track(self))
        self._queue: deque[tuple[frames.Header, bytes]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._last: frames.Header | None = None
        self._sent: int | None = None  # the presentation time of the last picture handed over
        self._told = self._opened = self._over = False
        self._patience: asyncio.TimerHandle | None = None
        self._connection.on("connectionstatechange", self._changed)

    async def answer(self, offer: str) -> str:
        """The answer to a browser's offer (SDP).  Raises WebRtcError; the peer is closed then."""
        from aiortc import RTCRtpSender, RTCSessionDescription  # noqa: PLC0415 — see above

        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(bounded(offer), "offer"))
            h264 = [
                c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType in ("video/H264", "video/rtx")
            ]
            self._connection.getTransceivers()[0].setCodecPreferences(h264)
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except WebRtcError:
            await self.close()
            raise
        except Exception as problem:  # aiortc reads the offer with whatever its parser raises
            await self.close()
            raise WebRtcError("the offer cannot be read, or has no H.264 that we speak") from problem
        self._patience = asyncio.get_running_loop().call_later(CONNECT_S, self._give_up)
        sdp: str = self._connection.localDescription.sdp
        return sdp

    def send(self, data: bytes) -> None:
        """Queue one frame of the hub; only pictures go this way."""
        header, _ = frames.unpack(data)
        if header.kind != frames.VIDEO or self._over:
            return
        if self._last is not None and header.pts_us < self._last.pts_us:
            self._end()  # pictures out of order (B-frames) have no place in WebRTC
            return
        self._last = header
        self._queue.append((header, data))
        self._bytes += len(data)
        self._wake.set()

    def pending(self) -> int:
        """Bytes not handed to the network yet."""
        return self._bytes

    async def next(self) -> av.Packet[Any] | None:
        """The next packet for aiortc; None when the peer is over."""
        self._learn_clock()
        while not self._queue:
            if self._over:
                return None
            self._wake.clear()
            await self._wake.wait()
        header, data = self._queue.popleft()
        self._bytes -= len(data)
        packet = av.Packet(data[frames.HEADER.size :])
        packet.pts, packet.time_base = header.pts_us, MICROSECOND
        self._sent = header.pts_us
        return packet

    async def close(self) -> None:
        """Nothing passes any more from here on; then the connection goes.  Any number of times."""
        self._over = True
        self._queue.clear()
        self._bytes = 0
        self._wake.set()
        if self._patience is not None:
            self._patience.cancel()
        with suppress(Exception):  # its sockets may be half open: there is nothing left to save
            await self._connection.close()

    def _learn_clock(self) -> None:
        """To RTP times aiortc adds a random number and tells nobody; from the last packet sent it can be found.

        Where a later aiortc names it otherwise, the page does without: no delay figure and no telemetry over WebRTC.
        """
        shown = getattr(self._sender, "_RTCRtpSender__rtp_timestamp", 0)
        if self._told or not shown or self._sent is None:
            return
        self._told = True
        self._on_clock((shown - self._sent * 9 // 100) & 0xFFFFFFFF)

    def _changed(self) -> None:
        state = self._connection.connectionState
        if state == "connected" and not self._opened and not self._over:
            self._opened = True
            if self._patience is not None:
                self._patience.cancel()
            self._on_open()
        elif state in ("failed", "closed"):
            self._end()

    def _give_up(self) -> None:
        if not self._opened:
            self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._wake.set()
            self._on_end()
