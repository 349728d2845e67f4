"""What a resident does, as HTTP: a complaint about a theft by Égide's acts, by its pages, and in the Django peer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

from egide.bench.measure import BenchError
from egide.bench.ways import Answer, Way, asked
from egide.gateways.file_pages import FILE
from egide.gateways.resident_identity import WHO
from egide.gateways.service_pages import DRAFT
from egide.services.answers import boxes
from egide.services.definition import Definition, catalogue

SERVICE = "theft"
CSRF = (
    "A" * 32
)  # Django's double submit: the same 32 characters in a cookie and in the form (django/middleware/csrf.py)
FORMS = "application/x-www-form-urlencoded"
_DAY = datetime.now(UTC) - timedelta(days=2)
# What is typed: the length of an ordinary complaint, all questions that must be answered and the sum.
TYPED: dict[str, str] = {
    "going_on": "no", "offence": "theft", "author_known": "no", "facts_date-day": f"{_DAY.day}", "facts_date-month": f"{_DAY.month}",
    "facts_date-year": f"{_DAY.year}", "facts_place": "12 rue de la Gare, 59000 Lille",
    "account": "J’ai attaché mon vélo devant la gare vers huit heures. À mon retour, à dix-huit heures trente, l’antivol était coupé "
    "au sol et le vélo avait disparu. Une caméra donne sur le parc à vélos.",
    "things": "Vélo bleu de marque Peugeot, cadre 54, numéro gravé BX-4471-902", "loss": "350", "email": "claire@example.org",
}  # fmt: skip


def theft() -> Definition:
    """The service that is measured."""
    found = catalogue().find(SERVICE)
    if found is None:
        raise BenchError(f"there is no service {SERVICE}")
    return found


@dataclass(slots=True)
class Acts:
    """A resident's acts over `/api/acts`, as somebody without an account."""

    port: int
    origin: str
    cookie: str = ""  # an officer's session, for what officers do

    def asked(self, name: str, **given: Any) -> bytes:
        """One act."""
        headers = {"host": f"localhost:{self.port}", "origin": self.origin, "content-type": "application/json"}
        if self.cookie:
            headers["cookie"] = self.cookie
        return asked("POST", f"/api/acts/{name}", headers, json.dumps(given).encode())

    def save(self, kept: Callable[[str], None]) -> Way:
        """A draft with every answer; gives its cookie's value."""
        answer = yield self._save()
        kept(_held(answer))

    def file(self, draft: str, who: Mapping[str, str]) -> Way:
        """The draft becomes a file."""
        yield self._file(draft, who)

    def whole(self, who: Mapping[str, str]) -> Way:
        """Both, one after the other."""
        answer = yield self._save()
        yield self._file(_held(answer), who)

    def page(self, draft: str) -> Way:
        """The page of the facts, with what the draft holds."""
        yield asked(
            "GET", "/services/theft/facts?lang=fr", {"host": f"localhost:{self.port}", "cookie": f"{DRAFT}={draft}"}
        )

    def _save(self) -> bytes:
        return self.asked("services.draft.save", service=SERVICE, form={name: [said] for name, said in TYPED.items()})

    def _file(self, draft: str, who: Mapping[str, str]) -> bytes:
        id_, _, secret = draft.partition(".")
        return self.asked(f"services.{SERVICE}.file", draft=id_, secret=secret, **who)


def _held(answer: Answer) -> str:
    saved = json.loads(answer.body)["result"]
    return f"{saved['id']}.{saved['secret']}"


@dataclass(slots=True)
class Browser:
    """A resident's way over Égide's pages, without JavaScript: every page loaded, every form sent."""

    port: int
    origin: str
    who: Mapping[str, str]
    seen: Callable[[str, Answer], None] = lambda _path, _answer: None

    def walk(self) -> Way:
        """From the list of services to the file that was made of it."""
        definition, held = theft(), {WHO: f"{self.who['identity']}.{self.who['identity_secret']}"}
        pages = [
            ("", definition.questions),
            *((f"/{step.id}", step.fields) for step in definition.steps),
            ("/check", ()),
        ]
        here = f"/services/{definition.id}"
        self.seen("/services", (yield self._get("/services", held)))
        for path, fields in pages:
            self.seen(here + path, (yield self._get(here + path, held)))
            typed = {name: TYPED.get(name, "") for field in fields for name in boxes(field)}
            answer = yield self._post(here + path, held, typed)
            held |= dict(cookie.split("=", 1) for cookie in answer.cookies)
        if FILE not in held:
            raise BenchError(f"not filed: {_words(answer)}")
        self.seen("/services/file", (yield self._get("/services/file", held, "&new=1")))

    def _get(self, path: str, held: Mapping[str, str], more: str = "") -> bytes:
        return asked("GET", f"{path}?lang=fr{more}", self._headers(held))

    def _post(self, path: str, held: Mapping[str, str], typed: Mapping[str, str]) -> bytes:
        headers = self._headers(held) | {"origin": self.origin, "content-type": FORMS}
        return asked("POST", f"{path}?lang=fr", headers, urlencode(typed).encode())

    def _headers(self, held: Mapping[str, str]) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in held.items() if value)
        return {"host": f"localhost:{self.port}", "cookie": cookies}


def _words(answer: Answer) -> str:
    """A page's words, for whoever must find out what went wrong."""
    plain = re.sub(r"<style>.*?</style>|<[^>]+>", " ", answer.body.decode("utf-8", "replace"), flags=re.DOTALL)
    return f"{answer.status} {' '.join(unescape(plain).split())[:300]}"


@dataclass(slots=True)
class Peer:
    """The same in Django (peers/django_forms.py)."""

    port: int

    def save(self, kept: Callable[[str], None]) -> Way:
        """A draft with every answer; gives its cookie."""
        answer = yield self._save()
        kept(answer.cookies[0])

    def file(self, draft: str, who: Mapping[str, str]) -> Way:
        """The draft becomes a file."""
        yield self._file(draft, who)

    def whole(self, who: Mapping[str, str]) -> Way:
        """Both, one after the other."""
        answer = yield self._save()
        yield self._file(answer.cookies[0], who)

    def page(self, draft: str) -> Way:
        """The page of the facts, with what the draft holds."""
        yield asked("GET", "/services/theft/facts", {"host": f"localhost:{self.port}", "cookie": draft})

    def _save(self) -> bytes:
        # Django names the boxes of a date with an underscore.
        typed = {name.replace("-", "_"): said for name, said in TYPED.items()} | {"csrfmiddlewaretoken": CSRF}
        return self._post("/services/theft", "", urlencode(typed))

    def _file(self, draft: str, who: Mapping[str, str]) -> bytes:
        cookies = f"; {draft}; who={who['identity']}.{who['identity_secret']}"
        return self._post("/services/theft/check", cookies, f"csrfmiddlewaretoken={CSRF}")

    def _post(self, path: str, cookies: str, body: str) -> bytes:
        headers = {
            "host": f"localhost:{self.port}", "origin": f"http://localhost:{self.port}", "content-type": FORMS,
            "cookie": f"csrftoken={CSRF}{cookies}",
        }  # fmt: skip
        return asked("POST", path, headers, body.encode())
