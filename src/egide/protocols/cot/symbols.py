"""CoT types and MIL-STD-2525 symbol codes (SIDC, 15 characters), both ways, as milsymbol draws them.

A type of an atom is the code spelt out: `a-f-G-U-C` ↔ `SFGPUC---------`; capital parts are 2525's own, others are CoT's and
have no place in a code. Sources: CoT event types (MITRE MTR 090284 §4), MIL-STD-2525B/C §5.2 table I.
"""

from __future__ import annotations

import re

from egide.protocols.cot.event import CotEvent

AFFILIATIONS = {"p": "P", "u": "U", "a": "A", "f": "F", "n": "N", "s": "S", "h": "H", "j": "J", "k": "K", "o": "O", "x": "O", ".": "U"}  # fmt: skip
EXERCISE = {"G": "p", "W": "u", "D": "f", "L": "n", "M": "a"}  # 2525's affiliations of exercises
BACK = {code: letter for letter, code in AFFILIATIONS.items() if letter not in "x."} | EXERCISE
DIMENSIONS = "PAGSUFXZ"
# Map points that are no atoms but have a symbol all the same.
POINTS = {
    "b-m-p-s-p-loc": "SFGPES---------",  # a sensor, a camera: ground equipment, sensor
    "b-m-p-s-p-i": "GFGPGPP--------",  # a sensor's point of interest: point
    "b-m-p-s-m": "GFGPGPP--------",  # a spot
    "b-m-p-w": "GFGPGPW--------",  # a way point
    "b-m-p-c": "GFGPGPP--------",  # a check point
    "b-r-f-h-c": "SFGPUSM--------",  # a medical evacuation asked for: medical
}
_ATOM = re.compile(r"a-([puafnshjkox.])-([PAGSUFXZ])((?:-[\w.]+)*)", re.ASCII)
_CODE = re.compile(r"[SIOE]([A-Z-])([A-Z-])[A-Z-]([A-Z0-9*-]{0,6})[A-Z0-9*-]{0,5}")
_ICON = re.compile(r"COT_MAPPING_2525[BC]?[/:](.*)")


def sidc(cot_type: str) -> str | None:
    """The symbol code of a type, None where it has none."""
    found = _ATOM.fullmatch(cot_type)
    if found is None:
        return next(
            (code for start, code in POINTS.items() if cot_type == start or cot_type.startswith(start + "-")), None
        )
    parts = [part for part in found[3].split("-") if part.isupper() or part.isdigit()]
    dimension = "Z" if found[2] == "X" else found[2]
    return f"S{AFFILIATIONS[found[1]]}{dimension}P{''.join(parts)[:6]:-<6}-----"


def type_of(code: str) -> str | None:
    """The CoT type of a symbol code, None where the code says no kind of thing."""
    found = _CODE.fullmatch(code.upper())
    if found is None or found[1] not in BACK or found[2] not in DIMENSIONS:
        return None
    letters = [letter for letter in found[3] if letter not in "-*"]
    return "-".join(["a", BACK[found[1]], found[2], *letters])


def sidc_of(event: CotEvent) -> str | None:
    """The symbol of an event: the one it names itself (`__milsym`), the one its icon maps to, else its type's."""
    named = event.attribute("__milsym", "id")
    if _CODE.fullmatch(named.upper()):
        return named.upper()[:15].ljust(15, "-")
    icon = _ICON.fullmatch(event.attribute("usericon", "iconsetpath"))
    if icon is not None:
        mapped = sidc(re.split("[/:]", icon[1])[-1])
        if mapped is not None:
            return mapped
    return sidc(event.type)
