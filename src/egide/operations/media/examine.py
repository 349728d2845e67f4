"""Looking at a feed for some seconds and saying what is wrong with it: `measure` gives figures, `judge` gives sentences.

Why apart from `probe`: a source that starts needs two facts soon; a person who asks why a feed is poor needs all that makes it
late, unreadable or unlawful here, each with its consequence and what to change at the camera.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from egide.operations.media import annexb
from egide.operations.media.assemble import Assembler
from egide.operations.media.errors import SourceError, source_error
from egide.operations.media.psi import Track
from egide.operations.media.readers import Reader, open_reader
from egide.operations.media.units import KlvUnit, Unit, VideoConfig

OPEN_S: Final = 8.0
"""Seconds a feed may take until its first picture."""
MAX_KEY_GAP_S: Final = 2.0
"""Seconds between two key frames beyond which a viewer waits noticeably (decision 0007: pictures are never transcoded)."""
SLOW_FIRST_S: Final = 2.0
CLOCK_OFF_S: Final = 5.0
"""Seconds between the telemetry's clock and this machine's, beyond which somebody's clock is wrong."""
_KINDS: Final = {
    "udp": "udp",
    "tcp": "tcp",
    "rtsp": "rtsp",
    "srt": "srt",
    "rtmp": "rtmp",
    "rtmps": "rtmp",
    "onvif": "onvif",
}

Mark = Literal["good", "note", "wrong"]


@dataclass(slots=True)
class Measured:
    """What was seen.  Seconds, pixels, pictures per second, bits per second; None where it could not be seen."""

    address: str
    kind: str
    container: str = ""
    tracks: list[str] = field(default_factory=list)
    has_audio: bool = False
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float | None = None
    bit_rate: int | None = None
    first_picture_s: float | None = None
    seconds: float = 0.0
    pictures: int = 0
    key_frames: int = 0
    key_gap_s: float | None = None
    b_frames: int = 0
    damaged: int = 0
    lost_packets: int = 0
    size_changes: int = 0
    klv: int = 0
    klv_errors: int = 0
    klv_checksum_errors: int = 0
    klv_timestamps: int = 0
    klv_positions: int = 0
    klv_clock_off_s: float | None = None
    error: SourceError | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say of a feed: what it is, and what to do about it, in French and English."""

    code: str
    mark: Mark
    fr: str
    en: str
    do_fr: str = ""
    do_en: str = ""


def kind_of(url: str) -> str:
    """The kind of source an address is of; a path is a file."""
    scheme = url.partition("://")[0] if "://" in url else ""
    return _KINDS.get(scheme, "file")


def shown(url: str) -> str:
    """The address as it may be shown: host and port; user, pass word, path and parameters may be secrets."""
    if kind_of(url) == "file":
        return url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "?"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "") + ("/…" if parts.path.strip("/") else "")


def measure(url: str, seconds: float, tell: Callable[[float], None] = lambda _share: None) -> Measured:
    """Receive for `seconds` after the first picture, keeping nothing; what ended it early is in `error`.

    `tell` is called several times a second with the share done (0 to 1).
    """
    kind = kind_of(url)
    found = Measured(shown(url), kind)
    began = time.monotonic()
    try:
        reader = open_reader(kind, url, OPEN_S, threading.Event())
    except SourceError as error:
        found.error = error
        return found
    look = _Look(found, began, seconds, kind == "file")
    try:
        while not look.over():
            tell(look.share)
            samples = reader.read()
            if samples is None:
                break
            for sample in samples:
                look.take(look.assembler.push(sample))
    except SourceError as error:
        found.error = error
    finally:
        look.close(reader)
        reader.close()
    return found


class _Look:
    """Counts what passes."""

    def __init__(self, found: Measured, began: float, seconds: float, offline: bool) -> None:
        self.assembler = Assembler()
        self._found, self._began, self._wanted, self._offline = found, began, seconds, offline
        self._first_dts: int | None = None
        self._last_dts = 0
        self._last_key: int | None = None
        self._bytes = 0
        self._config: VideoConfig | None = None

    @property
    def share(self) -> float:
        """How much of the look is done."""
        return min(1.0, self._seen() / self._wanted)

    def _seen(self) -> float:
        """Seconds of pictures looked at: of the stream's own clock, which a file runs through faster."""
        return 0.0 if self._first_dts is None else (self._last_dts - self._first_dts) / 1e6

    def over(self) -> bool:
        """Enough was seen, or nothing comes."""
        waited = time.monotonic() - self._began
        if self._first_dts is None:
            return waited > OPEN_S
        return self._seen() >= self._wanted or (not self._offline and waited > OPEN_S + 2 * self._wanted)

    def take(self, units: list[Unit | KlvUnit]) -> None:
        """The units of one sample."""
        for unit in units:
            if isinstance(unit, Unit):
                self._picture(unit)
            else:
                self._telemetry(unit)

    def _picture(self, unit: Unit) -> None:
        found = self._found
        if self._first_dts is None:
            self._first_dts = unit.dts_us
            found.first_picture_s = None if self._offline else round(time.monotonic() - self._began, 2)
        self._last_dts = unit.dts_us
        self._bytes += len(unit.data)
        found.pictures += 1
        found.damaged += unit.damaged
        found.b_frames += annexb.is_bidirectional(unit.data)
        if self._config is not None and unit.config != self._config:
            found.size_changes += 1
        self._config = unit.config
        if unit.key:
            found.key_frames += 1
            if self._last_key is not None:
                found.key_gap_s = max(found.key_gap_s or 0.0, round((unit.dts_us - self._last_key) / 1e6, 2))
            self._last_key = unit.dts_us

    def _telemetry(self, unit: KlvUnit) -> None:
        found = self._found
        found.klv += 1
        if unit.frame is None:
            found.klv_errors += 1
            found.klv_checksum_errors += "checksum" in (unit.error or "")
            return
        found.klv_positions += unit.frame.sensor_lat is not None and unit.frame.sensor_lon is not None
        if unit.frame.timestamp is not None:
            found.klv_timestamps += 1
            if not self._offline:  # the latest counts: the first ones may have waited at the sender
                found.klv_clock_off_s = round((unit.frame.timestamp - unit.capture_us) / 1e6, 2)

    def close(self, reader: Reader) -> None:
        """The figures that only the end tells."""
        found, config = self._found, self._config
        found.container, found.lost_packets, found.has_audio = reader.container, reader.lost, reader.has_audio
        found.tracks = [_named(track) for track in reader.tracks]
        found.seconds = round(self._seen(), 2)
        if config is not None:
            found.codec, found.width, found.height = config.codec, config.width, config.height
        if found.pictures > 1 and found.seconds > 0:
            found.fps = round((found.pictures - 1) / found.seconds, 2)
            found.bit_rate = int(self._bytes * 8 / found.seconds)
        if self._last_key is not None:  # a gap that has not ended yet is at least so long
            found.key_gap_s = max(found.key_gap_s or 0.0, round((self._last_dts - self._last_key) / 1e6, 2))
        if found.error is None and not found.pictures:
            has_video = any(track.kind == "video" for track in reader.tracks)
            code = "silent" if not reader.received and not self._offline else "no_key" if has_video else "no_video"
            found.error = source_error(code)


