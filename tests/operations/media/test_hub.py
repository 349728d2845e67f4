"""One source, many viewers, nobody waits for the slowest."""

import asyncio
import json
import threading
import time

import pytest

from egide.operations.media import frames
from egide.operations.media.hub import HubLimits, MediaHub
from egide.operations.media.units import KlvUnit, Unit, VideoConfig
from egide.protocols import klv

SMALL, LARGE = VideoConfig("avc1.42C01E", 320, 240), VideoConfig("avc1.42C01F", 640, 360)


def unit(number, *, key=None, size=1000, config=SMALL, changed=False):
    key = number % 10 == 0 if key is None else key
    return Unit(number * 40_000, number * 40_000, 0, key, bytes([number % 256]) * size, config, changed)


class Sink:
    """A viewer that takes everything and passes it on when told to."""

    def __init__(self):
        self.got, self.backlog, self.fail = [], 0, False

    def send(self, data):
        if self.fail:
            raise ConnectionResetError
        self.got.append(data)

    def pending(self):
        return self.backlog

    @property
    def kinds(self):
        return [frames.unpack(d)[0].kind for d in self.got]

    @property
    def numbers(self):
        return [frames.unpack(d)[0].pts_us // 40_000 for d in self.got if d[0] == frames.VIDEO]


def run(body):
    async def main():
        hub = MediaHub()
        try:
            await body(hub)
        finally:
            hub.close()

    asyncio.run(main())


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_viewer_gets_configuration_then_every_picture_with_the_same_bytes():
    async def body(hub):
        one, two = Sink(), Sink()
        hub.attach("s", one)
        hub.attach("s", two)
        for n in range(12):
            hub.publish("s", unit(n, changed=n == 0))
        await settle()
        assert one.kinds == [1] + [2] * 12
        assert all(a is b for a, b in zip(one.got, two.got, strict=True))
        header, payload = frames.unpack(one.got[0])
        assert json.loads(bytes(payload)) == {"codec": "avc1.42C01E", "width": 320, "height": 240}
        assert header.stream == hub.stream("s")
        assert frames.unpack(one.got[1])[0].key
        assert not frames.unpack(one.got[2])[0].key

    run(body)


def test_who_joins_late_starts_at_the_last_key_frame():
    async def body(hub):
        for n in range(25):
            hub.publish("s", unit(n))
        await settle()
        late = Sink()
        hub.attach("s", late)
        assert late.kinds[0] == frames.CONFIG
        assert late.numbers == [20, 21, 22, 23, 24]
        assert frames.unpack(late.got[1])[0].key
        hub.publish("s", unit(25))
        await settle()
        assert late.numbers[-1] == 25

    run(body)


def test_nothing_before_a_key_frame():
    async def body(hub):
        sink = Sink()
        hub.attach("s", sink)
        for n in range(5, 12):
            hub.publish("s", unit(n))
        await settle()
        assert sink.numbers == [10, 11]

    run(body)


def test_a_slow_viewer_skips_to_a_key_frame_and_disturbs_nobody():
    async def body(hub):
        slow, quick = Sink(), Sink()
        attachment = hub.attach("s", slow)
        hub.attach("s", quick)
        for n in range(40):
            slow.backlog = hub.limits.viewer_bytes + 1 if 13 <= n < 25 else 0
            hub.publish("s", unit(n, config=LARGE if n >= 20 else SMALL))
            await settle()
        assert quick.numbers == list(range(40))
        assert slow.numbers == [*range(13), *range(30, 40)]
        assert attachment.skipped > 0
        resumed = slow.got[14:16]
        assert [frames.unpack(d)[0].kind for d in resumed] == [frames.CONFIG, frames.VIDEO]
        assert json.loads(bytes(frames.unpack(resumed[0])[1]))["width"] == 640

    run(body)


def test_a_broken_viewer_is_let_go_alone():
    async def body(hub):
        bad, good, ended = Sink(), Sink(), []
        hub.attach("s", bad, on_end=lambda: ended.append(1))
        hub.attach("s", good)
        hub.publish("s", unit(0))
        await settle()
        bad.fail = True
        hub.publish("s", unit(1))
        hub.publish("s", unit(2))
        await settle()
        assert good.numbers == [0, 1, 2]
        assert ended == [1]
        assert hub.stats("s").viewers == 1

    run(body)


def test_closing_is_at_once_even_for_queued_frames():
    async def body(hub):
        sink = Sink()
        attachment = hub.attach("s", sink)
        viewer = hub.subscribe("s")
        hub.publish("s", unit(0))
        await settle()
        assert viewer.pending() > 0
        hub.publish("s", unit(1))
        attachment.close()
        viewer.close()
        await settle()
        assert sink.numbers == [0]
        assert [frame async for frame in viewer] == []

    run(body)


def test_the_queue_of_a_viewer_is_bounded_and_resumes_at_a_key_frame():
    async def body(hub):
        hub.limits = HubLimits(viewer_frames=16, viewer_bytes=1 << 20)
        viewer = hub.subscribe("s")
        for n in range(35):
            hub.publish("s", unit(n))
            await settle()
        assert len(viewer._queue) <= 17
        got = []
        async for frame in viewer:
            got.append(frame)
            if not viewer._queue:
                break
        for n in range(35, 42):
            hub.publish("s", unit(n))
        await settle()
        more = await anext(viewer)
        more = await anext(viewer) if more[0] == frames.CONFIG else more
        assert frames.unpack(more)[0].pts_us == 40 * 40_000
        viewer.close()

    run(body)


def test_metadata_is_decoded_json_and_broken_metadata_is_not_published():
    async def body(hub):
        sink = Sink()
        hub.attach("s", sink)
        hub.publish("s", unit(0))
        frame = klv.UasFrame(timestamp=1_700_000_000_000_000, heading=90.0)
        hub.publish("s", KlvUnit(7, 8, b"raw", frame, None))
        hub.publish("s", KlvUnit(9, 10, b"raw", None, "wrong checksum"))
        await settle()
        assert sink.kinds == [1, 2, 3]
        header, payload = frames.unpack(sink.got[-1])
        assert (header.pts_us, header.capture_us) == (7, 8)
        assert json.loads(bytes(payload)) == klv.to_json(frame)

    run(body)


def test_the_end_tells_why_and_lets_everyone_go():
    async def body(hub):
        sink, ended = Sink(), []
        hub.attach("s", sink, on_end=lambda: ended.append(1))
        viewer = hub.subscribe("s")
        hub.publish("s", unit(0))
        hub.end("s", "order", "L'arrêté a pris fin.", "The order has ended.")
        await settle()
        assert sink.kinds == [1, 2, 5]
        assert json.loads(bytes(frames.unpack(sink.got[-1])[1]))["fr"].startswith("L'arrêté")
        assert [frame[0] async for frame in viewer] == [1, 2, 5]
        assert ended == [1]
        assert hub.stats("s").ring_bytes == 0
        hub.publish("s", unit(10))
        await settle()
        assert len(sink.got) == 3

    run(body)


def test_the_ring_is_bounded():
    async def body(hub):
        hub.limits = HubLimits(ring_bytes=5000)
        for n in range(30):
            hub.publish("s", unit(n, key=n == 0))
        await settle()
        assert hub.stats("s").ring_bytes <= 5000
        late = Sink()
        hub.attach("s", late)
        assert late.got == []

    run(body)


def test_a_busy_event_loop_does_not_fill_the_memory():
    async def body(hub):
        hub.limits = HubLimits(inbox_bytes=100_000)
        sink = Sink()
        hub.attach("s", sink)
        for n in range(500):  # the loop never gets a turn meanwhile
            hub.publish("s", unit(n))
        assert hub._inbox_bytes < 110_000
        await settle()
        for n in range(500, 520):
            hub.publish("s", unit(n))
        await settle()
        assert sink.numbers[-10:] == list(range(510, 520))
        after = [b for a, b in zip(sink.numbers, sink.numbers[1:], strict=False) if b != a + 1]
        assert all(n % 10 == 0 for n in after)

    run(body)


def test_streams_have_different_numbers_and_forgetting_frees_them():
    async def body(hub):
        assert [hub.stream("a"), hub.stream("b"), hub.stream("a")] == [1, 2, 1]
        sink = Sink()
        hub.attach("a", sink)
        hub.forget("a")
        assert hub.stream("c") == 1
        hub.publish("c", unit(0))
        await settle()
        assert sink.got == []

    run(body)


def test_wire_gives_whole_websocket_messages_made_once():
    async def body(hub):
        one, two, bare = Sink(), Sink(), Sink()
        hub.attach("s", one, wire=True)
        hub.attach("s", two, wire=True)
        hub.attach("s", bare)
        hub.publish("s", unit(0, size=70_000))
        await settle()
        assert one.got[1] is two.got[1]
        assert one.got == [frames.websocket(f) for f in bare.got]

    run(body)


def test_publishing_from_threads_reaches_the_loop_in_order():
    async def body(hub):
        sinks = {name: Sink() for name in "ab"}
        for name, sink in sinks.items():
            hub.attach(name, sink)

        def feed(name):
            for n in range(50):
                hub.publish(name, unit(n))
                time.sleep(0.0005)

        threads = [threading.Thread(target=feed, args=(name,)) for name in sinks]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await settle()
        assert all(sink.numbers == list(range(50)) for sink in sinks.values())

    run(body)


def test_publishing_after_the_loop_has_gone_is_harmless():
    kept = []

    async def body(hub):
        kept.append(hub)

    run(body)
    kept[0]._closed = False
    kept[0].publish("s", unit(0))
    kept[0].publish("s", unit(1))


@pytest.mark.parametrize("count", [200])
def test_from_arrival_to_every_viewer_is_quick(count):
    """Arrival in the ingest's thread to the last of 200 sinks: generous here, the bench gives the figure."""

    async def body(hub):
        sinks = [Sink() for _ in range(count)]
        for sink in sinks:
            hub.attach("s", sink)
        began = time.perf_counter()
        await asyncio.to_thread(hub.publish, "s", unit(0, size=8000))
        await settle()
        assert sinks[-1].got
        assert time.perf_counter() - began < 0.5

    run(body)
