from __future__ import annotations

import socket
import threading
import time
from collections import Counter

import av
import pytest
from tests.ports import free_port
from tests.waiting import PATIENCE_S

from egide.exercise.broadcast import DATAGRAM, DatagramSink, broadcast
from egide.exercise.drone import Drone
from egide.protocols import klv

OPTIONS = {"fflags": "nobuffer+noparse", "probesize": "50000", "analyzeduration": "500000"}


@pytest.fixture
def fly(drone: Drone):
    """Broadcast in a thread of its own until the test ends; gives the port."""
    stop, threads = threading.Event(), []

    def begin(**options) -> int:
        port = free_port()
        thread = threading.Thread(target=broadcast, args=(drone, ("127.0.0.1", port), stop), kwargs=options)
        thread.start()
        threads.append(thread)
        return port

    yield begin
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def receive(port: int, pictures: int):
    """(kinds of streams, video packets, data packets, seconds between the picture and its arrival)."""
    url = f"udp://127.0.0.1:{port}?timeout=5000000&buffer_size=2000000"
    video, data, arrived = [], [], {}
    with av.open(url, options=OPTIONS) as stream:
        kinds = Counter(s.type for s in stream.streams)
        for packet in stream.demux():
            if packet.stream.type == "video":
                video.append((packet.pts, bytes(packet)))
                arrived[packet.pts] = time.time()
            elif packet.stream.type == "data":
                data.append((packet.pts, bytes(packet)))
            if len(video) >= pictures:
                break
    taken = {pts: klv.decode(packet).timestamp / 1e6 for pts, packet in data}
    return kinds, video, data, [arrived[pts] - taken[pts] for pts in arrived if pts in taken]


def test_the_stream_is_video_and_telemetry_all_of_it_sound(fly):
    kinds, video, data, delays = receive(fly(), 60)
    assert kinds == {"video": 1, "data": 1}
    assert all(klv.decode(packet, verify=True).tail == "F-ZEG1" for _, packet in data), "every checksum holds"
    paired = {pts for pts, _ in video} & {pts for pts, _ in data}
    assert len(paired) >= 57, "a picture and its telemetry carry the same time"
    keys = [unit for _, unit in video if b"\0\0\1\x67" in unit and b"\0\0\1\x65" in unit]
    assert len(keys) >= 2, "a key picture with its parameter sets every second"
    assert sorted(delays)[len(delays) // 2] < 0.1


def test_the_pictures_can_be_decoded(fly, drone: Drone):
    with av.open(f"udp://127.0.0.1:{fly()}?timeout=5000000", options={"probesize": "50000"}) as stream:
        for count, frame in enumerate(stream.decode(video=0)):
            assert (frame.width, frame.height) == drone.size
            if count > 10:
                break


def test_a_microphone_can_be_shown_to_be_refused(fly):
    kinds, _, data, _ = receive(fly(audio=True), 20)
    assert kinds == {"video": 1, "data": 1, "audio": 1}
    assert data


def test_telemetry_may_be_rarer(fly):
    _, video, data, _ = receive(fly(telemetry_every=5), 40)
    assert len(video) / 7 < len(data) < len(video) / 3


def test_nobody_listening_is_no_error(drone: Drone):
    assert broadcast(drone, ("127.0.0.1", free_port()), threading.Event(), seconds=0.3) >= 5


def test_the_sink_sends_whole_datagrams():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        sink = DatagramSink(receiver.getsockname())
        sink.write(bytes(DATAGRAM * 2 + 188))
        sink.send()
        sink.send()
        assert [len(receiver.recv(4096)) for _ in range(3)] == [DATAGRAM, DATAGRAM, 188]
        sink.close()
        sink.write(b"x")
        sink.send()  # a closed radio loses what it is given
        assert (sink.sent, sink.lost) == (3, 1)


def test_a_late_drone_leaves_pictures_out_instead_of_lagging(drone: Drone):
    stop = threading.Event()
    numbers = []
    for tick in drone.ticks(stop, 2.0):
        numbers.append(tick.number)
        if len(numbers) == 3:
            time.sleep(1.0)
        if len(numbers) == 6:
            stop.set()
    assert numbers[:3] == [0, 1, 2]
    assert numbers[3] > 20
