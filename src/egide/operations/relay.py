"""What runs between the sources and the terminals: ingests, the hub, recorders, the last known places.

Nothing here decides: a source is started by the act `operations.camera.start`, a picture opened by `operations.watch.open`, and
both end when their lease or their camera does. Callbacks come from the ingests' threads and only hand over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, time_ns
from typing import Any

from egide.kernel.kernel import Kernel
from egide.kernel.leases import GRACE_S, TTL_S
from egide.operations.media.errors import SourceError
from egide.operations.media.hub import MediaHub
from egide.operations.media.ingest import Ingest
from egide.operations.media.recorder import Recorder
from egide.operations.media.source import SourceFacts, SourceSpec, probe
from egide.operations.media.units import KlvUnit, Unit
from egide.operations.plausible import AIRCRAFT, Plausible
from egide.operations.positions import Positions
from egide.operations.telemetry import Telemetry

log = logging.getLogger("egide.operations")

PROBE_S = 6.0  # s a source may take to show what it carries
KLV_SILENCE_US = 5_000_000  # µs without a place in the video's own telemetry before the autopilot's is believed


@dataclass(slots=True)
class SourceState:
    """What is known of one source now; words are (fr, en)."""

    state: str = "unknown"
    detail: tuple[str, str] | None = None
    facts: SourceFacts | None = None
    has_audio: bool = False
    home_interior: bool = False
    place: tuple[float, float] | None = None
    heard_us: int = 0  # when the video's own telemetry last told a place
    track: Plausible = field(default_factory=lambda: Plausible(AIRCRAFT))
    ingest: Ingest | None = None
    recorder: Recorder | None = None
    deployment: str | None = None
    lawful_until: float = (
        0.0  # monotonic s; nothing is recorded past it, so that a recorder without an order stops by itself
    )
    ended: list[Callable[[], None]] = field(default_factory=list)


class Relay:
    """The running side of operations; lives in `kernel.things["relay"]`."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.hub = MediaHub()
        self.positions = Positions(kernel)
        self._loop = asyncio.get_running_loop()
        self.telemetry = Telemetry(self.positions, self._loop)
        self._states: dict[str, SourceState] = {}

    def state(self, source: str) -> SourceState:
        """The state of a source, made when first asked for."""
        return self._states.setdefault(source, SourceState())

    def states(self) -> list[tuple[str, SourceState]]:
        """Every source known here, with its state."""
        return list(self._states.items())

    def position(self, source: str) -> tuple[float, float] | None:
        """Where telemetry last saw the aircraft (lat, lon)."""
        return self.state(source).place

    async def look(self, spec: SourceSpec) -> SourceState:
        """Probes a source that does not run; what is wrong with it stays readable in its state."""
        state = self.state(spec.id)
        if state.ingest is not None:
            return state
        state.state, state.detail = "checking", None
        self._told(spec.id)
        try:
            state.facts = await asyncio.to_thread(probe, spec, PROBE_S)
        except SourceError as error:
            state.state, state.detail, state.facts = "failed", error.text, None
        else:
            state.has_audio = state.facts.has_audio
            state.state, state.detail = "ready", None
        self._told(spec.id)
        return state

    def start(self, spec: SourceSpec, deployment: str, name: str, recorder: Recorder | None, *, aerial: bool) -> None:
        """Starts receiving; the camera's act is durable by now. `aerial`: shown as an aircraft, else as a camera."""
        state = self.state(spec.id)
        hub, positions = self.hub, self.positions
        number = positions.number(spec.id, name, "aircraft" if aerial else "camera")

        def on_unit(unit: Unit) -> None:
            hub.publish(spec.id, unit)
            if state.recorder is not None and monotonic() < state.lawful_until:
                state.recorder.unit(unit)

        def on_klv(unit: KlvUnit) -> None:
            hub.publish(spec.id, unit)
            if state.recorder is not None and monotonic() < state.lawful_until:
                state.recorder.klv(unit)
            frame = unit.frame
            if frame is None or frame.sensor_lat is None or frame.sensor_lon is None:
                return
            if state.track.judge(frame.sensor_lat, frame.sensor_lon, unit.capture_us, frame.timestamp) is not None:
                return
            state.place = (frame.sensor_lat, frame.sensor_lon)
            state.heard_us = unit.capture_us
            positions.put(number, frame.sensor_lat, frame.sensor_lon, frame.heading or 0.0)

        def on_place(lat: float, lon: float, heading: float) -> None:
            """The autopilot's word, where the video carries none of its own."""
            if time_ns() // 1000 - state.heard_us > KLV_SILENCE_US:
                state.place = (lat, lon)
                positions.put(number, lat, lon, heading)

        def on_state(word: str, detail: tuple[str, str] | None) -> None:
            self._loop.call_soon_threadsafe(self._ingest_state, spec.id, word, detail)

        state.deployment, state.recorder = deployment, recorder
        state.lawful_until = monotonic() + TTL_S + GRACE_S  # its act was decided this moment; the fleet goes on asking
        state.ingest = Ingest(spec, on_unit, on_klv, on_state)
        state.ingest.start()
        if spec.mavlink is not None:
            self.telemetry.follow(spec.id, *spec.mavlink, spec.secret, on_place)

    async def stop(self, source: str, fr: str, en: str) -> None:
        """Ends a source: terminals are told, the recorder seals what is left."""
        state = self.state(source)
        ingest, recorder = state.ingest, state.recorder
        state.ingest = state.recorder = state.deployment = None
        state.state, state.detail, state.place = "stopped", None, None
        state.track = Plausible(AIRCRAFT)
        await asyncio.to_thread(self.telemetry.leave, source)
        if ingest is not None:
            await asyncio.to_thread(ingest.stop)
        if recorder is not None:
            await asyncio.to_thread(recorder.close)
        self.hub.end(source, "stopped", fr, en)
        self.positions.drop(source)
        self._told(source)

    def forget(self, source: str) -> None:
        """A source that is no more: its number is another's to have, its name is told to nobody."""
        self._states.pop(source, None)
        self.hub.forget(source)
        self.positions.forget(source)

    def stop_recording(self, source: str) -> Recorder | None:
        """Stops recording at once and goes on showing (L242-5 III); the recorder is for the caller to close."""
        state = self.state(source)
        recorder, state.recorder = state.recorder, None
        state.home_interior = True
        return recorder

    def release_recorder(self, source: str) -> Recorder | None:
        """Hands the recording over and goes on showing; the recorder is for the caller to close."""
        state = self.state(source)
        recorder, state.recorder = state.recorder, None
        return recorder

    async def close(self) -> None:
        """Stops every source and lets every viewer go."""
        for source, state in list(self._states.items()):
            if state.ingest is not None:
                await self.stop(source, "Égide s’arrête.", "Égide is stopping.")
        await asyncio.to_thread(self.telemetry.close)
        await self.positions.stop()
        self.hub.close()

    def _ingest_state(self, source: str, word: str, detail: tuple[str, str] | None) -> None:
        state = self.state(source)
        state.state, state.detail = word, detail
        error = state.ingest.error if state.ingest is not None else None
        if word == "failed" and error is not None and error.code == "audio":
            # Sound appeared midway: the leases must fall with the article, not with “no signal”.
            state.has_audio = True
            self.kernel.leases.renew()
        self._told(source)

    def _told(self, source: str) -> None:
        """Tells every open console."""
        live = self.kernel.things.get("live")
        state = self.state(source)
        message = {"push": "source", "source": source, "state": state.state, "detail": words(state.detail)}
        for channel in tuple(live.channels) if live is not None else ():
            if channel.principal.kind == "person":
                channel.push(message)


def words(detail: tuple[str, str] | None) -> dict[str, str] | None:
    """(fr, en) as pages take it."""
    return {"fr": detail[0], "en": detail[1]} if detail else None


def relay(kernel: Kernel) -> Relay:
    """The running relay."""
    found: Relay = kernel.things["relay"]
    return found


def push_picture(kernel: Kernel, _payload: dict[str, Any] | None = None) -> None:
    """Something a console shows has changed: it asks again."""
    live = kernel.things.get("live")
    for channel in tuple(live.channels) if live is not None else ():
        if channel.principal.kind == "person":
            channel.push({"push": "picture"})
