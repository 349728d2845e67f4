"""One sender of the soak that is a process of its own, so that it can be killed with -9: `python -S -E soak_sender.py FILE PORT`.

It sends the pieces of a file (each a length of four bytes and a transport stream of one picture) over UDP, again and again,
`RATE` a second. The standard library alone: it must start in no time.
"""

import socket
import sys
import time

RATE = 8  # pictures a second, as all senders of the soak
DATAGRAM = 7 * 188  # bytes of seven transport packets


def main() -> None:
    """Sends until it is killed."""
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123 — pathlib takes longer to load than all the rest
        data = file.read()
    pieces, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        pieces.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    due, number = time.monotonic(), 0
    while True:
        piece = pieces[number % len(pieces)]
        for start in range(0, len(piece), DATAGRAM):
            out.sendto(piece[start : start + DATAGRAM], ("127.0.0.1", int(sys.argv[2])))
        number += 1
        due = max(due + 1 / RATE, time.monotonic() - 1)
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
