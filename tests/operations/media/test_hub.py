"""One source, many viewers, nobody waits for the slowest."""

import asyncio
import io
import json
import threading
import time
from dataclasses import replace

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.waiting import AT_ONCE_S

from egide.operations.media import frames
from egide.operations.media.assemble import Assembler
from egide.operations.media.fragments import Cadence
from egide.operations.media.hub import HubLimits, MediaHub
from egide.operations.media.ts import TsDemuxer
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


def test_a_queue_that_does_not_empty_is_let_empty():
    async def body(hub):
        narrow = Sink()
        attachment = hub.attach("s", narrow)
        hub.limits = replace(hub.limits, behind_s=0.05)
        narrow.backlog = hub.limits.small_bytes + 1  # far from the most that may wait, but always there
        hub.publish("s", unit(0))
        await settle()
        assert narrow.numbers == [0]
        await asyncio.sleep(0.06)
        for n in range(1, 15):
            narrow.backlog = hub.limits.small_bytes + 1 if n < 5 else 0
            hub.publish("s", unit(n))
            await settle()
        assert narrow.numbers == [0, 10, 11, 12, 13, 14], "from the next key frame on, once little waits"
        assert attachment.skipped == 4

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
        assert time.perf_counter() - began < AT_ONCE_S

    run(body)


def test_a_weak_link_gets_key_frames_only_or_none_and_less_telemetry():
    async def body(hub):
        whole, low, minimal = Sink(), Sink(), Sink()
        hub.attach("s", whole)
        hub.attach("s", low, mode="low")
        bare = hub.attach("s", minimal, mode="minimal")
        frame = klv.UasFrame(timestamp=1_700_000_000_000_000, heading=1.0)
        for n in range(100):  # 4 s
            hub.publish("s", unit(n))
            hub.publish("s", KlvUnit(n * 40_000, 0, b"", frame, None))
        await settle()
        assert whole.kinds.count(frames.KLV) == 100
        assert low.numbers == list(range(0, 100, 10))
        assert low.kinds.count(frames.KLV) == 4
        assert minimal.numbers == []
        assert minimal.kinds.count(frames.KLV) == 2
        assert sum(len(d) for d in minimal.got) * 8 / 4 < 2000, "bits a second"
        bare.become("units", "normal")
        assert minimal.numbers == list(range(90, 100)), "the picture comes back at once, from the last key frame on"
        assert whole.numbers == list(range(100))

    run(body)


def test_ticks_tell_a_picture_s_times_without_the_picture():
    async def body(hub):
        sink = Sink()
        hub.attach("s", sink, form="ticks")
        for n in range(3):
            hub.publish("s", unit(n))
        await settle()
        assert sink.kinds == [frames.CONFIG] + [frames.TICK] * 3
        assert [frames.unpack(d)[0].pts_us for d in sink.got[1:]] == [0, 40_000, 80_000]
        assert all(len(d) == frames.HEADER.size for d in sink.got[1:])

    run(body)


def units_of(synthetic, **how):
    """Units of a clip that FFmpeg encoded."""
    demuxer, assembler = TsDemuxer(), Assembler()
    samples = [*demuxer.push(synthetic.make_ts(**how)), *demuxer.flush()]
    return [u for sample in samples for u in assembler.push(sample) if isinstance(u, Unit)]


def played(got):
    """The pictures a player shows of what an fMP4 viewer was sent: [(width, seconds)]."""
    body = b"".join(bytes(frames.unpack(d)[1]) for d in got if d[0] in (frames.SEGMENT, frames.FRAGMENT))
    with av.open(io.BytesIO(body)) as movie:
        return [(f.width, float(f.pts * f.time_base)) for f in movie.decode(video=0)]


def test_an_fmp4_viewer_gets_a_movie_that_ffmpeg_plays_made_once_for_all(synthetic):
    async def body(hub):
        one, two, late = Sink(), Sink(), Sink()
        hub.attach("s", one, form="fmp4")
        hub.attach("s", two, form="fmp4")
        units = units_of(synthetic, pictures=25, gop=10)
        for each in units:
            hub.publish("s", each)
        await settle()
        assert one.kinds[:3] == [frames.CONFIG, frames.SEGMENT, frames.FRAGMENT]
        assert all(a is b for a, b in zip(one.got, two.got, strict=True))
        assert [t for _, t in played(one.got)] == pytest.approx([u.pts_us / 1e6 for u in units])
        hub.attach("s", late, form="fmp4")
        assert [t for _, t in played(late.got)] == pytest.approx([u.pts_us / 1e6 for u in units[20:]])

    run(body)


def test_a_change_of_size_midway_is_a_new_segment(synthetic):
    async def body(hub):
        sink = Sink()
        hub.attach("s", sink, form="fmp4")
        small = units_of(synthetic, pictures=10, size=(320, 240))
        large = units_of(synthetic, pictures=10, size=(640, 360))
        after = small[-1].dts_us + 40_000
        for each in [*small, *(replace(u, pts_us=u.pts_us + after, dts_us=u.dts_us + after) for u in large)]:
            hub.publish("s", each)
        await settle()
        assert sink.kinds.count(frames.SEGMENT) == 2
        second = sink.kinds.index(frames.SEGMENT, 3)
        assert sink.kinds[second - 1] == frames.CONFIG
        assert {w for w, _ in played(sink.got[:second])} == {320}
        assert {w for w, _ in played(sink.got[second:])} == {640}

    run(body)


def test_a_picture_that_no_movie_can_hold_is_a_lost_one():
    async def body(hub):
        sink = Sink()
        attachment = hub.attach("s", sink, form="fmp4")
        hub.publish("s", unit(0))  # no parameter sets in it
        await settle()
        assert (sink.kinds, attachment.skipped, attachment.open) == ([frames.CONFIG], 1, True)

    run(body)


@given(st.lists(st.integers(-50_000, 3_000_000), min_size=1, max_size=60))
def test_decoding_time_never_makes_a_player_drop_pictures(steps):
    cadence, at, last, duration = Cadence(), 0, None, 0
    for step in steps:
        at = max(0, at + step)
        time, more = cadence(Unit(at, at, 0, False, b"", SMALL))
        assert time <= at, "a picture is never shown before it is decoded"
        if last is not None and step > 0 and time > last:
            assert time - last <= 2 * duration
        last, duration = time, more
        assert 0 < duration <= 1_000_000


def test_nine_pictures_on_one_stalled_terminal_slow_neither_the_sources_nor_the_others():
    async def body(hub):
        stalled, quick = Sink(), [Sink() for _ in range(9)]
        attachments = []
        for n in range(9):
            attachments.append(hub.attach(f"s{n}", stalled))  # one socket for all nine: their bytes add up
            hub.attach(f"s{n}", quick[n])
        stalled.pending = lambda: sum(len(d) for d in stalled.got)  # takes nothing at all
        for number, attachment in enumerate(attachments):
            attachment.pending = stalled.pending
            assert hub.stats(f"s{number}").viewers == 2
        begin = time.monotonic()
        for n in range(300):
            for s in range(9):
                hub.publish(f"s{s}", unit(n, size=8000))
            await settle()
        took = time.monotonic() - begin
        assert all(sink.numbers == list(range(300)) for sink in quick)
        assert stalled.pending() < hub.limits.viewer_bytes + 9 * 8100, "bounded, whatever the number of pictures"
        assert all(attachment.skipped > 200 for attachment in attachments)
        assert took < 300 / 25, "nine sources at 25 pictures a second each would still be on time"

    run(body)
