"""Why something that a device sent was not recorded, or is to be looked at by an officer, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egide.kernel.errors import Text

_AGAIN = Text("Refaites l’acte sur l’appareil.", "Do the act again on the device.")
_DESK = Text(
    "Un agent le reprend au bureau : rien n’est perdu.", "An officer takes it up at the desk: nothing is lost."
)

# By reason: what happened, what becomes of it.
SAID: Mapping[str, tuple[Text, Text]] = {
    "form": (Text("Cet envoi n’a pas la forme attendue.", "This entry does not have the expected form."), _AGAIN),
    "signature": (
        Text("Cet envoi n’est pas signé par cet appareil.", "This entry is not signed by this device."),
        Text("Prenez de nouveau le paquet hors ligne, puis refaites l’acte.", "Take the offline pack again, then do the act again."),
    ),
    "taken": (
        Text("Un autre envoi de cet appareil a déjà ce rang.", "Another entry of this device has this place already."),
        _AGAIN,
    ),
    "broken": (
        Text("La chaîne des envois est rompue avant celui-ci.", "The chain of entries is broken before this one."),
        Text("Prenez de nouveau le paquet hors ligne, puis refaites l’acte.", "Take the offline pack again, then do the act again."),
    ),
    "offered": (
        Text("Ce service ne se rend pas hors réseau.", "This service is not given without network."),
        Text("Recueillez la demande en ligne.", "Take down the request online."),
    ),
    "gap": (Text("Des envois qui précèdent celui-ci ne sont pas arrivés.", "Entries before this one have not come."), _DESK),
    "clock": (
        Text(
            "L’horloge de l’appareil n’était pas à l’heure, ou la plateforme ne le connaissait pas encore.",
            "The device’s clock was not right, or the platform did not know the device yet.",
        ),
        _DESK,
    ),
    "version": (
        Text("La version du formulaire n’existe plus ici.", "The version of the form no longer exists here."),
        _DESK,
    ),
    "changed": (Text("Le dossier a changé entre-temps.", "The file has changed meanwhile."), _DESK),
    "handed": (
        Text("Le dossier est passé à une autre unité entre-temps.", "The file has gone to another unit meanwhile."),
        Text("Cette unité le reprend : rien n’est perdu.", "That unit takes it up: nothing is lost."),
    ),
    "unread": (Text("Cet envoi ne se lit pas.", "This entry cannot be read."), _DESK),
    "aside": (
        Text("Un agent l’a examiné et n’en a pas fait un dossier.", "An officer looked at it and made no file of it."),
        Text("Demandez à votre unité.", "Ask your unit."),
    ),
    "files": (
        Text("Il manque des fichiers de cet envoi.", "Files of this entry are missing."),
        Text("Ils partent d’abord, puis l’acte.", "They go first, then the act."),
    ),
}  # fmt: skip


def why(reason: str) -> dict[str, Any]:
    """A reason as every door tells an error."""
    what, do = SAID[reason]
    return {"code": reason, "title": {"fr": what.fr, "en": what.en}, "do": {"fr": do.fr, "en": do.en}}
