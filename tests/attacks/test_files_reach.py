"""Nobody reaches another's file: every act that takes one × every service × everybody whose file it is not.

The acts are found by what they take in, so that a new one is tried by itself. What is asked for in vain is answered with the same
words whether it is there or not, changes nothing and tells nothing; who may, can.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import httpx
import msgspec
import pytest

from egide.kernel.act import Act
from egide.kernel.errors import EgideError, Refused
from egide.kernel.identity import ANONYMOUS, Principal
from egide.services.definition import Definition, catalogue
from egide.services.filing import slug
from tests.services.desk import photo
from tests.services.filings import WORDS, drawn, filed, lawful, taken
from tests.services.forms import typed
from tests.services.test_entitled import sent
from tests.services.test_filing import asked, drafted, identified
from tests.services.test_parity import outputs
from tests.waiting import PATIENCE_S
from tests.world import World

SERVICES = catalogue().current()
TARGETS = {"file", "number", "document", "upload", "draft", "owner", "identity"}  # fields that name somebody's things
SECRETS = {"code", "secret", "identity_secret"}
# Whoever does not hold an identity is told of nobody, like whoever has none: an answer, and nothing in it.
NOBODY = {"services.identity.read", "services.identity.close"}
REFUSALS = {"refused", "not-found", "signed-out"}
PERSONAS = ("other-officer", "dpo", "magistrate", "prefect", "administrator")
TABLES = (
    "file",
    "event",
    "document",
    "upload",
    "upload_part",
    "draft",
    "identity",
    "count",
    "hearing",
    "hearing_line",
    "recording",
    "recording_part",
    "recording_view",
)
WANTED = {"service": "theft", "reason": "Pour l’enquête"}  # what an act would otherwise refuse for another reason
Given = dict[str, Any]


class Things:
    """What belongs to one person: a file with a photo and a document, a draft with a photo, an identity."""

    def __init__(self, ids: Given, secrets: Given) -> None:
        self.ids = ids
        self.secrets = secrets


NOTHING = Things(
    {"file": "0" * 32, "number": "PL-1999-000001", "document": "0" * 32, "upload": "0" * 16, "draft": "0" * 32, "identity": "0" * 32}, {}
)  # fmt: skip


class Stage:
    """One platform, a victim of each service, a stranger with a file of their own."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.world = World(folder)
        self.runner.run(self.world.start())
        self.acts = [
            act
            for name, act in sorted(self.world.kernel.acts.items())
            if name.startswith("services.") and TARGETS & set(act.input.__struct_fields__)
        ]
        self._victims: dict[str, Things] = {}
        self.nowhere: dict[tuple[str, str, str], Any] = {}  # (act, who, input) → how it was answered
        self.stranger = self.runner.run(self.things(SERVICES[-2]))

    def victim(self, definition: Definition) -> Things:
        """The one person of this service whom nobody may reach; made once."""
        if definition.id not in self._victims:
            self._victims[definition.id] = self.runner.run(self.things(definition))
        return self._victims[definition.id]

    async def things(self, definition: Definition, *, desk: bool = True) -> Things:
        """Somebody's things, on the desk of "command" and nobody else's; without `desk`, as they were sent."""
        world = self.world
        if not desk:
            done = await filed(world, definition)
        elif set(definition.channels) - {"remote"}:
            channel = "counter" if "counter" in definition.channels else "mobile"
            done = await taken(world, definition, channel, by="command")
        else:
            done = await filed(world, definition)
        upload = await self._photo(done, definition)
        if desk and set(definition.channels) == {"remote"}:
            first = next(one for one in definition.transitions if "officer" in one.roles)
            step = f"services.{slug(definition.id)}.{slug(first.id)}"
            await world.act("command", step, file=done["file"], text=WORDS)
        made = await outputs(world, done["file"], len(await drawn(world, definition, done["file"])))
        query = "select id from service_document where file = ?"
        found = world.kernel.store.reader().exec_driver_sql(query, (done["file"],)).first() if made else None
        draft = await drafted(world, typed(definition, lawful(definition)), definition.id)
        who = await identified(world, 4)
        ids = {
            "file": done["file"], "number": done["number"], "document": found[0] if found else "0" * 32, "upload": upload,
            "draft": draft["draft"], "identity": who["identity"],
        }  # fmt: skip
        return Things(ids, {"code": done["code"], "secret": done["code"], "identity_secret": who["identity_secret"]})

    async def _photo(self, done: Mapping[str, Any], definition: Definition) -> str:
        if definition.state(definition.initial).ends:  # nothing is added to what is closed
            return "0" * 16
        found = await sent(self.world, f"file:{done['file']}", done["code"], photo(), f"{WORDS}.jpg")
        async with asyncio.timeout(PATIENCE_S):  # a job that is still at work would look like a change
            while (await asked(self.world, "services.upload.follow", upload=found["upload"], secret=done["code"]))[
                "scan"
            ] == "waiting":
                if not await self.world.kernel.things["jobs"].tick():
                    await asyncio.sleep(0.02)
        return str(found["upload"])

    def state(self) -> str:
        """All that the store holds of drafts, files and what belongs to them, in one figure."""
        db, whole = self.world.kernel.store.reader(), hashlib.sha256()
        for table in TABLES:
            for row in sorted(map(repr, db.exec_driver_sql(f"select * from service_{table}").all())):
                whole.update(row.encode())
        return whole.hexdigest()

    def person(self, who: str) -> Principal:
        return self.world.person(who) if who in PERSONAS or who in ("officer", "command") else ANONYMOUS

    def close(self) -> None:
        self.runner.run(self.world.stop())
        self.runner.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("reach") / "data")
    yield made
    made.close()


