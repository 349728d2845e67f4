"""What the browsers in a hearing's room tell one another: offers and answers of the call, that it is lost, captions, its end.

On the live socket a message is the byte “H” and JSON; between processes it says besides of which file and which seat. Bounded,
and no seat may say what is another's: an offer is the officer's alone (RFC 8829: offer and answer).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

KIND = 0x48  # "H": the first byte of a terminal's messages in the room
MAX_SDP = 12 * 1024  # characters
Seat = Literal["holder", "officer", "relay"]


class Offer(msgspec.Struct, tag="offer", tag_field="kind", forbid_unknown_fields=True):
    """What the officer's browser can send and take (SDP, RFC 8866); `n` counts its offers."""

    n: int
    sdp: str


class Answer(msgspec.Struct, tag="answer", tag_field="kind", forbid_unknown_fields=True):
    """The person's browser's answer to an offer."""

    n: int
    sdp: str


class Again(msgspec.Struct, tag="again", tag_field="kind", forbid_unknown_fields=True):
    """The person's browser asks for a new offer."""


class Media(msgspec.Struct, tag="media", tag_field="kind", forbid_unknown_fields=True):
    """Whether picture and sound come in."""

    up: bool


class Caption(msgspec.Struct, tag="caption", tag_field="kind", forbid_unknown_fields=True):
    """What is being said, typed by the officer or an interpreter; shown, never kept."""

    text: str


class Bye(msgspec.Struct, tag="bye", tag_field="kind", forbid_unknown_fields=True):
    """The call is over, the hearing perhaps not."""


Signal = Offer | Answer | Again | Media | Caption | Bye
# What each seat may tell the others.
MAY: dict[Seat, tuple[type[Any], ...]] = {
    "officer": (Offer, Media, Caption, Bye), "holder": (Answer, Again, Media, Bye), "relay": (Caption,),
}  # fmt: skip


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """A signal on its way to another process."""

    file: str
    seat: Seat
    signal: Signal


_signal = msgspec.json.Decoder(Signal)
_told = msgspec.json.Decoder(Told)


def read_signal(data: bytes) -> Signal:
    """A message of a terminal. Raises `ValueError`."""
    try:
        found: Signal = _signal.decode(data[1:])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    text = getattr(found, "sdp", "") or getattr(found, "text", "")
    if len(text) > MAX_SDP:
        raise ValueError("too long")
    return found


def read_told(content: bytes) -> Told:
    """A signal of another process. Raises `ValueError`."""
    try:
        return _told.decode(content)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
