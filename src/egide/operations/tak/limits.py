"""What one client may ask of the others: so many events and bytes a second; past it, its own bytes wait in its own socket.

Why slow down and not drop: TCP then pushes back to the device that floods, chats arrive late instead of never, and the server's
work for one client has a bound that the others do not feel.
"""

from __future__ import annotations

EVENTS_PER_S, EVENTS_BURST = 50.0, 500.0  # a client tells its whole map when it connects
BYTES_PER_S, BYTES_BURST = 512 * 1024.0, 4 * 1024 * 1024.0
LONGEST_S = 5.0  # s a client waits at a time


class Allowance:
    """Two buckets of one client; both may go into debt, which is waited off."""

    def __init__(self, now: float) -> None:
        self._events, self._bytes, self._at = EVENTS_BURST, BYTES_BURST, now

    def take(self, now: float, *, events: int = 0, size: int = 0) -> None:
        """So many events or bytes came."""
        passed, self._at = now - self._at, now
        self._events = min(EVENTS_BURST, self._events + passed * EVENTS_PER_S) - events
        self._bytes = min(BYTES_BURST, self._bytes + passed * BYTES_PER_S) - size

    def wait(self, now: float) -> float:
        """Seconds until there is room again; 0.0 when there is."""
        self.take(now)
        debt = max(-self._events / EVENTS_PER_S, -self._bytes / BYTES_PER_S)
        return min(max(debt, 0.0), LONGEST_S)
