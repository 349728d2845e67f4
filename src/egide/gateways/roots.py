"""The public page of roots, rendered here without JavaScript: whoever checks the ledger need not trust a script of the house.

Beside it, plain files for programs: the newest head (/roots/checkpoint), each head (/roots/<size>.txt), its time stamp
(/roots/<size>.tsr), and the public tree as C2SP tlog-tiles (/roots/tile/…). Everything is open class; the act is counted.
"""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from egide.gateways.headers import plain_csp
from egide.kernel import cosigned, tile_export
from egide.kernel.errors import EgideError
from egide.kernel.identity import ANONYMOUS
from egide.kernel.kernel import Kernel
from egide.oversight.roots import Roots, SignedHead, WitnessShown

Lang = Literal["fr", "en"]
TEXT: Final = "text/plain; charset=utf-8"
MAX_DIGITS = 18  # of a size in an address
_SHEET = re.compile(r'<link rel="stylesheet"[^>]*href="(/assets/[^"]+)"')

WORDS: Final[dict[Lang, dict[str, str]]] = {
    "fr": {
        "title": "Racines du registre", "home": "Accueil", "other": "English",
        "lead": "Chaque acte d’Égide est inscrit dans un registre que rien ne peut réécrire en silence. Voici ses têtes signées : "
        "gardez-en une, et vous pourrez demander plus tard que le registre la prolonge. Elles ne disent rien de personne.",
        "ledger": "Le registre", "origin": "Nom", "key": "Clé publique", "size": "Inscriptions", "signed": "Signée le",
        "none": "Aucune tête signée encore : le registre est vide.",
        "witnesses": "Les témoins", "no_witness": "Aucun témoin n’est réglé : rien n’empêche ce service de montrer deux registres différents.",
        "witness_lead": "Un témoin est tenu par quelqu’un d’autre. Il ne cosigne qu’une tête qui prolonge toutes celles qu’il a vues.",
        "seen": "A cosigné jusqu’à {size} inscriptions, le {at}.", "unseen": "N’a encore rien cosigné.",
        "heads": "Les têtes signées", "table": "Tableau des têtes", "root": "Racine", "cosigned": "Cosignée par", "stamped": "Horodatée le", "nobody": "personne",
        "not_stamped": "non", "files": "Fichiers", "note": "tête", "token": "sceau",
        "check": "Vérifier", "step_note": "Prenez la tête et la clé, par une autre voie que cette page si vous le pouvez.",
        "step_export": "Demandez au service l’export public, puis vérifiez-le : chaque tête doit prolonger la précédente.",
        "step_stamp": "Vérifiez l’heure : le sceau porte sur les trois premières lignes de la tête (RFC 3161).",
        "step_witness": "Tenez un témoin vous-même : deux commandes, sur une machine à vous.",
    },
    "en": {
        "title": "Roots of the ledger", "home": "Home", "other": "Français",
        "lead": "Every act of Égide is written in a ledger that nothing can rewrite in silence. These are its signed heads: keep one, and "
        "later you can ask that the ledger still grows from it. They say nothing about anyone.",
        "ledger": "The ledger", "origin": "Name", "key": "Public key", "size": "Entries", "signed": "Signed on",
        "none": "No signed head yet: the ledger is empty.",
        "witnesses": "The witnesses", "no_witness": "No witness is set: nothing prevents this service from showing two different ledgers.",
        "witness_lead": "A witness is run by somebody else. It cosigns only a head that continues all those it has seen.",
        "seen": "Has cosigned up to {size} entries, on {at}.", "unseen": "Has cosigned nothing yet.",
        "heads": "The signed heads", "table": "Table of heads", "root": "Root", "cosigned": "Cosigned by", "stamped": "Stamped on", "nobody": "nobody",
        "not_stamped": "no", "files": "Files", "note": "head", "token": "stamp",
        "check": "Check", "step_note": "Take the head and the key, by another way than this page if you can.",
        "step_export": "Ask the service for the public export, then verify it: each head must continue the one before.",
        "step_stamp": "Check the time: the stamp is over the first three lines of the head (RFC 3161).",
        "step_witness": "Run a witness yourself: two commands, on a machine of yours.",
    },
}  # fmt: skip


