"""A document reader on a desk, over PC/SC. It needs the package pyscard, which only such a desk installs.

The chip's own protocol is `egide.protocols.emrtd.reader.Terminal`; here is how its commands get to the chip.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from egide.kernel.errors import Text, Unavailable
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.reader import Transmit

MAX_ANSWER = 65538  # bytes: an extended answer and its status
Load = Callable[[str], Any]


def names(load: Load = importlib.import_module) -> tuple[str, ...]:
    """The readers that are plugged in. Raises `Unavailable` where pyscard or its service is missing."""
    return tuple(str(each) for each in _readers(load))


@contextmanager
def connected(name: str = "", load: Load = importlib.import_module) -> Iterator[Transmit]:
    """A way to talk to the document on a reader ("": the first). Raises `Unavailable`: no reader, or no document on it.

    While it is used, a document that is taken away raises `EmrtdError`.
    """
    found = next((each for each in _readers(load) if name in {"", str(each)}), None)
    if found is None:
        raise _unavailable(Text("Aucun lecteur de documents n’est branché.", "No document reader is plugged in."))
    connection = found.createConnection()
    try:
        connection.connect()
    except Exception:  # noqa: BLE001  pyscard's errors are known only where it is installed
        raise _unavailable(
            Text("Aucun document n’est posé sur le lecteur.", "There is no document on the reader.")
        ) from None

    def transmit(command: bytes) -> bytes:
        try:
            data, one, two = connection.transmit(list(command))
        except Exception as error:
            raise EmrtdError("chip", "the document was taken away, or the reader fails") from error
        if len(data) > MAX_ANSWER:
            raise EmrtdError("too-large", "an answer larger than any chip gives")
        return bytes((*data, one, two))

    try:
        yield transmit
    finally:
        connection.disconnect()


def _readers(load: Load) -> list[Any]:
    try:
        return list(load("smartcard.System").readers())
    except ImportError:
        raise _unavailable(
            Text(
                "Ce poste n’a pas le module des lecteurs de documents.", "This desk lacks the document reader's module."
            ),
            Text("Installez le paquet pyscard.", "Install the package pyscard."),
        ) from None
    except Exception:  # noqa: BLE001  as above
        raise _unavailable(
            Text("Le service des lecteurs ne répond pas.", "The readers' service does not answer.")
        ) from None


def _unavailable(what: Text, do: Text | None = None) -> Unavailable:
    return Unavailable(
        what, do or Text("Lisez la zone imprimée, ou passez par un agent.", "Read the printed zone, or ask an officer.")
    )
