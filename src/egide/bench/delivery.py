"""The other ways of the picture, in a real browser: fMP4, WebRTC, and a link that loses packets.

The bad link is the exercise's own (exercise/impairment.py), told to the browser in two ways: its host rules lead the page's
connections through the relay for TCP, so that page, socket and picture cross it under their own address; and a script before the
page's own leads WebRTC through the relay for datagrams, by writing the relay's addresses into offer and answer. Neither page nor
platform knows of it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from itertools import pairwise
from statistics import median
from typing import Any, TypeVar

from egide.bench import flying
from egide.bench.measure import Bench, BenchError, percentile, row
from egide.bench.platform import Platform, platform
from egide.exercise.impairment import ConnectionRelay, DatagramRelay, Impairment

T = TypeVar("T")
LOSSY = Impairment(loss=0.02, delay_s=0.05, jitter_s=0.02)
SEED = 20_261_126
NO_WEBCODECS = "delete window.VideoDecoder;"
NO_WEBRTC = "delete window.RTCPeerConnection;"
WARM_UP_MS = 5000
SWITCH_S = 20.0  # s the page may take to find the link lossy and go over
# Offer and answer as the relay wants them: the browser is told of the relay's outer side, the platform of its inner one.
THROUGH = """(() => {
  const local = Object.getOwnPropertyDescriptor(RTCPeerConnection.prototype, 'localDescription');
  Object.defineProperty(RTCPeerConnection.prototype, 'localDescription', { get() {
    const found = local.get.call(this);
    if (!found) return found;
    const sdp = found.sdp.replace(/a=candidate.*\\r\\n/g, '').replace(/a=end-of-candidates\\r\\n/g, '');
    return { type: found.type, sdp: sdp + 'a=candidate:1 1 udp 2122260223 %(inner_host)s %(inner_port)d typ host\\r\\n' };
  } });
  const remote = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = async function (told) {
    const target = told.sdp.match(/a=candidate:\\S+ 1 udp \\d+ (\\d+\\.\\d+\\.\\d+\\.\\d+) (\\d+) typ host/);
    await window.egideTarget(target[1], Number(target[2]));
    const sdp = told.sdp.replace(/a=candidate.*\\r\\n/g, '')
      + 'a=candidate:1 1 udp 2122260223 %(outer_host)s %(outer_port)d typ host\\r\\n';
    return remote.call(this, { type: told.type, sdp });
  };
})();"""


class Network:
    """The relays, on a loop and a thread of their own."""

    def __init__(self, one: Platform, tcp: Impairment, udp: Impairment) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()
        self._connections = ConnectionRelay(("127.0.0.1", one.port), tcp, SEED)
        self.datagrams = DatagramRelay(udp, SEED)
        self.port = self._do(self._connections.start())
        self._do(self.datagrams.start(own_address()))
        self.rule = f"--host-resolver-rules=MAP localhost:{one.port} 127.0.0.1:{self.port}"

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def script(self) -> str:
        """Leads WebRTC through the relay."""
        (inner_host, inner_port), (outer_host, outer_port) = self.datagrams.inner, self.datagrams.outer
        return THROUGH % {
            "inner_host": inner_host, "inner_port": inner_port, "outer_host": outer_host, "outer_port": outer_port,
        }  # fmt: skip

    def close(self) -> None:
        """Ends both relays."""
        self._do(self._connections.close())
        self._loop.call_soon_threadsafe(self.datagrams.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def own_address() -> str:
    """An address of this machine that is not the loopback: ICE never uses that one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # RFC 5737: nothing is sent, the system only chooses the way
            return str(asking.getsockname()[0])
        except OSError as error:
            raise BenchError("this machine has no network address: WebRTC cannot be measured") from error


@contextmanager
def network(one: Platform, tcp: Impairment, udp: Impairment) -> Iterator[Network]:
    """A bad network for the length of the block."""
    made = Network(one, tcp, udp)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def in_the_air(bench: Bench, name: str) -> Iterator[Platform]:
    """A platform with a drone that somebody may watch."""
    port = flying.udp_port()
    with platform(bench.folder / name) as one, flying.drone(port, "--barcode") as told:
        flying.fly(one, told, f"udp://127.0.0.1:{port}")
        yield one


