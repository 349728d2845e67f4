"""One witness as the platform sees it: asks it to cosign a head, and judges its answer (C2SP tlog-witness, the log's side).

The answer is never believed: a cosignature counts once it verifies under the key in the settings. What a refusal means is told in
plain words, because only one of them is grave: a witness that remembers another history than ours.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from egide.kernel import checkpoint
from egide.kernel.checkpoint import CheckpointError
from egide.kernel.cosignature import Cosignature, CosignatureVerifier, parse_vkey, read_lines
from egide.kernel.errors import StartupError, Text
from egide.kernel.merkle import ProofError
from egide.kernel.outward import Reply, Unreachable, post

MAX_ANSWER = 16 * 1024  # bytes; a cosignature line has about 150
TURNS = 2  # times a witness is asked in one round: once more with the size that it says

Post = Callable[[str, bytes, str, int], Reply]
Consistency = Callable[[int, int], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a round. `known` is the size that the witness has; `refuses`: it remembers another history."""

    known: int
    cosignature: Cosignature | None = None
    trouble: Text | None = None
    refuses: bool = False


class WitnessClient:
    """Speaks with the witness at `address`. Raises `StartupError` for an address or a key that cannot be one."""

    def __init__(self, address: str, vkey: str, send: Post = post) -> None:
        try:
            self.name = parse_vkey(vkey).name
        except CheckpointError as error:
            raise StartupError(error.what, error.do, file="egide.toml") from error
        check_address(address)
        self.address = address.rstrip("/")
        self._verifier = CosignatureVerifier([vkey])
        self._send = send

    def cosign(self, note: str, known: int, consistency: Consistency) -> Asked:
        """Asks for a cosignature on a signed note, knowing that the witness has `known` leaves (or guessing 0)."""
        claimed = checkpoint.parse(note)
        size = claimed.checkpoint.size
        for _ in range(TURNS):
            if known > size:
                return _longer(known, size)
            try:
                proof = consistency(known, size) if known else ()
                reply = self._send(
                    self.address + "/add-checkpoint", _body(known, proof, note), "text/plain", MAX_ANSWER
                )
            except ProofError as error:
                return Asked(known, trouble=Text(f"Preuve impossible : {error}", f"No proof: {error}"))
            except Unreachable as error:
                return Asked(known, trouble=Text(f"ne répond pas ({error})", f"does not answer ({error})"))
            if reply.status != 409:
                return self._judge(reply, known, size, claimed.body)
            told = _size(reply.body)
            if told is None:
                return Asked(known, trouble=Text("répond de travers", "gives an answer that makes no sense"))
            if told == known:
                return _differs(known)
            known = told
        return Asked(known, trouble=Text("change entre deux demandes", "changes between two requests"))

    def _judge(self, reply: Reply, known: int, size: int, body: bytes) -> Asked:
        if reply.status == 422:
            return _differs(known)
        if reply.status in (403, 404):
            return Asked(
                known,
                trouble=Text(
                    "ne connaît pas ce registre ou sa clé : que son opérateur lance « egide witness trust »",
                    "does not know this log or its key: its operator should run “egide witness trust”",
                ),
            )
        if reply.status != 200 or not reply.whole:
            return Asked(known, trouble=Text(f"répond {reply.status}", f"answers {reply.status}"))
        try:
            found = self._verifier.among(read_lines(reply.body.decode("utf-8", "replace"), body), body)
        except CheckpointError:
            found = []
        if not found:
            return Asked(
                known,
                trouble=Text(
                    "répond par une cosignature qui n’est pas celle de la clé réglée",
                    "answers with a cosignature that is not by the key in the settings",
                ),
            )
        return Asked(size, cosignature=found[0])


def check_address(address: str) -> None:
    """Raises `StartupError` unless this is an http(s) address."""
    if not address.startswith(("https://", "http://")) or any(character.isspace() for character in address):
        raise StartupError(
            Text(f"Ce n’est pas une adresse web : {address}", f"This is not a web address: {address}"),
            Text("Donnez https://…", "Give https://…"),
            file="egide.toml",
        )


def _body(old: int, proof: Sequence[bytes], note: str) -> bytes:
    lines = [f"old {old}", *(b64encode(each).decode() for each in proof), ""]
    return ("\n".join(lines) + "\n" + note).encode()


def _size(body: bytes) -> int | None:
    text = body.decode("ascii", "replace").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 19 else None


def _differs(known: int) -> Asked:
    return Asked(
        known,
        trouble=Text(
            f"refuse : l’histoire diffère de celle qu’il a cosignée ({known} inscriptions)",
            f"refuses: the history differs from what it cosigned ({known} entries)",
        ),
        refuses=True,
    )


def _longer(known: int, size: int) -> Asked:
    return Asked(
        known,
        trouble=Text(
            f"refuse : il a cosigné {known} inscriptions, le registre n’en a que {size}",
            f"refuses: it has cosigned {known} entries, the ledger has only {size}",
        ),
        refuses=True,
    )
