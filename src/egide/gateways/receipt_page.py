"""`/verify-receipt`: whether a receipt is real, for anybody, without learning who. HTML from the server, whole without
JavaScript.

The code stands in the address's fragment, which a browser keeps to itself; the page's script moves it into the form's body
and out of the address, so that no log and no history holds it. Without JavaScript one pastes it. Nothing is looked up by
number: the code proves itself by its signature, so that nobody can try out numbers.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from egide.kernel.errors import BadInput, EgideError, Text, TooLarge
from egide.services.receipts import PATH, Receipt

MAX_FORM = 8 * 1024  # bytes; a code has 300 characters
Verify = Callable[[str], Awaitable[Receipt]]

WORDS: dict[str, tuple[str, str]] = {
    "title": ("Vérifier un récépissé", "Verify a receipt"),
    "what": (
        "Cette page dit si un récépissé est authentique. Elle ne dit jamais à qui il a été remis.",
        "This page says whether a receipt is genuine. It never says to whom it was given.",
    ),
    "code": ("Code du récépissé, ou son adresse", "Code of the receipt, or its address"),
    "hint": (
        "Il est imprimé à côté du code QR. Les espaces et les retours à la ligne ne comptent pas.",
        "It is printed beside the QR code. Blanks and line ends do not count.",
    ),
    "verify": ("Vérifier", "Verify"),
    "valid": ("Récépissé authentique", "The receipt is genuine"),
    "invalid": ("Ce n’est pas un récépissé valide", "This is not a valid receipt"),
    "trouble": ("La vérification n’a pas eu lieu", "It could not be verified"),
    "signed": (
        "Ce service l’a signé, et rien n’y a été changé.",
        "This service signed it, and nothing in it was changed.",
    ),
    "type": ("Démarche", "Service"),
    "day": ("Date", "Date"),
    "unit": ("Service", "Unit"),
    "number": ("Numéro de dossier", "File number"),
    "ledger": ("Numéro au registre", "Ledger number"),
    "notice": (
        "Rien n’est conservé : le code n’est ni enregistré ni écrit dans un journal. Il se vérifie aussi hors ligne, avec la clé publique du registre.",
        "Nothing is kept: the code is neither stored nor written to a log. It also verifies offline, with the ledger’s public key.",
    ),
    "again": ("Vérifier un autre récépissé", "Verify another receipt"),
    "other": ("English", "Français"),
}
MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
MONTHS_EN = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip

STYLE = """:root{color-scheme:light dark;--ink:#17211d;--paper:#fff;--soft:#eef3f0;--line:#5c6b64;--go:#0b5d3b;--on:#fff;--warn:#8a1c12}
@media(prefers-color-scheme:dark){:root{--ink:#eef3f0;--paper:#121815;--soft:#1f2924;--line:#93a39b;--go:#8fe0b8;--on:#06281a;--warn:#ffb4a8}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:18px/1.5 system-ui,sans-serif}
header,main{max-width:36rem;margin:0 auto;padding:16px}header{display:flex;justify-content:space-between;align-items:center;gap:16px;padding-block:8px}
h1{font-size:28px;line-height:1.2;margin:8px 0}h2{font-size:22px;line-height:1.3;margin:0 0 8px}p{margin:12px 0}a{color:var(--go)}header a,p>a{display:inline-block;padding:11px 0}
label{display:block;font-weight:600;margin:16px 0 4px}textarea{width:100%;min-height:8em;resize:vertical;font:16px/1.5 ui-monospace,monospace;color:inherit;background:var(--paper);border:2px solid var(--line);border-radius:6px;padding:10px}
button{font:inherit;font-weight:700;width:100%;min-height:52px;margin:16px 0 0;border:2px solid var(--go);border-radius:6px;background:var(--go);color:var(--on);cursor:pointer}
:focus-visible{outline:3px solid var(--go);outline-offset:3px}.small{font-size:15px}
.said{border:2px solid var(--go);border-inline-start-width:10px;border-radius:6px;padding:12px 16px;margin:16px 0;overflow-wrap:anywhere}.said.wrong{border-color:var(--warn)}
dl{margin:12px 0 0}dt{font-size:15px;margin-top:8px}dd{margin:0;font-weight:600}"""

SCRIPT = """const held=location.hash.slice(1);if(held){history.replaceState(null,'',location.pathname+location.search);
const field=document.querySelector('#code');field.value=held;field.form.requestSubmit()}"""


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


# The page's own style and script, by their hashes: nothing else runs, nothing comes from elsewhere.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_hash(STYLE)}'; script-src 'sha256-{_hash(SCRIPT)}'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; report-uri /api/csp"
)


class ReceiptPage:
    """The page's address: an empty form, and the answer to one that was sent."""

    def __init__(self, verify: Verify) -> None:
        """`verify` gives the receipt behind a code, or raises an `EgideError` that says what is wrong with it."""
        self._verify = verify

    async def show(self, request: Request) -> Response:
        """The form."""
        lang = _lang(request)
        return _page(lang, _form(lang))

    async def check(self, request: Request) -> Response:
        """The answer. Any site may send a form here: it changes nothing, and answers only whoever holds the code."""
        lang = _lang(request)
        code = ""
        try:
            code = await _code(request)
            receipt = await self._verify(code)
        except EgideError as error:
            return _page(lang, _wrong(lang, error) + _form(lang, code), status=error.status)
        return _page(lang, _valid(lang, receipt) + f'<p><a href="{PATH}?lang={lang}">{_say(lang, "again")}</a></p>')


async def _code(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM:
            raise TooLarge(Text("Ce texte est trop long pour un code.", "This text is too long for a code."))
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=4)
    except ValueError as error:
        raise BadInput(Text("Formulaire illisible.", "Unreadable form.")) from error
    return fields.get("code", [""])[0]


def _lang(request: Request) -> str:
    asked = request.query_params.get("lang", "")
    if asked in ("fr", "en"):
        return asked
    first = request.headers.get("accept-language", "fr").strip().lower()
    return "fr" if first.startswith("fr") or not first else "en"


def _say(lang: str, word: str) -> str:
    return escape(WORDS[word][lang == "en"])


def _form(lang: str, code: str = "") -> str:
    return f"""<p>{_say(lang, "what")}</p><form method="post" action="{PATH}?lang={lang}"><label for="code">{_say(lang, "code")}</label>
<p class="small" id="hint">{_say(lang, "hint")}</p><textarea id="code" name="code" required maxlength="2400" aria-describedby="hint" spellcheck="false" autocapitalize="off" autocomplete="off">{escape(code)}</textarea>
<button>{_say(lang, "verify")}</button></form><p class="small">{_say(lang, "notice")}</p>"""


def _valid(lang: str, receipt: Receipt) -> str:
    months = MONTHS_EN if lang == "en" else MONTHS
    day = f"{receipt.day.day} {months[receipt.day.month - 1]} {receipt.day.year}"
    rows = (
        ("type", receipt.service),
        ("day", day),
        ("unit", receipt.unit),
        ("number", receipt.number),
        ("ledger", str(receipt.index)),
    )
    lines = "".join(f"<dt>{_say(lang, word)}</dt><dd>{escape(value)}</dd>" for word, value in rows)
    return f"""<div class="said" role="status" data-valid><h2>✓ {_say(lang, "valid")}</h2>{_say(lang, "signed")}<dl>{lines}</dl></div>"""


def _wrong(lang: str, error: EgideError) -> str:
    head = "invalid" if error.status < 500 else "trouble"
    what = error.what.en if lang == "en" else error.what.fr
    do = "" if error.do is None else error.do.en if lang == "en" else error.do.fr
    return f"""<div class="said wrong" role="alert" data-invalid><h2>✗ {_say(lang, head)}</h2>{escape(what)} {escape(do)}</div>"""


def _page(lang: str, content: str, *, status: int = 200) -> Response:
    other = "fr" if lang == "en" else "en"
    html = f"""<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer"><title>{_say(lang, "title")} — Égide</title><link rel="icon" href="/favicon.svg"><style>{STYLE}</style></head><body>
<header><strong>Égide</strong><a href="{PATH}?lang={other}" lang="{other}" hreflang="{other}">{_say(lang, "other")}</a></header>
<main><h1>{_say(lang, "title")}</h1>{content}</main><script>{SCRIPT}</script></body></html>"""
    headers = {"content-security-policy": POLICY, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(html, status, headers=headers, media_type="text/html; charset=utf-8")