def _named(track: Track) -> str:
    return f"{track.kind}:{track.codec}"


def judge(found: Measured) -> list[Remark]:
    """What is to be said, the gravest first within each subject; `wrong` means unusable here."""
    said: list[Remark] = []
    if found.has_audio:
        said.append(_SOUND)
    if found.error is not None and not (found.has_audio and found.error.code == "audio"):
        first, _, do = found.error.fr.partition(". ")
        first_en, _, do_en = found.error.en.partition(". ")
        said.append(Remark(found.error.code, "wrong", f"{first}.", f"{first_en}.", do, do_en))
    if not found.pictures:
        return said + (_losses(found) if found.lost_packets else [])
    said += [_carried(found), *_pace(found), *_losses(found), *_klv(found)]
    return said


def verdict(said: list[Remark]) -> int:
    """0 fine, 1 usable with remarks, 2 unusable."""
    marks = {remark.mark for remark in said}
    return 2 if "wrong" in marks or not said else 1 if "note" in marks else 0


_SOUND: Final = Remark(
    "audio",
    "wrong",
    "La source porte du son : la loi l’interdit pour une caméra aéroportée (CSI, art. L242-4, al. 2), elle sera refusée.",
    "The source carries sound: the law forbids it for an airborne camera (CSI, art. L242-4, par. 2); it will be refused.",
    "Coupez le microphone, ou la piste son, à la caméra ou à l’émetteur.",
    "Turn the microphone, or the sound track, off at the camera or at the sender.",
)


def _french(number: float) -> str:
    return f"{number:g}".replace(".", ",")


def _carried(found: Measured) -> Remark:
    rate, speed = found.fps or 0.0, round((found.bit_rate or 0) / 1e6, 2)
    what = f"{found.container}, H.264 ({found.codec}), {found.width} × {found.height}"
    return Remark(
        "video",
        "good",
        f"{what}, {_french(rate)} images/s, {_french(speed)} Mbit/s",
        f"{what}, {rate:g} pictures/s, {speed:g} Mbit/s",
    )


