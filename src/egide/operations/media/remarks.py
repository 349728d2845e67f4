"""What is to be said of a feed that was looked at (examine.py): each fault, its consequence, what to change at the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from egide.operations.media.examine import Measured

MAX_KEY_GAP_S: Final = 2.0
"""Seconds between two key frames beyond which a viewer waits noticeably (decision 0007: pictures are never transcoded)."""
SLOW_FIRST_S: Final = 2.0
CLOCK_OFF_S: Final = 5.0
"""Seconds between the telemetry's time and this machine's, beyond which a clock is wrong or the picture late."""

Mark = Literal["good", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say of a feed: what it is, and what to do about it, in French and English."""

    code: str
    mark: Mark
    fr: str
    en: str
    do_fr: str = ""
    do_en: str = ""


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
