"""Peer: aiortc passing the same H.264 on over WebRTC, without transcoding, as thin as it gets.

python -m egide.bench.peers.webrtc UDP_PORT    reads {"offer": sdp}, prints {"answer": sdp}, then sends
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any


async def play(port: int) -> None:
    """Answers one offer and passes packets on."""
    import av
    from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

    loop = asyncio.get_running_loop()

    class Pass(MediaStreamTrack):
        kind = "video"

        def __init__(self) -> None:
            super().__init__()
            self.queue: asyncio.Queue[Any] = asyncio.Queue()

        async def recv(self) -> Any:
            return await self.queue.get()

    track = Pass()

    def receive() -> None:
        options = {"fflags": "nobuffer", "flags": "low_delay", "probesize": "50000", "analyzeduration": "500000"}
        with av.open(f"udp://127.0.0.1:{port}", options=options) as source:
            waiting = True
            for packet in source.demux(video=0):
                waiting = waiting and not packet.is_keyframe
                if packet.size and not waiting:
                    loop.call_soon_threadsafe(track.queue.put_nowait, packet)

    print(json.dumps({"ready": port}), flush=True)
    told = json.loads(await asyncio.to_thread(sys.stdin.readline))
    connection = RTCPeerConnection()
    sender = connection.addTrack(track)
    h264 = [codec for codec in RTCRtpSender.getCapabilities("video").codecs if codec.mimeType == "video/H264"]
    next(each for each in connection.getTransceivers() if each.sender is sender).setCodecPreferences(h264)
    await connection.setRemoteDescription(RTCSessionDescription(told["offer"], "offer"))
    await connection.setLocalDescription(await connection.createAnswer())
    threading.Thread(target=receive, daemon=True).start()
    print(json.dumps({"answer": connection.localDescription.sdp}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await connection.close()


def main() -> None:
    """Plays, or says that aiortc is absent."""
    try:
        import aiortc  # noqa: F401 — asked for first, so that its absence is told
    except ImportError as error:
        print(json.dumps({"absent": error.name}), flush=True)
        return
    asyncio.run(play(int(sys.argv[1])))


if __name__ == "__main__":
    main()
