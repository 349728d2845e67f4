"""Check of what officers' cards need: the reader's library, and the authorities that the operator trusts. No card is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates

from egide.gateways.findings import Count, Finding, Findings
from egide.kernel.documents import CARD_ROOTS
from egide.kernel.errors import Text
from egide.kernel.settings import Settings

SOON = timedelta(days=30)  # before an authority's end, that one is told


def cards(settings: Settings, _count: Count) -> Findings:
    """Signatures by card: nothing where they are not set up."""
    if not settings.card_module:
        return
    if not Path(settings.card_module).is_file():
        yield Finding(
            "wrong",
            Text(
                f"Cartes d’agent : {settings.card_module} n’existe pas.",
                f"Officers’ cards: {settings.card_module} does not exist.",
            ),
            Text(
                "Installez la bibliothèque PKCS#11 du lecteur, ou corrigez « card_module ».",
                "Install the reader’s PKCS#11 library, or correct “card_module”.",
            ),
        )
        return
    file = settings.folder / "keys" / CARD_ROOTS
    try:
        roots = load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        yield Finding(
            "wrong",
            Text(
                "Cartes d’agent : aucune autorité n’est reconnue, toute carte est refusée.",
                "Officers’ cards: no authority is known, every card is refused.",
            ),
            Text(f"Mettez les racines des cartes dans {file}.", f"Put the roots of the cards into {file}."),
        )
        return
    left = min(each.not_valid_after_utc for each in roots) - datetime.now(UTC)
    if left < SOON:
        yield Finding(
            "wrong" if left < timedelta(0) else "note",
            Text(
                f"Cartes d’agent : une autorité expire dans {left.days} jours.",
                f"Officers’ cards: an authority ends in {left.days} days.",
            ),
            Text(f"Renouvelez-la dans {file}.", f"Renew it in {file}."),
        )
        return
    yield Finding(
        "good", Text(f"Cartes d’agent : {len(roots)} autorité(s)", f"Officers’ cards: {len(roots)} authority(ies)")
    )
