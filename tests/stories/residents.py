"""Every page that a resident may come to see, as the application sends it: walked through like a browser without scripts does.

The services' pages come from the catalogue, so that a new service or a new page of questions is there by itself; what was asked
for is written down, so that a test can hold it against the routes of the application.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec

from egide.exercise.idp import IdentityProvider
from egide.exercise.wallet import Wallet
from egide.gateways import oidc_page, wallet_page
from egide.gateways.chat_words import PATH as CHAT
from egide.gateways.counter_views import ways
from egide.gateways.field_views import offline
from egide.gateways.file_pages import FILE, HERE
from egide.gateways.hearing_words import PATH as HEARING
from egide.gateways.notice_page import HERE as NOTICE
from egide.gateways.resident_identity import WHO
from egide.gateways.rights_page import HERE as RIGHTS
from egide.gateways.service_pages import DRAFT, MAX_FORM
from egide.services.answers import asked, boxes
from egide.services.definition import Definition, Field, Step, catalogue
from tests.gateways.test_notice_page import NEWS as CONTESTED
from tests.gateways.test_service_pages import Browser
from tests.services import hearings
from tests.services.desk import photo
from tests.services.filings import filed_remotely, lawful
from tests.services.fined import notice
from tests.services.forms import typed
from tests.services.test_entitled import sent
from tests.services.test_filing import identified
from tests.world import World

FORM = '<form method="post"'
LOST = 'id="lost"'  # where a page says that the network is gone
LONG = "Anticonstitutionnellement " * 40  # what a person may write: words as long as they come


class Shown(NamedTuple):
    """A page as it opens, and as it is after a mistake; its address."""

    name: str
    empty: str
    error: str
    url: str


class Visitor(Browser):
    """A resident's browser, in one language; what it asked for is written down in `asked_for`, as (method, path)."""

    def __init__(self, walk: Walk) -> None:
        super().__init__(walk.world)
        self._client.headers.update({"accept-language": walk.lang, "accept": "text/html"})
        self._lang, self._seen = walk.lang, walk.asked_for

    async def open(self, path: str) -> str:
        return self._noted(await super().open(self._in_language(path)))

    async def send(self, path: str, form: dict[str, list[str]] | None = None) -> str:
        return self._noted(await super().send(self._in_language(path), form))

    async def bring(self, path: str, field: str, name: str, content: bytes, kind: str) -> str:
        """A form with a file in it."""
        files = {field: (name, content, kind)}
        self.answer = await self._client.post(self._in_language(path), files=files, follow_redirects=True)
        return self._noted(self.answer.text)

    def _in_language(self, path: str) -> str:
        return path if "lang=" in path else f"{path}{'&' if '?' in path else '?'}lang={self._lang}"

    def _noted(self, text: str) -> str:
        for one in (*self.answer.history, self.answer):
            self._seen.add((one.request.method, one.request.url.path))
        return text

    def held(self, cookie: str) -> tuple[str, str]:
        id_, _, secret = (self._client.cookies.get(cookie) or "").partition(".")
        return id_, secret