def routes(kernel: Kernel) -> list[BaseRoute]:
    """The page and its files."""
    sheet = (files("egide.gateways") / "roots.css").read_text("utf-8")
    sheets = _sheets(Path(str(files("egide") / "static")))

    async def shown(request: Request) -> Roots:
        address = request.client.host if request.client is not None else ""
        found: Roots = (await kernel.perform("oversight.roots.show", b"{}", ANONYMOUS, address=address)).result
        return found

    async def page(request: Request) -> Response:
        lang = language(request.query_params.get("lang", ""), request.headers.get("accept-language", ""))
        try:
            body = render(await shown(request), lang, sheets, kernel.settings.origin)
        except EgideError as error:
            return Response(f"{error.what.fr}\n{error.what.en}\n", error.status, media_type=TEXT)
        headers = {
            "content-security-policy": plain_csp(), "cache-control": "no-cache", "content-language": lang, "vary": "accept-language",
        }  # fmt: skip
        return Response(body, headers=headers, media_type="text/html; charset=utf-8")

    async def data(request: Request) -> Response:
        try:
            return Response(msgspec.json.encode(await shown(request)), media_type="application/json")
        except EgideError as error:
            return Response(f"{error.what.fr}\n{error.what.en}\n", error.status, media_type=TEXT)

    async def style(_request: Request) -> Response:
        return Response(sheet, headers={"cache-control": "public, max-age=3600"}, media_type="text/css; charset=utf-8")

    async def newest(_request: Request) -> Response:
        head = cosigned.best(kernel.store.reader(), kernel.settings.realm)
        return _text(head.note if head is not None else None)

    async def note(request: Request) -> Response:
        size = _number(request.path_params["size"])
        head = None if size is None else cosigned.head(kernel.store.reader(), kernel.settings.realm, size)
        return _text(head.note if head is not None else None)

    async def token(request: Request) -> Response:
        size = _number(request.path_params["size"])
        found = None if size is None else cosigned.token(kernel.store.reader(), kernel.settings.realm, size)
        return _nothing() if found is None else Response(found, media_type="application/timestamp-reply")

    async def tile(request: Request) -> Response:
        place = tile_export.parse_path(f"tile/{request.path_params['path']}")
        found = None if place is None else tile_export.served(kernel, place)
        return _nothing() if found is None else Response(found, media_type="application/octet-stream")

    return [
        Route("/roots", page),
        Route("/roots.json", data),
        Route("/roots/style.css", style),
        Route("/roots/checkpoint", newest),
        Route("/roots/{size}.txt", note),
        Route("/roots/{size}.tsr", token),
        Route("/roots/tile/{path:path}", tile),
    ]


def language(asked: str, accepted: str) -> Lang:
    """French unless ?lang= or the browser's first choice of the two says English (RFC 9110 §12.5.4)."""
    if asked in ("fr", "en"):
        return "en" if asked == "en" else "fr"
    best: tuple[float, Lang] = (0.0, "fr")
    for part in accepted[:500].split(","):
        tag, _, weight = part.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        try:
            value = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            value = 0.0
        if name in ("fr", "en") and value > best[0]:
            best = (value, "en" if name == "en" else "fr")
    return best[1]


def render(roots: Roots, lang: Lang, sheets: list[str], base: str) -> str:
    """The whole page; every value is escaped."""
    words, other = WORDS[lang], "en" if lang == "fr" else "fr"
    links = "".join(f'<link rel="stylesheet" href="{escape(href)}">' for href in [*sheets, "/roots/style.css"])
    return f"""<!doctype html>
<html lang="{lang}" data-theme="day">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{words["title"]} — Égide</title>
<link rel="icon" type="image/svg+xml" href="/favicon.svg">
{links}
</head>
<body>
<div class="roots">
<header>
<nav><a href="/">← Égide, {words["home"].lower()}</a><a href="/roots?lang={other}" hreflang="{other}" lang="{other}">{words["other"]}</a></nav>
<h1>{words["title"]}</h1>
<p class="lead">{words["lead"]}</p>
</header>
<main>
{_ledger(roots, words)}
{_witnesses(roots, words)}
{_heads(roots, words)}
{_check(roots, words, base)}
</main>
</div>
</body>
</html>
"""


def _ledger(roots: Roots, words: dict[str, str]) -> str:
    rows = [
        (words["origin"], f"<code>{escape(roots.origin)}</code>"),
        (words["key"], f"<code>{escape(roots.vkey)}</code>"),
    ]
    if roots.heads:
        rows += [
            (words["size"], f'<span class="figures">{roots.heads[0].size}</span>'),
            (words["signed"], _time(roots.heads[0].at)),
        ]
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    none = "" if roots.heads else f"<p>{words['none']}</p>"
    return f'<section aria-labelledby="ledger"><h2 id="ledger">{words["ledger"]}</h2><dl>{listed}</dl>{none}</section>'