def filler(kind: Any) -> Any:
    """A value of a field's type that means nothing."""
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    return {str: "note.txt", int: 1, bool: True, float: 1.0}.get(get_origin(kind) or kind, {})


def input_of(act: Act, things: Things, secrets: Mapping[str, str], kind: str = "file") -> Given:
    """An input that names these things and shows these secrets."""
    given: Given = {}
    for field in msgspec.structs.fields(act.input):
        if field.name == "owner":
            given["owner"] = f"{kind}:{things.ids[kind]}"
        elif field.name in TARGETS:
            given[field.name] = things.ids[field.name]
        elif field.name in SECRETS:
            given[field.name] = secrets.get(field.name, "")
        elif field.name in WANTED:
            given[field.name] = WANTED[field.name]
        elif field.required or field.name == "text":
            given[field.name] = filler(field.type)
    return given


async def outcome(stage: Stage, act: Act, given: Given, who: str) -> tuple[str, str, list[str]]:
    """(kind, everything that was said or given, broken rules) of an attempt."""
    principal = stage.person(who)
    address = "192.0.2.9" if principal is ANONYMOUS else ""
    try:
        done = await stage.world.kernel.perform(act.name, msgspec.json.encode(given), principal, address=address)
    except EgideError as error:
        rules = [one.rule for one in error.decision.reasons] if isinstance(error, Refused) else []
        said = [str(words.fr + words.en) for words in (error.what, error.do) if words is not None]
        return error.code, " ".join(said), rules
    return "done", msgspec.json.encode(done.result).decode(), []


def attempts(stage: Stage, act: Act, victim: Things) -> list[tuple[str, Given, Given]]:
    """(who, what they ask for, the same of what is not there)."""
    own = stage.stranger
    kinds = ("file", "draft") if "owner" in act.input.__struct_fields__ else ("file",)
    found = []
    for kind in kinds:
        pairs = [("nobody", {}), ("holder", own.secrets), *((who, {}) for who in PERSONAS)]
        found += [
            (who, input_of(act, victim, secrets, kind), input_of(act, NOTHING, secrets, kind)) for who, secrets in pairs
        ]
    if "number" in act.input.__struct_fields__ and len(TARGETS & set(act.input.__struct_fields__)) > 1:
        mine = {"number": own.ids["number"], "code": own.secrets["code"]}  # one's own file, another's document
        found.append(("holder", input_of(act, victim, {}) | mine, input_of(act, NOTHING, {}) | mine))
    return found


def own(definition: Definition, act: Act) -> bool:
    """Whether it is an act of this service or of all; another service's is tried by those alone who come nearest."""
    service = act.name.split(".")[1]
    return service == slug(definition.id) or service not in {slug(one.id) for one in SERVICES}


def of(stage: Stage, definition: Definition) -> list[Act]:
    """The acts that could touch a file of this service: its own, those of all services, and those of one other service."""
    other = SERVICES[SERVICES.index(definition) - 1]
    return [act for act in stage.acts if own(definition, act) or act.name.split(".")[1] == slug(other.id)]


def due_to(definition: Definition, act: Act, who: str) -> bool:
    """A magistrate's own step of a file that waits for it is no attack."""
    step = next(
        (one for one in definition.transitions if act.name == f"services.{slug(definition.id)}.{slug(one.id)}"), None
    )
    return (
        who == "magistrate" and step is not None and "magistrate" in step.roles and definition.initial in step.origins
    )


