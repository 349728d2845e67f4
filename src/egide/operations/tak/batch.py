"""What a tick sends: joined once for each form and audience, each client's own events cut out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from egide.operations.tak.subscriber import Routed, Subscriber


class Batch:
    """The events of a tick that one audience may hear, in one form."""

    __slots__ = ("_data", "_own", "_routed")

    def __init__(self, routed: Sequence[Routed], receive: int, *, proto: bool) -> None:
        self._routed = [each for each in routed if each.mask & receive]
        self._own: dict[Subscriber, list[tuple[int, int]]] = {}
        parts, at = [], 0
        for each in self._routed:
            part = each.data(proto=proto)
            parts.append(part)
            if each.source is not None:
                self._own.setdefault(each.source, []).append((at, at + len(part)))
            at += len(part)
        self._data = b"".join(parts)

    def deliver(self, to: Subscriber) -> int:
        """Sends to one of the audience, or keeps for it; how many events were sent."""
        count = len(self._routed)
        if not count:
            return 0
        own = self._own.get(to)
        if own is not None:
            count -= len(own)
            if not count:
                return 0
        if to.waits:
            to.keep(each for each in self._routed if each.source is not to)
            return 0
        if own is None:
            to.write(self._data, count)
        else:
            to.write(_without(self._data, own), count)
        return count


def _without(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    parts, start = [], 0
    for begin, end in spans:
        parts.append(data[start:begin])
        start = end
    parts.append(data[start:])
    return b"".join(parts)
