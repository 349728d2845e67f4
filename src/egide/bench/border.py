"""Border's figures: a control from the code to the word, its parts beside peers, and what a traveller waits."""

from __future__ import annotations

from egide.bench import border_controls, border_documents, border_faces, border_ledger, border_tokens, border_zones

MEASURES = (
    *border_controls.MEASURES,
    *border_faces.MEASURES,
    *border_tokens.MEASURES,
    *border_documents.MEASURES,
    *border_ledger.MEASURES,
    *border_zones.MEASURES,
)
