"""What the platform says of a file that somebody sent, in plain words: its state, and why one was not taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egide.kernel.errors import BadInput, Conflict, Text, TooLarge, TooMany
from egide.services.quarantine import MAX_FILE, MIB
from egide.services.sniffing import Kind, kinds

MAX_FILES = 20  # of one draft or file
MAX_NAME = 200  # characters

# Why no copy may be had of a file although it was kept.
HELD: Mapping[str, Text] = {
    "active": Text(
        "Ce document contient un programme ou un fichier joint : il est gardé à part, et montré sans eux.",
        "This document contains a program or an attached file: it is kept apart, and shown without them.",
    ),
    "points": Text(
        "Cette image est trop grande pour être montrée : l’originale est gardée à part.",
        "This picture is too large to be shown: the original is kept apart.",
    ),
}


def state(row: Any) -> Text:
    """The one sentence that matters of a file's state."""
    if row["scan"] == "waiting":
        return Text("Reçu et scellé ; examen en cours.", "Received and sealed; being examined.")
    if row["scan"] == "found":
        return Text(
            "Un programme malveillant y a été trouvé : ce fichier est gardé à part, un agent en est averti.",
            "Something malicious was found in it: this file is kept apart, an officer is told.",
        )
    if row["held"]:
        return HELD[row["held"]]
    if row["scan"] == "unscanned":
        return Text(
            "Reçu et scellé. Non analysé contre les programmes malveillants : seul un agent peut l’ouvrir, en disant pourquoi.",
            "Received and sealed. Not scanned for malicious programs: only an officer may open it, saying why.",
        )
    if row["copy"] != "ready":
        return Text(
            "Reçu et scellé ; ce format n’a pas de copie à montrer.", "Received and sealed; there is no copy to show."
        )
    return Text(
        "Reçu, scellé et analysé : rien de malveillant trouvé.",
        "Received, sealed and scanned: nothing malicious found.",
    )


def partial(there: int, whole: int) -> Conflict:
    """Bytes are still to come."""
    return Conflict(
        Text(f"Le fichier n’est pas arrivé en entier : {there} octets sur {whole}.", f"The file has not come whole: {there} bytes of {whole}."),
        Text("Reprenez l’envoi.", "Go on sending."),
    )  # fmt: skip


def too_large() -> TooLarge:
    """It has no byte, or too many."""
    return TooLarge(
        Text(f"Un fichier a de 1 octet à {MAX_FILE // MIB} Mio.", f"A file has 1 byte to {MAX_FILE // MIB} MiB."),
        Text(
            "Envoyez-le en plusieurs fichiers, ou apportez-le au guichet.",
            "Send it as several files, or bring it to the counter.",
        ),
    )


def misnamed() -> BadInput:
    """Its name is none."""
    return BadInput(
        Text("Nom de fichier impossible.", "Impossible file name."),
        Text(f"De 1 à {MAX_NAME} caractères, sans dossier.", f"1 to {MAX_NAME} characters, without a folder."),
    )


def not_taken() -> BadInput:
    """Its declared type is none of ours."""
    return BadInput(
        Text("Ce format de fichier n’est pas accepté.", "This file format is not accepted."),
        Text(
            f"Formats acceptés : {', '.join(kind.title.fr for kind in kinds().values())}. Ce que vous avez écrit est gardé.",
            f"Accepted formats: {', '.join(kind.title.en for kind in kinds().values())}. What you wrote is kept.",
        ),
    )


def many() -> TooMany:
    """Its draft or file has as many as it may."""
    return TooMany(
        Text(f"Ce dossier a déjà {MAX_FILES} fichiers.", f"This file has {MAX_FILES} files already."),
        Text("Retirez-en un, ou apportez la suite au guichet.", "Take one back, or bring the rest to the counter."),
    )


def altered() -> BadInput:
    """Other bytes came than were announced."""
    return BadInput(
        Text(
            "Le fichier reçu n’est pas celui annoncé (SHA-256).",
            "The file received is not the one announced (SHA-256).",
        ),
        Text("Choisissez-le de nouveau. Ce que vous avez écrit est gardé.", "Choose it again. What you wrote is kept."),
    )


def locked() -> BadInput:
    """A document that opens with a password only."""
    return BadInput(
        Text("Ce document PDF est protégé par un mot de passe.", "This PDF document is protected by a password."),
        Text(
            "Enregistrez-le sans mot de passe, puis envoyez-le. Ce que vous avez écrit est gardé.",
            "Save it without a password, then send it. What you wrote is kept.",
        ),
    )


def broken(kind: Kind) -> BadInput:
    """Nothing can be made of it."""
    return BadInput(
        Text(f"Ce fichier ({kind.title.fr}) ne peut pas être lu.", f"This file ({kind.title.en}) cannot be read."),
        Text(
            "Ouvrez-le et enregistrez-le de nouveau, ou envoyez une photo de l’écran. Ce que vous avez écrit est gardé.",
            "Open it and save it again, or send a photo of the screen. What you wrote is kept.",
        ),
    )


def reason(what: Text) -> BadInput:
    """An officer who opens it has not said why."""
    return BadInput(what, Text("Dites pourquoi il vous le faut.", "Say why you need it."))