class Walk:
    """All pages in one language, in `shown`."""

    def __init__(self, world: World, idp: IdentityProvider, purse: Wallet, lang: str) -> None:
        self.world, self.idp, self.purse, self.lang = world, idp, purse, lang
        self.asked_for: set[tuple[str, str]] = set()
        self.shown: list[Shown] = []

    async def all(self) -> list[Shown]:
        """Walks through everything."""
        await self._ground()
        for definition in catalogue().current():
            await self._service(definition)
        for part in (self._counter, self._files, self._rights, self._notices, self._hearings, self._chat, self._alert, self._proofs, self._identity, self._wallet, self._field):  # fmt: skip
            await part()
        return self.shown

    def put(self, name: str, empty: str, error: str, url: str) -> None:
        """A page with its mistake; neither may be an answer that is no page."""
        for html in (empty, error):
            assert html.startswith(("<!doctype html>", "<!DOCTYPE html>")), f"{name}: {html[:200]}"
            assert FORM not in html or LOST in html or url.startswith("http"), (
                f"{name}: it cannot say that the network is gone"
            )
        self.shown.append(Shown(name, empty, error, url))

    async def officer(self) -> Visitor:
        found = Visitor(self)
        entered = await found.call("/api/acts/administration.demo.enter", msgspec.json.encode({"persona": "officer"}))
        assert entered.status_code == 200
        return found

    # -- where one begins, and where there is nothing -------------------------------------------------------------------

    async def _ground(self) -> None:
        someone = Visitor(self)
        elsewhere = await someone.open("/no-such-page")
        listed = await someone.open("/services")
        self.put("list", listed, await someone.open("/services/nothing"), "/services")
        gone = await someone.open("/api/downloads/used")
        self.put("nowhere", elsewhere, gone, "/no-such-page")
        self.put("calendar", *[await someone.open("/calendar")] * 2, "/calendar")
        self.put("roots", *[await someone.open("/roots")] * 2, "/roots")
        long = await someone.send("/services/theft", {"offence": ["x" * (MAX_FORM + 1)]})
        someone._client.headers["origin"] = "https://elsewhere.example"
        self.put("refused forms", await someone.send("/services/theft", {}), long, "/services/theft")

    # -- services, from the catalogue ---------------------------------------------------------------------------------------

    async def _service(self, definition: Definition) -> None:
        at = f"/services/{definition.id}"
        by_officer = not definition.on_pages and bool(ways(definition))
        person = await self.officer() if by_officer else Visitor(self)
        first = await person.open(at)
        wrong = await person.send(at, {}) if FORM in first else await person.open(f"{at}/nothing")
        self.put(definition.id, first, wrong, at)
        for number, way in enumerate(definition.ways):
            led = await person.send(at, {one.field: [one.among[0]] for one in way.when})
            if person.path.endswith("/way"):
                self.put(
                    f"{definition.id}, way {number} to {way.to}",
                    led,
                    await Visitor(self).open(f"{at}/way"),
                    f"{at}/way",
                )
                if FORM in led:
                    other = await person.send(f"{at}/way", {})
                    self.put(f"{definition.id}, gone way {number}", other, await person.send(f"{at}/way", {}), at)
        if FORM not in first:
            return
        answers = lawful(definition)
        form = typed(definition, answers)
        page = await person.send(at, _part(form, definition.questions))
        for step in definition.steps:
            assert person.path == f"{at}/{step.id}", person.path
            wrong = await self._mistaken(person, definition, step, answers)
            self.put(f"{definition.id}, {step.id}", page, wrong, f"{at}/{step.id}")
            for field in asked(definition.fields, answers):
                if field.kind == "files" and field in step.fields:
                    draft = person.held(f"{DRAFT}-{definition.id}")
                    await sent(self.world, f"draft:{draft[0]}", draft[1], photo(), f"{LONG[:60]}.jpg")
            page = await person.send(f"{at}/{step.id}", _part(form, step.fields))
        await self._checked(person, definition, page)

    async def _mistaken(self, person: Visitor, definition: Definition, step: Step, answers: dict[str, Any]) -> str:
        """The page of questions with every mistake that can be made on it."""
        at = f"/services/{definition.id}/{step.id}"
        shown = [one for one in asked(definition.fields, answers) if one in step.fields]
        text = await person.send(at, {name: value for field in shown for name, value in _mistakes(field).items()})
        files = [field for field in shown if field.kind == "files"]
        if files:
            text = await person.bring(at, files[0].id, f"{LONG[:60]}.pdf", b"PK\x03\x04" + bytes(99), "application/pdf")
        return text

    async def _checked(self, person: Visitor, definition: Definition, page: str) -> None:
        at = f"/services/{definition.id}/check"
        assert person.path == at, person.path
        hasty = Visitor(self) if definition.on_pages else await self.officer()
        await hasty.send(at.removesuffix("/check"), _part(typed(definition, lawful(definition)), definition.questions))
        self.put(f"{definition.id}, check", page, await hasty.open(at), at)
        if not definition.on_pages:
            return
        level = definition.channels["remote"].identity
        for one, proved in ((person, level), (hasty, 1)):
            who = await identified(self.world, max(proved, 1))
            one.cookie(WHO, f"{who['identity']}.{who['identity_secret']}")
        ready, refused = await person.open(at), await hasty.send(at, {})
        self.put(f"{definition.id}, check, identified", ready, refused, at)
        receipt = await person.send(at, {})
        assert person.path == HERE, person.path
        again = await person.send(at, {})  # it was sent: the draft is no more
        self.put(f"{definition.id}, receipt", receipt, again, HERE)

    async def _counter(self) -> None:
        """An officer takes a theft down on the same pages."""
        officer, theft = await self.officer(), _service("theft")
        at, form = "/services/theft", typed(theft, lawful(theft))
        await officer.send(at, _part(form, theft.questions))
        for step in theft.steps:
            await officer.send(f"{at}/{step.id}", _part(form, step.fields))
        check = await officer.open(f"{at}/check")
        refused = await Visitor(self).send(f"{at}/take", {})
        self.put("counter", check, refused, f"{at}/check")
        who = {"given_name": ["Zoé"], "family_name": ["Petit"], "birthdate": ["29/02/1988"], "document": ["CNI"], "channel": ["counter"]}  # fmt: skip
        self.put("counter, recorded", await officer.send(f"{at}/take", who), await officer.send(f"{at}/take", who), at)

    # -- one's own file -------------------------------------------------------------------------------------------------------

    async def _files(self) -> None:
        person, theft = Visitor(self), _service("theft")
        empty = await person.open(HERE)
        wrong = await person.send(HERE, {"number": ["PL-2026-999999"], "code": ["AAAA-AAAA"]})
        self.put("file, closed", empty, wrong, HERE)
        done = await filed_remotely(self.world, theft)
        person.cookie(FILE, f"{done['number']}.{done['code']}")
        await self._worked()
        opened = await person.open(HERE)
        refused = await person.bring(
            f"{HERE}/files", "evidence", "faux.pdf", b"PK\x03\x04" + bytes(99), "application/pdf"
        )
        self.put("file", opened, refused, HERE)
        link = re.search(rf'href="({HERE}/documents/[^"]+)"', opened)
        assert link is not None
        await person.open(unescape(link[1]))
        self.put(
            "file, nothing to open",
            *[await person.open(f"{HERE}/{id_}/nothing") for id_ in ("files", "documents")],
            HERE,
        )
        await self.world.act("officer", "services.theft.assign", file=done["file"])
        await self.world.act("officer", "services.theft.ask", file=done["file"], text=LONG)
        question = await person.open(HERE)
        long = await person.send(f"{HERE}/answer", {"service": ["theft"], "text": [LONG * 20]})
        self.put("file, a question", question, long, HERE)
        closed = await person.send(f"{HERE}/withdraw", {"service": ["theft"], "text": ["Je l’ai retrouvé."]})
        self.put("file, withdrawn", closed, await person.send(f"{HERE}/nothing", {"service": ["theft"]}), HERE)
        self.world.move(days=30)  # nobody has looked at these: it is late
        other = await filed_remotely(self.world, theft)
        self.world.move(days=30)
        person.cookie(FILE, f"{other['number']}.{other['code']}")
        late = await person.open(HERE)
        assert 'class="late"' in late
        self.put("file, late", late, await person.send(f"{HERE}/answer", {"service": ["theft"]}), HERE)

    async def _rights(self) -> None:
        """What one may ask about one's own file."""
        person, at = Visitor(self), RIGHTS
        none = await person.open(at)
        done = await filed_remotely(self.world, _service("follow-up"))
        person.cookie(FILE, f"{done['number']}.{done['code']}")
        ready = await person.open(at)
        self.put("rights", ready, none, at)
        copy = await person.send(at, {"do": ["copy"]})
        long = await person.send(at, {"do": ["rectification"], "text": [LONG * 20]})
        self.put("rights, a copy", copy, long, at)
        asked_ = await person.send(at, {"do": ["rectification"], "text": [LONG]})
        assert 'data-right="rectification"' in asked_
        sure = await person.send(at, {"do": ["erase"]})
        self.put("rights, a correction", asked_, sure, at)
        self.put("rights, an erasure", sure, await person.send(at, {"do": ["erase"], "sure": ["yes"]}), at)

    async def _notices(self) -> None:
        """A traffic notice, from what is printed on it to what is sent against it."""
        person, given, at = Visitor(self), await notice(self.world), f"{NOTICE}/open"
        boxes_ = await person.open(NOTICE)
        wrong = await person.send(NOTICE, {"number": [given.number], "code": ["AAAA-AAAA"]})
        self.put("notice to open", boxes_, wrong, NOTICE)
        opened = await person.send(NOTICE, {"number": [given.number], "code": [given.code]})
        assert person.path == at, person.path
        self.put("notice", opened, await person.open(at), at)
        step = f"{HERE}/steps/contest"
        self.put("notice, why", await person.open(step), await person.send(step, {"do": ["choose"]}), step)
        why = await person.send(step, {"do": ["choose"], "contest_ground": ["driver"]})
        wrong = await person.send(step, {"do": ["send"], "contest_ground": ["driver"], "contest_words": [LONG * 20]})
        self.put("notice, contesting", why, wrong, step)
        contested = await person.send(step, CONTESTED)
        assert person.path == at, contested
        self.put("notice, contested", contested, await person.send(step, CONTESTED), at)

    async def _worked(self) -> None:
        """What jobs do: documents are set, files are looked at."""
        for _ in range(50):
            if not await self.world.kernel.things["jobs"].tick():
                return

    async def _hearings(self) -> None:
        case = await hearings.begun(self.world)
        await self._hearing(case, "asked")
        for state in ("proposed", "booked", "informed", "ready", "identified", "safe", "heard", "read", "confirmed"):
            if state == "read":
                await case.mine("correct", text=LONG)
                await case.desk("amend", text=LONG)
            await case.step({"proposed": "propose", "booked": "choose", "informed": "acknowledge", "ready": "ready", "identified": "identify", "safe": "ask_safe", "heard": "hear", "read": "read_back", "confirmed": "confirm"}[state])  # fmt: skip
            if state == "heard":
                await case.write(hearings.STATEMENT + LONG)
                await case.mine("say", text=LONG)
            if state == "informed":
                person = await self._hearing(case, state)
                alone = await person.send(HEARING, {"do": ["alone"]})
                self.put(
                    "my hearing, not alone",
                    alone,
                    await person.send(HEARING, {"do": ["call"], "call": ["06"]}),
                    HEARING,
                )
            else:
                await self._hearing(case, state)
        person = Visitor(self)
        self.put("my hearing, no file", *[await person.open(HEARING)] * 2, HEARING)

    async def _hearing(self, case: hearings.Case, state: str) -> Visitor:
        person = Visitor(self)
        person.cookie(FILE, f"{case.held['number']}.{case.held['code']}")
        page = await person.open(HEARING)
        assert f'data-state="{state}"' in page, state
        wrong = await person.send(HEARING, {"do": ["choose"], "slot": ["2027-01-01T10:00:00+00:00"]})
        assert 'role="alert"' in wrong
        self.put(f"my hearing, {state}", page, wrong, HEARING)
        return person

    # -- help, at once ----------------------------------------------------------------------------------------------------------

    async def _chat(self) -> None:
        person, world = Visitor(self), self.world
        begin = await person.open(CHAT)
        self.put("help by chat", begin, await person.send(CHAT, {"text": [" "]}), CHAT)
        waiting = await person.send(CHAT, {"text": [LONG]})
        self.put("help by chat, waiting", waiting, await person.send(CHAT, {"do": ["say"], "text": [""]}), CHAT)
        id_ = next(one for one in (await world.act("officer", "services.chat.list"))["chats"] if not one["taken"])["id"]
        await world.act("officer", "services.chat.take", chat=id_)
        await world.act("officer", "services.chat.answer", chat=id_, text=LONG)
        talk = await person.open(CHAT)
        self.put("help by chat, answered", _unfolded(talk), _unfolded(await person.send(CHAT, {"do": ["call"]})), CHAT)
        kept = await person.send(CHAT, {"do": ["keep"]})
        assert "data-code" in kept
        self.put("help by chat, kept", kept, await person.open(CHAT), CHAT)
        await person.open(f"{CHAT}/news")
        over = await person.send(CHAT, {"do": ["end"]})
        self.put("help by chat, over", over, await person.send(CHAT, {"do": ["say"], "text": [""]}), CHAT)
        await person.open(f"{CHAT}/exit")

    async def _alert(self) -> None:
        person, world = Visitor(self), self.world
        self.put("alert", await person.open("/alert"), await person.send("/alert", {"text": [" "]}), "/alert")
        sent_ = await person.send("/alert", {"text": [LONG], "reach": ["06"]})
        wrong = await person.send("/alert", {"do": ["say"], "text": [" "]})
        self.put("alert, sent", sent_, wrong, "/alert")
        id_ = person.held("__Host-egide-alert")[0]
        await world.act("command", "operations.alert.answer", alert=id_, text=LONG)
        answered = await person.open("/alert")
        await world.act("command", "operations.alert.close", alert=id_)
        self.put("alert, answered", answered, await person.open("/alert"), "/alert")

    # -- proof ------------------------------------------------------------------------------------------------------------------

    async def _proofs(self) -> None:
        person = Visitor(self)
        done = await filed_remotely(self.world, _service("theft"))
        person.cookie(FILE, f"{done['number']}.{done['code']}")
        found = re.search(r'<a href="[^"#]*/verify-receipt[^"#]*#([^"]+)"', await person.open(HERE))
        assert found is not None
        form = await person.open("/verify-receipt")
        self.put("receipt to verify", form, await person.send("/verify-receipt", {"code": [""]}), "/verify-receipt")
        good = await person.send("/verify-receipt", {"code": [found[1]]})
        assert "data-valid" in good
        bad = await person.send("/verify-receipt", {"code": [found[1][:-9] + "A" + found[1][-8:]]})
        self.put("receipt verified", good, bad, "/verify-receipt")
        at = "/verify-document"
        none = await person.bring(at, "document", "rien.pdf", b"", "application/pdf")
        self.put("document to verify", await person.open(at), none, at)
        other = await person.bring(at, "document", "autre.pdf", b"%PDF-1.7\n%%EOF", "application/pdf")
        self.put(
            "document verified",
            other,
            await person.bring(at, "document", "x.pdf", bytes(17 << 20), "application/pdf"),
            at,
        )

    # -- who one is -----------------------------------------------------------------------------------------------------------

    async def _identity(self) -> None:
        person, start = Visitor(self), "/identity/start"
        went = await person._client.get(
            start, params={"level": 2, "return": "/services/theft/check", "lang": self.lang}
        )
        self.asked_for.add(("GET", start))
        async with httpx.AsyncClient(headers={"accept-language": self.lang}) as outside:
            at = went.headers["location"]
            page = await outside.get(f"{at}&lang={self.lang}")
            named = re.search(r'name="asked" value="([^"]+)"', page.text)
            assert named is not None, page.text
            back = await outside.post(str(page.url), data={"asked": named[1], "persona": "alix", "acr": "eidas1"})
        came = urlsplit(back.headers["location"])
        here = await person.open(f"{came.path}?{came.query}")
        # It leads on by itself, which is nothing to look at; for who stays, it is a page like any other.
        here = re.sub(r'<meta http-equiv="refresh"[^>]*>', "", here)
        self.put("identity provider", page.text, page.text, at)
        self.put("identified", here, await person.open(f"{came.path}?{came.query}"), came.path)
        self.put("identity, begun wrongly", await person.open(start), await person.open(came.path), start)
        for name in oidc_page.TROUBLES:
            told = oidc_page.failed(
                name, self.lang, again=f"{start}?level=2", level=2, ways=oidc_page.WAYS, back="/services/theft/check"
            )
            self.put(f"identity, {name}", *[bytes(told.body).decode()] * 2, start)

    async def _wallet(self) -> None:
        person, at = Visitor(self), wallet_page.PATH
        page = await person.open(f"{at}/start?level=4&return=/services/voting-proxy/check")
        self.put("wallet", page, await person.send(at, {}), at)
        await person.open(f"{at}/state")
        link = re.search(r'data-here href="([^"]+)"', page)
        assert link is not None
        asked_, lost = await person.open(f"{at}/back?code=x"), await Visitor(self).open(f"{at}/back?code=x")
        self.put("wallet, back", asked_, lost, f"{at}/back")
        async with httpx.AsyncClient(headers={"accept-language": self.lang}) as outside:
            own = await outside.get(self.purse.address, params={"lang": self.lang})
            self.put("exercise wallet", own.text, own.text, self.purse.address)
        for name in wallet_page.TROUBLES:
            told = wallet_page.trouble(
                name, self.lang, again=f"{at}/start?level=4", level=4, back="/services/voting-proxy/check"
            )
            self.put(f"wallet, {name}", *[bytes(told.body).decode()] * 2, at)

    async def _field(self) -> None:
        """An officer's pages without network, as they lie in the device: what the script adds is looked at where it runs."""
        officer = await self.officer()
        home = await officer.open("/field")
        self.put("field", home, home, "/field")
        for name in ("add", "pass"):
            page = await officer.open(f"/field/{name}")
            self.put(f"field, {name}", page, page.replace(" hidden data-field", " data-field"), f"/field/{name}")
        for definition in offline():
            form = await officer.open(f"/field/{definition.id}")
            self.put(
                f"field, {definition.id}",
                form,
                form.replace(" hidden data-field", " data-field"),
                f"/field/{definition.id}",
            )


def _service(id_: str) -> Definition:
    found = catalogue().find(id_)
    assert found is not None
    return found


def _part(form: dict[str, list[str]], fields: tuple[Field, ...]) -> dict[str, list[str]]:
    """What of a whole form belongs to these questions."""
    return {name: form[name] for field in fields for name in boxes(field) if name in form}


def _mistakes(field: Field) -> dict[str, list[str]]:
    """A wrong answer to a question."""
    match field.kind:
        case "date":
            return {f"{field.id}-day": ["31"], f"{field.id}-month": ["2"], f"{field.id}-year": ["2026"]}
        case "files":
            return {}
        case "choice" | "choices" | "yesno":
            return {} if field.required else {field.id: ["nothing"]}
        case "text" | "long" | "place":
            return {} if field.required else {field.id: [LONG * 10]}
        case _:
            return {field.id: [LONG]}


def _unfolded(html: str) -> str:
    """With everything open that a person can unfold."""
    return html.replace("<details>", "<details open>")