def refused_alike(stage: Stage, definition: Definition, victim: Things, people: Collection[str]) -> int:
    """How many attempts there were; fails where one told, gave or changed something."""
    before = stage.state()
    tried = [
        (act, who, there, nowhere)
        for act in of(stage, definition)
        for who, there, nowhere in attempts(stage, act, victim)
        if who in people
        and not due_to(definition, act, who)
        and (own(definition, act) or who in ("holder", "other-officer"))
    ]

    # What is not there is the same for every service: asked for once.
    missing = {(act.name, who, repr(nowhere)): (act, nowhere, who) for act, who, _, nowhere in tried}
    missing = {key: attempt for key, attempt in missing.items() if key not in stage.nowhere}

    async def every() -> list[Any]:
        # Together, so that refusals share the ledger's commits.
        both = [(act, there, who) for act, who, there, _ in tried] + list(missing.values())
        return await asyncio.gather(*(outcome(stage, *attempt) for attempt in both))

    answers = stage.runner.run(every())
    stage.nowhere |= zip(missing, answers[len(tried) :], strict=True)
    for (act, who, _, absent), there in zip(tried, answers, strict=False):
        nowhere = stage.nowhere[act.name, who, repr(absent)]
        where = (act.name, who, there)
        assert there == nowhere, ("it can be told whether it exists", *where)
        assert there[0] in REFUSALS or (act.name in NOBODY and there[0] == "done"), where
        for word in (WORDS, "Petit", "zebulon@", "Claire", *victim.ids.values()):
            assert word not in there[1] or word in NOTHING.ids.values(), where
    assert stage.state() == before, "something changed"
    return len(tried)


@pytest.mark.parametrize("definition", SERVICES, ids=lambda one: one.id)
def test_nobody_reaches_another_persons_file(stage: Stage, definition: Definition) -> None:
    victim = stage.victim(definition)
    assert refused_alike(stage, definition, victim, {"nobody", "holder", *PERSONAS}) > 150


def test_a_file_on_no_desk_yet_is_for_officers_alone(stage: Stage) -> None:
    """A unit and a court have other people too."""
    theft = next(one for one in SERVICES if one.id == "theft")
    victim = stage.runner.run(stage.things(theft, desk=False))
    assert refused_alike(stage, theft, victim, {"nobody", "holder", *PERSONAS[1:]}) > 150
    act = stage.world.kernel.acts["services.theft.read"]
    assert stage.runner.run(outcome(stage, act, input_of(act, victim, {}), "other-officer"))[0] == "done"


@pytest.mark.parametrize("definition", SERVICES, ids=lambda one: one.id)
def test_its_holder_and_its_desk_can(stage: Stage, definition: Definition) -> None:
    """What the attempts before this would prove nothing without: the same inputs, from who may."""
    victim, name = stage.victim(definition), f"services.{slug(definition.id)}"
    acts = stage.world.kernel.acts

    def allowed(act: str, who: str) -> str:
        done = stage.runner.run(
            outcome(stage, acts[act], input_of(acts[act], victim, victim.secrets if who == "holder" else {}), who)
        )
        assert done[0] == "done", (act, who, done)
        return done[1]

    assert WORDS in allowed("services.file.follow", "holder") or not lawful(definition)
    assert victim.ids["number"] in allowed(f"{name}.read", "command")
    holds_photo, holds_document = victim.ids["upload"] != "0" * 16, victim.ids["document"] != "0" * 32
    if holds_photo:
        assert WORDS in allowed("services.upload.list", "holder")
        assert WORDS in allowed("services.upload.list", "command")
        assert WORDS in allowed("services.upload.follow", "holder")
        assert "/api/downloads/" in allowed("services.upload.original", "command")
    if holds_document:
        assert "/api/downloads/" in allowed("services.document.fetch", "holder")
        assert "/api/downloads/" in allowed("services.document.read", "command")
    assert '"level":4' in allowed("services.identity.read", "holder") if "secret" not in victim.secrets else True
    waiting = [
        one
        for one in definition.transitions
        if definition.initial in one.origins and set(definition.channels) != {"remote"}
    ]
    for step in waiting[:1]:
        role = next(one for one in step.roles if one != "magistrate")
        who = "holder" if role == "holder" else "command"
        allowed(f"{name}.{'my_' if who == 'holder' else ''}{slug(step.id)}", who)


def test_every_act_that_takes_a_file_is_tried(stage: Stage) -> None:
    """Of the search itself: it finds what is known, and every act falls to some service's turn."""
    names = {act.name for act in stage.acts}
    assert {
        "services.file.follow", "services.document.fetch", "services.document.read", "services.upload.list", "services.upload.original",
        "services.draft.read", "services.theft.file", "services.theft.my_withdraw", "services.loss.read", "services.appointment.allow",
    } <= names  # fmt: skip
    assert {act.name for definition in SERVICES for act in of(stage, definition)} == names


# -- over the pages: what a stolen cookie opens, and what it does not ----------------------------------------------------------


