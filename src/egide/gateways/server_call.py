"""An act performed on the running server with the operator's token, and its refusal told on the terminal.

Where several processes serve, what one alone can do is asked again until a connection reaches that one.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from egide.gateways.cli_options import errors
from egide.kernel.errors import NotFound, Text
from egide.kernel.settings import Settings

# times another process of the platform is asked where one alone can do it; of four, all say no once in 100,000
AGAIN = 40
AGAIN_S = 0.05  # s between two of them
ELSEWHERE = "elsewhere"  # code of that answer (border/clerk.py)


def call(settings: Settings, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Performs an act on the running server with the operator's token; raises `SystemExit` with the server's words."""
    from egide.gateways.standing import trust  # noqa: PLC0415

    try:
        token = (settings.folder / "operator.token").read_text().strip()
    except OSError as error:
        raise NotFound(
            Text(
                f"Aucune installation lisible dans {settings.folder}.", f"No installation to read in {settings.folder}."
            ),
            Text("Lancez « egide serve », ou donnez --data.", "Run “egide serve”, or give --data."),
        ) from error
    request = urllib.request.Request(  # noqa: S310 — our own loopback address
        f"{'https' if settings.tls else 'http'}://127.0.0.1:{settings.port}/api/acts/{name}",
        json.dumps(given).encode(),
        {"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    for left in range(AGAIN, -1, -1):
        try:
            with urllib.request.urlopen(request, timeout=30, context=trust(settings)) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            told = json.load(error)
            if told.get("code") == ELSEWHERE and left:  # a new connection may be another process's
                time.sleep(AGAIN_S)
                continue
            _tell_refused(told)
            raise SystemExit(1) from error
        except (urllib.error.URLError, OSError) as error:
            errors.print(
                "Le serveur ne répond pas : lancez « egide serve ». / The server does not answer: run “egide serve”."
            )
            raise SystemExit(1) from error
    raise AssertionError("the last turn returns or raises")


def _tell_refused(told: dict[str, Any]) -> None:
    errors.print(f"[red]{told['title']['fr']}[/red]\n{told['title']['en']}")
    for reason in told.get("reasons", []):
        errors.print(f"  {reason['text']} {reason['article']} — {reason['fr']} / {reason['en']}")
    if told.get("do"):
        errors.print(f"{told['do']['fr']} / {told['do']['en']}")