def _witnesses(roots: Roots, words: dict[str, str]) -> str:
    def one(witness: WitnessShown) -> str:
        said = words["seen"].format(size=witness.size, at=_time(witness.at)) if witness.size else words["unseen"]
        return f"<dt>{escape(witness.name)}</dt><dd>{said}<br><code>{escape(witness.vkey)}</code></dd>"

    lead = f"<p>{words['witness_lead']}</p>"
    shown = (
        f"<dl>{''.join(one(each) for each in roots.witnesses)}</dl>"
        if roots.witnesses
        else f"<p>{words['no_witness']}</p>"
    )
    return f'<section aria-labelledby="witnesses"><h2 id="witnesses">{words["witnesses"]}</h2>{lead}{shown}</section>'


def _heads(roots: Roots, words: dict[str, str]) -> str:
    if not roots.heads:
        return ""

    def row(head: SignedHead) -> str:
        by = "".join(f"<li>{escape(each.witness)}, {_time(each.at)}</li>" for each in head.cosignatures)
        stamp = f' · <a href="/roots/{head.size}.tsr">{words["token"]} {head.size}</a>' if head.stamped else ""
        cells = "".join(
            f'<td role="cell" data-name="{words[name]}">{content}</td>'
            for name, content in (
                ("signed", _time(head.at)),
                ("root", f"<code>{escape(head.root)}</code>"),
                ("cosigned", f"<ul>{by}</ul>" if by else words["nobody"]),
                ("stamped", _time(head.stamped) if head.stamped else words["not_stamped"]),
                ("files", f'<a href="/roots/{head.size}.txt">{words["note"]} {head.size}</a>{stamp}'),
            )
        )
        return f'<tr role="row"><th scope="row" role="rowheader" class="number" data-name="{words["size"]}">{head.size}</th>{cells}</tr>'

    names = "".join(
        f'<th scope="col" role="columnheader"{" class=number" if name == "size" else ""}>{words[name]}</th>'
        for name in ("size", "signed", "root", "cosigned", "stamped", "files")
    )
    return (
        f'<section aria-labelledby="heads"><h2 id="heads">{words["heads"]}</h2>'
        f'<div class="table-frame" tabindex="0" role="region" aria-label="{words["table"]}"><table role="table"><thead role="rowgroup"><tr role="row">{names}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(row(head) for head in roots.heads)}</tbody></table></div></section>'
    )


def _check(roots: Roots, words: dict[str, str], base: str) -> str:
    key, stamped = escape(roots.vkey), next((head.size for head in roots.heads if head.stamped), None)
    steps = [
        (words["step_note"], f"curl {escape(base)}/roots/checkpoint\necho '{key}' &gt; ledger.vkey"),
        (words["step_export"], "egide ledger verify EXPORT.tar --key ledger.vkey"),
    ]
    if stamped is not None:
        steps.append(
            (
                words["step_stamp"],
                "\n".join(
                    (
                        f"curl {escape(base)}/roots/{stamped}.txt | head -n 3 &gt; head.txt",
                        f"curl -O {escape(base)}/roots/{stamped}.tsr",
                        f"openssl ts -verify -data head.txt -in {stamped}.tsr -CAfile stamp-authority.pem",
                    )
                ),
            )
        )
    steps.append((words["step_witness"], f"egide witness trust '{key}'\negide witness serve"))
    listed = "".join(f"<li><p>{text}</p><pre>{commands}</pre></li>" for text, commands in steps)
    return f'<section aria-labelledby="check"><h2 id="check">{words["check"]}</h2><ol>{listed}</ol></section>'


def _time(at: str) -> str:
    return f'<time datetime="{at}">{at[:10]} {at[11:19]} UTC</time>' if at else "—"


def _sheets(static: Path) -> list[str]:
    """The built pages' common style sheet (the one with the tokens); none while the pages are not built."""
    page = static / "sign-in.html"
    found = _SHEET.findall(page.read_text("utf-8")) if page.exists() else []
    return [href for href in found if "--paper:" in (static / href.lstrip("/")).read_text("utf-8")]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None


def _text(note: str | None) -> Response:
    return _nothing() if note is None else Response(note, headers={"cache-control": "no-cache"}, media_type=TEXT)


def _nothing() -> Response:
    return Response("Not found", 404)