class Thief:
    """Another browser, at another address, with one cookie of somebody else's."""

    def __init__(self, world: World, cookies: Mapping[str, str]) -> None:
        origin = world.kernel.settings.origin
        transport = httpx.ASGITransport(world.application, client=("203.0.113.66", 6))
        self.client = httpx.AsyncClient(
            transport=transport,
            base_url=origin.replace("http:", "https:"),
            cookies=dict(cookies),
            headers={"origin": origin},
        )

    async def get(self, path: str) -> tuple[int, str]:
        answer = await self.client.get(f"{path}?lang=en")
        return answer.status_code, answer.text

    async def post(self, path: str, **form: str) -> tuple[int, str]:
        answer = await self.client.post(f"{path}?lang=en", data=form)
        return answer.status_code, answer.text


def test_a_stolen_cookie_opens_what_it_opens_and_no_more(stage: Stage) -> None:
    stage.runner.run(_stolen(stage))


async def _stolen(stage: Stage) -> None:
    world, theft = stage.world, next(one for one in SERVICES if one.id == "theft")
    victim = await stage.things(theft)
    draft = await drafted(world, typed(theft, lawful(theft)), "theft")
    who = await identified(world, 2)
    number, code = victim.ids["number"], victim.secrets["code"]
    file, documents_ = "/services/file", f"/services/file/documents/{victim.ids['document']}"

    # A draft: its answers, and neither a file nor a name.
    thief = Thief(world, {"__Host-egide-draft": f"{draft['draft']}.{draft['secret']}"})
    status, text = await thief.get("/services/theft/check")
    assert status == 200
    assert WORDS in text
    assert "Petit" not in text
    assert number not in (await thief.get(file))[1]
    assert (await thief.get(documents_))[0] == 401
    status, text = await thief.post("/services/theft/check")
    assert status == 403, "nothing is sent without an identity"
    assert "prove who you are" in text.lower() or "identi" in text.lower()

    # An identity: a name, and no draft or file.
    thief = Thief(world, {"__Host-egide-who": f"{who['identity']}.{who['identity_secret']}"})
    assert (await thief.get("/services/theft/check"))[0] == 404
    assert number not in (await thief.get(file))[1]
    assert (await thief.get(documents_))[0] == 401

    # A file: that file, not another's documents or photos, nor the officer's side.
    thief = Thief(world, {"__Host-egide-file": f"{stage.stranger.ids['number']}.{stage.stranger.secrets['code']}"})
    status, text = await thief.get(file)
    assert status == 200
    assert stage.stranger.ids["number"] in text
    assert number not in text
    for path in (documents_, f"/services/file/files/{victim.ids['upload']}"):
        status, text = await thief.get(path)
        assert status == 404, path
        assert WORDS not in text
    status, _ = await thief.post("/services/file/withdraw", service="theft")
    assert status in (403, 404, 409), "a step of another service's file"
    answer = await thief.client.post("/api/acts/services.theft.read", json={"file": victim.ids["file"]})
    assert answer.status_code == 401

    # Another person's number with one's own code, and a code alone.
    thief = Thief(world, {"__Host-egide-file": f"{number}.{stage.stranger.secrets['code']}"})
    status, text = await thief.get(file)
    assert status == 403
    assert WORDS not in text
    status, text = await Thief(world, {}).post(file, number=number, code=stage.stranger.secrets["code"])
    assert status == 403
    assert "wrong" in text
    status, _ = await Thief(world, {}).post(file, number=number, code=code)
    assert status == 303, "and its own code opens it"


def test_an_identity_too_low_is_refused_with_a_sentence(stage: Stage) -> None:
    """Level by level: below the one that is asked, refused and nothing lost; at it, filed."""
    stage.runner.run(_levels(stage))


async def _levels(stage: Stage) -> None:
    world = stage.world
    for definition in SERVICES:
        remote = definition.channels.get("remote")
        if remote is None or not definition.on_pages or remote.identity < 2:
            continue
        draft = await drafted(world, typed(definition, lawful(definition)), definition.id)
        act = world.kernel.acts[f"services.{slug(definition.id)}.file"]
        for level in range(remote.identity):
            who = await identified(world, level) if level else {}
            kind, _said, rules = await outcome(stage, act, {**draft, **who}, "nobody")
            assert kind == "refused"
            assert rules == ["CRPA-identity"]
            cookies = {"__Host-egide-draft": f"{draft['draft']}.{draft['secret']}"}
            if level:
                cookies["__Host-egide-who"] = f"{who['identity']}.{who['identity_secret']}"
            status, text = await Thief(world, cookies).post(f"/services/{definition.id}/check")
            assert status == 403
            assert 'role="alert"' in text
            assert (await asked(world, "services.draft.read", **draft))["answers"]
        kind, _said, _rules = await outcome(stage, act, {**draft, **await identified(world, remote.identity)}, "nobody")
        assert kind == "done"
