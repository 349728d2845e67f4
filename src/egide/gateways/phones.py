"""How a phone comes to trust this installation: where it gets the local authority, what to compare, what to touch.

The first fetch goes over a connection the phone cannot trust yet, so the fingerprint is compared by eye: that, not the code
to photograph, is what makes it safe.
"""

from __future__ import annotations

import io

from rich.console import Console

from egide.gateways.certificate import Names
from egide.gateways.telling import raw, tell
from egide.kernel.errors import Text
from egide.kernel.settings import FILE, Settings

AUTHORITY_PATH = "/tls/ca.crt"  # where the server gives the authority
AUTHORITY_TYPE = "application/x-x509-ca-cert"  # what makes phones offer to install it


def explain(settings: Settings, names: Names, fingerprint: str, console: Console) -> None:
    """Prints the steps, the authority's SHA-256 `fingerprint` and a code to photograph."""
    file = settings.folder / "tls" / "ca.pem"
    reach = next((str(each) for each in names.addresses if not each.is_loopback), "")
    if settings.public_name != "localhost":
        reach = settings.public_name
    console.print()
    tell(console, Text("Pour les téléphones :", "For phones:"))
    named = (
        settings.public_name
        if settings.public_name != "localhost"
        else next((n for n in names.dns if n.endswith(".local")), names.dns[-1])
    )
    steps = [
        Text(
            f'1. Dans {settings.folder / FILE} : tls = true, host = "0.0.0.0", public_name = "{named}" ; relancez « egide serve ». Faites-le avant d’enregistrer des clés d’accès : elles sont liées au nom.',
            f'1. In {settings.folder / FILE}: tls = true, host = "0.0.0.0", public_name = "{named}"; restart “egide serve”. Do it before registering passkeys: they are bound to the name.',
        ),
        Text(
            f"2. Sur le téléphone, prenez l’autorité locale (le fichier {file}) à l’adresse ci-dessous ; l’avertissement est normal cette fois-là.",
            f"2. On the phone, fetch the local authority (the file {file}) at the address below; the warning is expected that once.",
        ),
        Text(
            "3. Comparez son empreinte SHA-256 avant de l’accepter :",
            "3. Compare its SHA-256 fingerprint before you accept it:",
        ),
    ]
    for step in steps:
        tell(console, step)
    raw(console, fingerprint)
    tell(
        console,
        Text(
            "4. Android : Réglages > Sécurité > Chiffrement et identifiants > Installer un certificat > Certificat CA. "
            "iPhone : Réglages > Profil téléchargé > Installer, puis Général > Informations > Réglages des certificats > activer.",
            "4. Android: Settings > Security > Encryption & credentials > Install a certificate > CA certificate. "
            "iPhone: Settings > Profile Downloaded > Install, then General > About > Certificate Trust Settings > enable.",
        ),
    )
    tell(
        console,
        Text(
            "Cette autorité ne vaut que pour les noms de cette machine et les adresses privées.",
            "This authority is only good for this machine’s names and private addresses.",
        ),
    )
    if reach:
        host = f"[{reach}]" if ":" in reach else reach
        address = f"https://{host}:{settings.port}{AUTHORITY_PATH}"
        raw(console, address)
        drawn = io.StringIO()
        import segno  # noqa: PLC0415 — 0.1 s at every start, for a picture drawn once

        segno.make(address, micro=False).terminal(out=drawn, border=2, compact=True)
        console.file.write(drawn.getvalue())
    else:
        tell(
            console,
            Text(
                "Aucune adresse de réseau trouvée : pas de code à photographier.",
                "No network address found: no code to scan.",
            ),
            "note",
        )