def _pace(found: Measured) -> list[Remark]:
    said = []
    gap = found.key_gap_s or 0.0
    if gap > MAX_KEY_GAP_S:
        said.append(
            Remark(
                "key_gap",
                "note",
                f"Une image clé toutes les {_french(gap)} s ou plus : chaque agent qui ouvre l’image, ou qui perd le réseau, attend jusque-là.",
                f"One key frame every {gap:g} s or more: every officer who opens the picture, or loses the network, waits that long.",
                "Réglez l’intervalle d’images clés (GOP, I-frame) à 2 s ou moins ; 1 s est mieux.",
                "Set the key-frame interval (GOP, I-frame) to 2 s at most; 1 s is better.",
            )
        )
    elif found.key_frames > 1:
        said.append(
            Remark("key_gap", "good", f"Une image clé toutes les {_french(gap)} s", f"One key frame every {gap:g} s")
        )
    if found.b_frames:
        said.append(
            Remark(
                "b_frames",
                "note",
                "La vidéo contient des images B : chaque image attend la suivante, et le direct a une à trois images de retard.",
                "The video has B-frames: each picture waits for the next one, and the live view is one to three pictures late.",
                "Choisissez le profil « Baseline » ou « faible latence », sans images B.",
                "Choose the “Baseline” or “low latency” profile, without B-frames.",
            )
        )
    if found.first_picture_s is not None:
        slow = found.first_picture_s > SLOW_FIRST_S
        fr, en = (
            f"Première image après {_french(found.first_picture_s)} s",
            f"First picture after {found.first_picture_s:g} s",
        )
        said.append(Remark("first_picture", "note" if slow else "good", fr, en))
    if found.size_changes:
        said.append(
            Remark(
                "size_changes",
                "note",
                f"La définition a changé {found.size_changes} fois pendant l’examen.",
                f"The resolution changed {found.size_changes} times during the look.",
                "Fixez la définition : chaque changement interrompt l’image un instant.",
                "Fix the resolution: each change interrupts the picture for a moment.",
            )
        )
    return said


def _losses(found: Measured) -> list[Remark]:
    if not found.lost_packets and not found.damaged:
        return [Remark("loss", "good", "Aucun paquet perdu", "No packet lost")]
    return [
        Remark(
            "loss",
            "note",
            f"Au moins {found.lost_packets} paquets perdus, {found.damaged} images abîmées sur {found.pictures}.",
            f"At least {found.lost_packets} packets lost, {found.damaged} pictures damaged of {found.pictures}.",
            "Baissez le débit, ou passez par SRT ou TCP, qui renvoient ce qui manque.",
            "Lower the bit rate, or use SRT or TCP, which send again what is missing.",
        )
    ]


def _klv(found: Measured) -> list[Remark]:
    if not found.klv:
        return [
            Remark(
                "klv",
                "note",
                "Pas de télémétrie (KLV) : le lieu de l’aéronef et ce que montre l’image ne sont pas connus.",
                "No telemetry (KLV): the aircraft’s place and what the picture shows are not known.",
                "Activez « KLV / MISB ST 0601 / STANAG 4609 » à l’émetteur, ou déclarez une source MAVLink.",
                "Turn “KLV / MISB ST 0601 / STANAG 4609” on at the sender, or declare a MAVLink source.",
            )
        ]
    said = []
    if found.klv_errors:
        said.append(
            Remark(
                "klv_errors",
                "note",
                f"{found.klv_errors} paquets de télémétrie sur {found.klv} sont illisibles, dont {found.klv_checksum_errors} de somme de contrôle fausse : ils sont écartés.",
                f"{found.klv_errors} of {found.klv} telemetry packets cannot be read, {found.klv_checksum_errors} of them by a wrong checksum: they are left out.",
                "Vérifiez la version ST 0601 de l’émetteur, et les pertes.",
                "Check the sender’s ST 0601 version, and the losses.",
            )
        )
    valid = found.klv - found.klv_errors
    if valid and not found.klv_timestamps:
        said.append(
            Remark(
                "klv_time",
                "note",
                "La télémétrie ne dit pas l’heure (élément 2, « precision time stamp ») : image et lieu ne peuvent être datés.",
                "The telemetry does not tell the time (item 2, “precision time stamp”): picture and place cannot be dated.",
                "Activez l’horodatage à l’émetteur.",
                "Turn the time stamp on at the sender.",
            )
        )
    elif found.klv_clock_off_s is not None and abs(found.klv_clock_off_s) > CLOCK_OFF_S:
        said.append(
            Remark(
                "klv_clock",
                "note",
                f"La télémétrie est datée à {_french(found.klv_clock_off_s)} s de l’heure de cette machine : horloge fausse, ou image en retard.",
                f"The telemetry is dated {found.klv_clock_off_s:g} s off this machine’s time: a wrong clock, or a picture that comes late.",
                "Réglez l’heure de l’émetteur (GPS, NTP) et celle de cette machine ; sinon cherchez ce qui retient l’image.",
                "Set the time of the sender (GPS, NTP) and of this machine; else look for what holds the picture back.",
            )
        )
    if valid and not found.klv_positions:
        said.append(
            Remark(
                "klv_place",
                "note",
                "La télémétrie ne dit pas où est l’aéronef (éléments 13 et 14).",
                "The telemetry does not tell where the aircraft is (items 13 and 14).",
                "Attendez la réception GPS, ou activez ces éléments à l’émetteur.",
                "Wait for GPS reception, or turn these items on at the sender.",
            )
        )
    if not said:
        fr = f"Télémétrie KLV : {found.klv} paquets, sommes justes, datés, avec le lieu"
        en = f"KLV telemetry: {found.klv} packets, checksums right, dated, with the place"
        said.append(Remark("klv", "good", fr, en))
    return said
