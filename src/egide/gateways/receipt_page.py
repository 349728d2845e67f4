"""`/verify-receipt`: whether a receipt is real, for anybody, without learning who. HTML from the server, whole without
JavaScript.

The code stands in the address's fragment, which a browser keeps to itself; the page's script moves it into the form's body
and out of the address, so that no log and no history holds it. Without JavaScript one pastes it. Nothing is looked up by
number: the code proves itself by its signature, so that nobody can try out numbers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from egide.gateways.dates import in_full
from egide.gateways.resident import LOST, STYLE, lang_of, page, policy
from egide.kernel.errors import BadInput, EgideError, Text, TooLarge
from egide.kernel.kernel import Kernel
from egide.services.receipts import PATH, Receipt, verify_receipt

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
}
LOOK = (
    STYLE
    + """
textarea{font:16px/1.5 ui-monospace,monospace}.said{border:2px solid var(--go);border-inline-start-width:10px;border-radius:6px;padding:12px 16px;margin:16px 0;overflow-wrap:anywhere}
.said.wrong{border-color:var(--warn)}.said h2{margin-top:0}dl{margin:12px 0 0}dt{font-size:15px;margin-top:8px}dd{margin:0;font-weight:600}"""
)

SCRIPT = """const held=location.hash.slice(1);if(held){history.replaceState(null,'',location.pathname+location.search);
const field=document.querySelector('#code');field.value=held;field.form.requestSubmit()}"""


POLICY = policy(LOOK, SCRIPT + LOST, asks=True)  # of the page with the form


def routes(kernel: Kernel) -> list[Route]:
    """The page of this platform's own receipts."""

    async def verify(code: str) -> Receipt:
        return verify_receipt(code, [kernel.key.vkey])

    here = ReceiptPage(verify)
    return [Route(PATH, here.show), Route(PATH, here.check, methods=["POST"])]


class ReceiptPage:
    """The page's address: an empty form, and the answer to one that was sent."""

    def __init__(self, verify: Verify) -> None:
        """`verify` gives the receipt behind a code, or raises an `EgideError` that says what is wrong with it."""
        self._verify = verify

    async def show(self, request: Request) -> Response:
        """The form."""
        lang = lang_of(request)
        return _page(lang, _form(lang))

    async def check(self, request: Request) -> Response:
        """The answer. Any site may send a form here: it changes nothing, and answers only whoever holds the code."""
        lang = lang_of(request)
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


def _say(lang: str, word: str) -> str:
    return escape(WORDS[word][lang == "en"])


def _form(lang: str, code: str = "") -> str:
    return f"""<p>{_say(lang, "what")}</p><form method="post" action="{PATH}?lang={lang}"><label for="code">{_say(lang, "code")}</label>
<p class="small" id="hint">{_say(lang, "hint")}</p><textarea id="code" name="code" required maxlength="2400" aria-describedby="hint" spellcheck="false" autocapitalize="off" autocomplete="off">{escape(code)}</textarea>
<button>{_say(lang, "verify")}</button></form><p class="small">{_say(lang, "notice")}</p>"""


def _valid(lang: str, receipt: Receipt) -> str:
    rows = (
        ("type", receipt.service),
        ("day", in_full(lang, receipt.day)),
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
    return f"""<div class="said wrong" role="alert" tabindex="-1" autofocus data-invalid><h2>✗ {_say(lang, head)}</h2>{escape(what)} {escape(do)}</div>"""


def _page(lang: str, content: str, *, status: int = 200) -> Response:
    title = WORDS["title"][lang == "en"]
    return page(lang, title, PATH, f"<h1>{_say(lang, 'title')}</h1>{content}", style=LOOK, script=SCRIPT, status=status)