def movies(bench: Bench) -> None:
    """A browser without WebCodecs."""
    from egide.bench.browser import ages_of, ready, window

    seconds = bench.seconds(12, 4)
    with in_the_air(bench, "movies") as one:
        bench.say("a browser without WebCodecs")
        with window(one.origin, before=NO_WEBCODECS) as page:
            ready(page).click()
            _on(page, "fmp4")
            ages = ages_of(page, seconds)
    bench.add(row("fmp4_p95_ms", percentile(ages, 0.95), "ms", "lower", target=400))
    bench.note(
        f"fmp4: {len(ages) / seconds:.1f} pictures/s seen, median {median(ages):.0f} ms; as glass_*, in the page's own player."
    )


def peers(bench: Bench) -> None:
    """A page that went over to WebRTC because its socket was bad; the way of the datagrams is not."""
    from egide.bench.browser import ages_of, ready, window

    seconds = bench.seconds(12, 4)
    with in_the_air(bench, "peers") as one, network(one, LOSSY, Impairment()) as bad:
        bench.say("a lossy socket, until the page goes over to WebRTC")
        with window(one.origin, bad.rule) as page:
            ready(page).click()
            _on(page, "webrtc")
            ages = ages_of(page, seconds)
            if page.locator("[data-transport=webrtc]").count() == 0:
                raise BenchError("the page left WebRTC while it was measured")
    bench.add(row("webrtc_p50_ms", median(ages), "ms", "lower", target=120))
    bench.note(
        f"webrtc: {len(ages) / seconds:.1f} pictures/s seen, p95 {percentile(ages, 0.95):.0f} ms; packets passed on."
    )


def lossy(bench: Bench) -> None:
    """The longest time without a new picture once the page has gone over, and on the socket where it cannot."""
    from egide.bench.browser import ready, window

    seconds = bench.seconds(40, 15)
    found = {}
    for name, before in (("switch", ""), ("socket", NO_WEBRTC)):
        with in_the_air(bench, f"lossy-{name}") as one, network(one, LOSSY, LOSSY) as bad:
            bench.say(f"2 % loss, 50 ± 20 ms: {name}")
            with window(one.origin, bad.rule, before=before or bad.script()) as page:
                page.expose_function("egideTarget", lambda host, port, relay=bad.datagrams: relay.toward((host, port)))
                button = ready(page)
                button.click()
                if before:
                    page.locator("[data-amount]").select_option("normal")  # all pictures, whatever the link
                    page.wait_for_timeout(WARM_UP_MS)
                else:
                    found["after"] = _on(page, "webrtc")
                    found["before"] = _longest_freeze(page)
                start = page.evaluate("() => window.egideSeen.length - 1")
                page.wait_for_timeout(seconds * 1000)
                found[name] = _longest_freeze(page, start)
    bench.add(
        row(
            "lossy_longest_freeze_ms", found["switch"], "ms", "lower", target=1000,
            peer="the WebSocket path without the switch", peer_value=found["socket"],
        )
    )  # fmt: skip
    bench.note(
        f"lossy: {seconds:.0f} s at 2 % loss and 50 ± 20 ms each way, seed {SEED}; the page went over {found['after'] / 1000:.1f} s after the press of the "
        f"button and had frozen for {found['before']:.0f} ms at most by then; TCP’s wait as exercise/impairment.py says."
    )


def _on(page: Any, transport: str) -> float:
    """Waits until the picture comes that way; ms since the officer asked."""
    from playwright.sync_api import Error

    try:
        page.wait_for_selector(f"[data-video][data-transport={transport}][data-state=live]", timeout=SWITCH_S * 1000)
    except Error as error:
        raise BenchError(f"the picture did not come by {transport} within {SWITCH_S:.0f} s") from error
    return float(page.evaluate("() => Date.now() - window.egideAsked"))


def _longest_freeze(page: Any, start: int = 0) -> float:
    """Ms between two pictures at most, from the one of this number on, the one still missing now counted in."""
    shown = [one[1] for one in page.evaluate("() => window.egideSeen")][start:]
    if len(shown) < 2:
        raise BenchError("the picture stood still")
    shown.append(page.evaluate("() => Date.now()"))
    return float(max(b - a for a, b in pairwise(shown)))


MEASURES = (movies, peers, lossy)
