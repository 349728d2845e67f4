"""How a file's events and the desk name the rights that a person exercises on it (GDPR 15 to 21; law 78-17, 104 to 111)."""

from __future__ import annotations

from egide.kernel.capability import Words

RIGHTS: dict[str, Words] = {
    "rectification": Words("Correction demandée", "Rectification asked for"),
    "objection": Words("Opposition au traitement", "Objection to the processing"),
}
GRANTED, REFUSED = "right_granted", "right_refused"
ANSWERS: dict[str, Words] = {
    GRANTED: Words("Demande de droits acceptée", "Request of rights granted"),
    REFUSED: Words("Demande de droits refusée", "Request of rights refused"),
}
SAID = {f"right_{kind}": words for kind, words in RIGHTS.items()} | ANSWERS
