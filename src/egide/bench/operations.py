"""Operations' figures: glass to glass, terminals a core holds, telemetry, positions."""

from __future__ import annotations

import random
import time
from statistics import median
from typing import Any

from egide.bench import delivery, flying, picture, tak
from egide.bench.measure import REPEATS, Bench, peer, per_cpu_s, percentile, row, wait_for
from egide.bench.platform import LIMIT_NOTE, Platform, platform
from egide.protocols import klv

TARGET_BITS = 2_000_000  # bits per second of one viewer, by which what came is scaled
CROWD = 150  # real viewers
CLIENTS, ENTITIES = 100, 1000  # of positions


def telemetry(bench: Bench) -> None:
    """Whole packets decoded, with their checksum."""
    packets = [_packet(number) for number in range(500)]
    value = per_cpu_s(lambda: sum(klv.decode(packet) is not None for packet in packets * (2 if bench.quick else 8)))
    file = bench.folder / "telemetry.klv"
    file.write_bytes(b"".join(packets))
    bench.say("peer: klvdata")
    told = peer("klv", str(file))
    bench.add(
        row(
            "klv_packets_per_s_core",
            value,
            "packets/CPU s",
            "higher",
            target=20_000,
            peer="klvdata",
            peer_value=told["per_s"] if told else None,
        )
    )
    bench.note(
        f"klv: ST 0601 packets of {len(packets[0])} bytes, {len(list(klv.items(packets[0])))} items, checksum verified."
    )


def _packet(number: int) -> bytes:
    """One packet as the exercise's drone sends it, somewhere else each time."""
    dice = random.Random(number)  # noqa: S311 — made-up telemetry
    frame = klv.UasFrame(
        timestamp=1_700_000_000_000_000 + number * 33_333, mission="EXERCISE", tail="F-ZEG1", designation="Exercise 1", image_source="EO",
        coordinate_system="Geodetic WGS84", heading=dice.uniform(0, 359), pitch=dice.uniform(-5, 5), roll=dice.uniform(-9, 9),
        sensor_lat=60.17 + dice.random() / 100, sensor_lon=24.94 + dice.random() / 100, sensor_alt=150.0, hfov=45.0, vfov=27.0,
        rel_azimuth=dice.uniform(0, 359), rel_elevation=-40.0, rel_roll=0.0, slant_range=300.0, target_width=200.0, ground_speed=12,
        center_lat=60.171, center_lon=24.941, center_alt=10.0,
    )  # fmt: skip
    return klv.encode(frame)


def viewers(bench: Bench) -> None:
    """Terminals that one core serves with 2 Mbit/s over TLS."""
    count = 40 if bench.quick else CROWD
    file = bench.folder / "drone.ts"
    bench.say("recording the exercise's drone")
    told = flying.record(file, bench.seconds(15, 6))
    with platform(bench.folder / "viewers", tls=True) as one:
        _, deployment = flying.fly(one, told, str(file), ("loop",))
        alone = _share(one, bench.seconds(4, 2))
        bench.say(f"{count} terminals open")
        with flying.viewers(one, count, "operations.watch.open", {"deployment": deployment}) as crowd:
            flying.until_flowing(crowd)
            figures = []
            for number in range(REPEATS):
                bench.say(f"{count} terminals watch {number + 1}/{REPEATS}")
                figures.append(_served(one, crowd, bench.seconds(6, 2)))
    share, bits = median(share for share, _ in figures), median(bits for _, bits in figures)
    value = bits / TARGET_BITS / share
    bench.add(row("viewers_per_core_tls", value, "viewers/core", "higher", target=800))
    bench.note(
        f"viewers_per_core_tls: {count} real TLS viewers, each with its own session and lease, {bits / count / 1e6:.2f} Mbit/s each, took {share:.3f} of a "
        f"core ({alone:.3f} with the camera on and nobody looking, counted in); extrapolated in proportion to 2 Mbit/s and one core."
    )
    bench.note(LIMIT_NOTE)


def _share(one: Platform, seconds: float) -> float:
    before, start = one.cpu_s(), time.monotonic()
    time.sleep(seconds)
    return (one.cpu_s() - before) / (time.monotonic() - start)


def _served(one: Platform, crowd: flying.Viewers, seconds: float) -> tuple[float, float]:
    """(share of a core, bits per second to all terminals together)."""
    first, cpu, start = crowd.told(), one.cpu_s(), time.monotonic()
    time.sleep(seconds)
    took, used = time.monotonic() - start, one.cpu_s() - cpu
    return used / took, (crowd.told()["bytes"] - first["bytes"]) * 8 / took


def positions(bench: Bench) -> None:
    """A thousand positions a second, each to a hundred terminals."""
    with (
        platform(bench.folder / "positions", entities=ENTITIES) as one,
        flying.viewers(one, CLIENTS, "operations.track.subscribe", {}) as crowd,
    ):
        wait_for(lambda: bool(crowd.told()["least"] > 100_000), "positions")
        figures = [_served(one, crowd, bench.seconds(5, 2)) for _ in range(REPEATS)]
    share, bits = median(share for share, _ in figures), median(bits for _, bits in figures)
    bench.add(row("positions_core_share", share, "of a core", "lower", target=0.15))
    bench.note(
        f"positions_core_share: {bits / 8 / 16 / CLIENTS:.0f} positions/s reached each of {CLIENTS} terminals (16 bytes each, headers counted); "
        f"the aircraft are made up inside the server's process and counted in."
    )


def glass(bench: Bench) -> None:
    """From the drone's picture to the officer's screen, in headless Chromium, on the real page."""
    from egide.bench.browser import passed_on, watched

    seconds = bench.seconds(12, 4)
    port = flying.udp_port()
    with platform(bench.folder / "glass") as one, flying.drone(port, "--barcode") as told:
        flying.fly(one, told, f"udp://127.0.0.1:{port}")
        bench.say("the operations page")
        ours = watched(one, seconds)
    bench.say("peer: aiortc")
    port = flying.udp_port()
    with flying.drone(port, "--barcode"):
        theirs = passed_on(port, seconds)
    name = "aiortc, packets passed on"

    def beside(get: Any) -> Any:
        return get(theirs) if theirs is not None else None

    bench.add(
        row(
            "glass_p50_ms",
            median(ours.ages),
            "ms",
            "lower",
            target=60,
            peer=name,
            peer_value=beside(lambda seen: median(seen.ages)),
        ),
        row(
            "glass_p95_ms",
            percentile(ours.ages, 0.95),
            "ms",
            "lower",
            target=120,
            peer=name,
            peer_value=beside(lambda seen: percentile(seen.ages, 0.95)),
        ),
        row(
            "first_frame_ms",
            ours.first_ms,
            "ms",
            "lower",
            target=300,
            peer=name,
            peer_value=beside(lambda seen: seen.first_ms),
        ),
    )
    bench.note(
        "glass: the real operations page without WebGL (no map drawn in software beside the picture); from the moment the drone "
        "begins a picture, its rendering and coding included; first_frame_ms from the press of the button, median."
    )
    bench.note(
        f"glass: {len(ours.ages) / seconds:.1f} pictures/s seen"
        + (f", aiortc {len(theirs.ages) / seconds:.1f}." if theirs else ".")
    )


MEASURES = (telemetry, positions, *picture.MEASURES, viewers, glass, *delivery.MEASURES, tak.exchange)
