"""A whole control: the picture of the wallet's answer read, the token admitted and the face compared in a room of its own.

The machine's time is CPU time, of this process and of the room's together, for a gate's core is its own and this machine is
shared; what people take is drawn (border_people.py). A room serves one control and ends; its birth is counted where cores are
(`gates_per_core`), for a traveller does not wait for it.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from pathlib import Path
from statistics import mean, median
from string import ascii_uppercase
from time import monotonic, process_time

import msgspec
import numpy as np
from numpy.typing import NDArray

from egide.bench.border_people import READY_S, ROUND_S, People, Seconds
from egide.bench.border_scene import NOW, Airport, Token, drawn, jpeg
from egide.bench.measure import REPEATS, Bench, BenchError, cpu_s, percentile, row
from egide.border.face.compare import THREE_FRAMES, Reference, enrol
from egide.border.face.engine import engine
from egide.border.room.messages import Admitted, Asked, ChipRead, Compare, Compared, ReadChip, Told, Watch, Watched
from egide.border.room.parent import Nursery, Room
from egide.border.room.sealed import sealed
from egide.border.token import qr
from egide.exercise.csca import Authority
from egide.exercise.travel_document import files
from egide.protocols.sdjwt.signing import public_of
from egide.protocols.wallet.tokens import Jwk

SECRET = bytes(range(16))
PERSON = 1  # seed of the face that is drawn
FRAMES = 3
RATE = 10  # frames a second that a gate sends during the challenge
CHALLENGE_S = 3  # s of them that are looked at here: whatever was drawn, the first movement still may be done then
CONTROLS = 30
STATES = 500
TRAVELLERS = 20_000
SCALE = 4  # pixels of the camera's picture for a module of the code


class Spent(msgspec.Struct):
    """CPU seconds of one control, in its parts; `wall` in s."""

    start: float = 0.0  # of the room, until it can be asked
    picture: float = 0.0  # the code read
    chip: float = 0.0
    admit: float = 0.0
    compare: float = 0.0
    wall: float = 0.0

    @property
    def decision(self) -> float:
        """From the code to the word."""
        return self.picture + self.chip + self.admit + self.compare


class Gate:
    """What a gate and its travellers have at hand."""

    def __init__(self) -> None:
        self.airport = Airport()
        made = enrol([drawn(PERSON)], engine(), SECRET, THREE_FRAMES.demands)
        if not isinstance(made, Reference):
            raise BenchError(f"the drawn face is no face: {made.why}, {made.guidance}")
        self.reference = made
        self.frames = [jpeg(drawn(PERSON + number)) for number in range(FRAMES)]
        self.country = Authority(NOW)
        # As many as the largest master lists have, of as many states; the document's own among them.
        states = [first + second for first in ascii_uppercase for second in ascii_uppercase][:STATES]
        self.countries = (*(Authority(NOW, country=state).certificate for state in states), self.country.certificate)
        self.chip = files(self.country.signer(types=("P",)), NOW, jpeg(drawn(PERSON, 413, 531, 1.3)))

    def token(self) -> Token:
        """A new token of the drawn person."""
        return self.airport.token(bytes(self.reference.template), SECRET)

    async def control(self, nursery: Nursery, *, document: bool = False) -> Spent:
        """One, in a room of its own."""
        spent = Spent()
        before = process_time()
        room = await nursery.room()
        pid = room.pid
        try:
            spent.start = process_time() - before + used_s(pid)  # a room's own time counts from its birth
            key = room.ready.key
            asked, question = self.airport.question(public_of(Jwk("EC", "P-256", key["x"], key["y"])))
            seen = photographed(qr.pixels(self.token().picture(question), "answer", SCALE))
            frames = tuple(sealed(bytes(4) + each, key) for each in self.frames)
            chip = self._sealed_chip(key)
            began = monotonic()
            before = process_time()
            answer = qr.read(seen, "answer")
            spent.picture = process_time() - before
            if document:
                read = ReadChip(chip, self.countries, (self.country.revocations([]),), NOW)
                spent.chip = await _timed(room, pid, read, ChipRead)
            spent.admit = await _timed(room, pid, self.airport.admit(answer or b"", asked), Admitted)
            wanted = Compare(frames, THREE_FRAMES.match, FRAMES, challenge=False)
            spent.compare = await _timed(room, pid, wanted, Compared)
            spent.wall = monotonic() - began
        finally:
            await room.close()
        return spent

    async def challenge(self, nursery: Nursery) -> float:
        """CPU seconds for the frames of a challenge as they come; the drawn face does not follow."""
        room = await nursery.room()
        try:
            key = room.ready.key
            asked, question = self.airport.question(public_of(Jwk("EC", "P-256", key["x"], key["y"])))
            await room.ask(self.airport.admit(self.token().picture(question), asked))
            before = process_time() + used_s(room.pid)
            for number in range(RATE * CHALLENGE_S):
                # All before the window of a movement ends: what comes after it is not looked at.
                shown = sealed(
                    (number * 2000 // (RATE * CHALLENGE_S)).to_bytes(4, "big") + self.frames[number % FRAMES], key
                )
                said = await room.ask(Watch((shown,)))
            spent = process_time() + used_s(room.pid) - before
            answer = await room.ask(Compare((), THREE_FRAMES.match, FRAMES, challenge=True))
        finally:
            await room.close()
        if not isinstance(said, Watched) or said.over or not isinstance(answer, Compared) or answer.why != "still":
            raise BenchError(f"the frames of a challenge that nobody follows ended with {answer}")
        return spent

    def _sealed_chip(self, key: dict[str, str]) -> str:
        told = {name: urlsafe_b64encode(data).rstrip(b"=").decode() for name, data in self.chip.items()}
        return sealed(msgspec.json.encode(told), key)


def photographed(code: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The code in a camera's picture of 1280×720 or more, grey and noisy around it."""
    height, width = max(720, code.shape[0] + 80), max(1280, code.shape[1] + 80)
    picture = np.full((height, width), 120, dtype=np.uint8)
    top, left = (height - code.shape[0]) // 2, (width - code.shape[1]) // 2
    picture[top : top + code.shape[0], left : left + code.shape[1]] = code
    noise = np.random.default_rng(1).normal(0, 6, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def used_s(pid: int) -> float:
    """CPU seconds of a process, to the microsecond (proc(5), `schedstat`: /proc/PID/stat counts in steps of 10 ms)."""
    found = [path.read_text("ascii").split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(words[0]) for words in found if words) / 1e9 if found else cpu_s(pid)


async def _timed(room: Room, pid: int, message: Asked, kind: type[Told]) -> float:
    """CPU seconds of both sides; `BenchError` where the answer is another than a traveller who may pass gets."""
    before = process_time() + used_s(pid)
    answer = await room.ask(message)
    spent = process_time() + used_s(pid) - before
    good = {Admitted: "why", Compared: "band", ChipRead: "verdict"}
    said = getattr(answer, good[kind], None) if isinstance(answer, kind) else type(answer).__name__
    if said not in {"", "match", "proved"}:
        raise BenchError(f"a control that should have passed ended with {said}: {answer}")
    return spent


def controls(bench: Bench) -> None:
    """The machine's part, then what a traveller sees, then how many gates one core serves."""
    gate, count = Gate(), 4 if bench.quick else CONTROLS

    plain, border, moving = asyncio.run(_played(bench, gate, count))
    machine = [each.decision * 1000 for each in plain]
    bench.add(
        row("control_machine_p95_ms", percentile(machine, 0.95), "CPU ms", "lower", target=250),
        row("border_machine_p95_ms", percentile([each.decision * 1000 for each in border], 0.95), "CPU ms", "lower"),
        row("challenge_ms", moving * 1000, "CPU ms", "lower"),
        row("room_birth_ms", median(each.start * 1000 for each in plain), "CPU ms", "lower"),
    )
    parts = ", ".join(
        f"{name} {median(getattr(each, name) * 1000 for each in plain):.1f}" for name in ("picture", "admit", "compare")
    )
    bench.note(
        f"control_machine: {count} controls, each in a room of its own; CPU ms, median: {parts}. By the wall on this machine "
        f"{median(each.wall for each in plain) * 1000:.0f} ms. Frames: JPEG of 640×480, {len(gate.frames[0]) / 1000:.0f} kB, sealed one by one. "
        f"border_machine: the chip's files are judged too, by the certificates of {STATES} States, and its portrait is the reference."
    )
    bench.note(
        f"challenge_ms: {RATE * CHALLENGE_S} frames of a challenge, {RATE} a second, sealed, and opened and looked at in a room one by one as "
        "they come: a traveller waits for the last of them alone."
    )
    _travellers(bench, plain, border, moving)
    _gates(bench, plain, moving)


async def _played(bench: Bench, gate: Gate, count: int) -> tuple[list[Spent], list[Spent], float]:
    """(controls, a third as many at the border, s of a challenge), in rooms of one nursery, one after the other."""
    nursery = await Nursery.start("face")
    try:
        found = []
        for words, times, document in (("control", count, False), ("border", max(2, count // 3), True)):
            spent = []
            for number in range(times):
                bench.say(f"{words} {number + 1}/{times}")
                spent.append(await gate.control(nursery, document=document))
            found.append(spent)
        bench.say("challenge")
        moving = median([await gate.challenge(nursery) for _ in range(REPEATS)])
        return found[0], found[1], moving
    finally:
        await nursery.close()


def _travellers(bench: Bench, plain: list[Spent], border: list[Spent], moving: float) -> None:
    people = People(TRAVELLERS)
    offered, challenged, put = people.offer(), people.challenge(moving / (RATE * CHALLENGE_S)), people.offer()
    token = offered + mean(each.picture + each.admit for each in plain) + ROUND_S
    alone = offered + mean(each.decision for each in plain) + ROUND_S
    face = alone + challenged
    chip, after = people.chip(), mean(each.decision for each in border) + ROUND_S
    crossing = put + np.maximum(chip, offered + challenged) + after
    without = put + np.maximum(chip, challenged) + after
    bench.add(
        row("control_p95_s", _p95(face), "s", "lower", target=5, peer="objective of the DHS rally", peer_value=5),
        row("control_device_p95_s", _p95(alone + people.looked_at(FRAMES)), "s", "lower"),
        row("control_token_p95_s", _p95(token), "s", "lower", target=5),
        row("border_p95_s", _p95(crossing), "s", "lower", target=8),
        row("border_no_phone_p95_s", _p95(without), "s", "lower", target=8),
    )
    bench.note(
        f"control_p95_s: boarding, with a face and a challenge ({_p95(alone):.1f} s if no movements were asked for): {mean(offered):.2f} s to show the phone, {mean(challenged):.2f} s for two movements, of which "
        f"{READY_S:.1f} until the arm is down; the machine's at one core; median {median(face):.1f} s. control_token: bag drop and security, "
        f"without a face; median {median(token):.1f} s. control_device: as control_p95_s with a device that tells flesh from paper in the place of "
        "movements (presence.py): none was at hand, its time is assumed."
    )
    bench.note(
        f"border_p95_s: the document laid down; while its chip is read ({mean(chip):.1f} s) phone and challenge; median {median(crossing):.1f} s. One after the "
        f"other, p95 {_p95(put + chip + offered + challenged + after):.1f} s. border_no_phone: who shows none, which only fills in a screen there. "
        "Distributions, sources and assumptions: bench/border_people.py."
    )


def _gates(bench: Bench, plain: list[Spent], moving: float) -> None:
    """Gates that one core serves when each has always somebody: the time of a traveller over the core's time for one."""
    people = People(TRAVELLERS)
    moved = people.challenge(moving / (RATE * CHALLENGE_S))
    each = float(np.mean(people.offer() + moved))
    work = mean(spent.decision for spent in plain) + moving * float(np.mean(moved)) / CHALLENGE_S
    start = mean(spent.start for spent in plain)
    bench.add(row("gates_per_core", each / (work + start), "gates", "higher", target=8))
    bench.note(
        f"gates_per_core: gates of the hardest kind (face and challenge), a traveller every {each:.1f} s at each; one takes {work:.2f} CPU s, and "
        f"{start:.3f} for the birth of its room."
    )


def _p95(values: Seconds) -> float:
    return float(np.percentile(values, 95))


MEASURES = (controls,)
