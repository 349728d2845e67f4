"""The specification is the acts: each has its path, nothing else has one, and every reference leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.routing import Route, WebSocketRoute

from egide.gateways.headers import PAGES, WORKERS
from egide.gateways.http import Headed
from egide.gateways.openapi import document
from egide.services.definition import catalogue
from egide.services.filing import slug
from egide.services.recording_sheet import recordable
from tests.gateways.browser import Browser
from tests.world import World

pytestmark = pytest.mark.anyio

# JSON Schema 2020-12, the vocabulary that our documents use.
KEYWORDS = {
    "$ref", "additionalProperties", "allOf", "anyOf", "const", "contentEncoding", "default", "description", "enum", "format", "items",
    "maxItems", "minItems", "oneOf", "prefixItems", "properties", "required", "title", "type", "maxLength", "minLength", "maximum", "minimum",
}  # fmt: skip
TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and every schema inside it."""
    if not isinstance(schema, dict):
        assert isinstance(schema, bool), schema
        return
    yield schema
    for key in ("additionalProperties", "items"):
        if isinstance(schema.get(key), dict):
            yield from parts(schema[key])
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(key, ()):
            yield from parts(inner)
    for inner in schema.get("properties", {}).values():
        yield from parts(inner)


def schemas(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema of the document."""
    for schema in spec["components"]["schemas"].values():
        yield from parts(schema)
    for path in spec["paths"].values():
        post = path["post"]
        contents = [post["requestBody"]["content"], *(answer["content"] for answer in post["responses"].values())]
        for content in contents:
            yield from parts(content["application/json"]["schema"])


def resolve(spec: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/")
    found: Any = spec
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


async def test_what_the_server_gives_is_the_document(world: World) -> None:
    browser = Browser(world)
    answer = await browser.get("/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == msgspec.json.decode(msgspec.json.encode(document(world.kernel)))
    await browser.close()


async def test_it_is_a_valid_openapi_document(world: World) -> None:
    spec = msgspec.json.decode(msgspec.json.encode(document(world.kernel)))
    assert spec["openapi"].startswith("3.1.")
    assert spec["info"]["title"]
    assert spec["info"]["version"]
    assert set(spec) <= {"openapi", "info", "paths", "components", "servers", "tags", "security", "jsonSchemaDialect"}
    operations = [path["post"] for path in spec["paths"].values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    for path, item in spec["paths"].items():
        assert path.startswith("/api/acts/")
        assert set(item) == {"post"}
        assert set(item["post"]) <= {
            "operationId",
            "summary",
            "description",
            "tags",
            "requestBody",
            "responses",
            "security",
        }
        assert item["post"]["summary"]
        assert all(answer["description"] for answer in item["post"]["responses"].values())
        for needed in item["post"]["security"]:
            assert set(needed) <= set(spec["components"]["securitySchemes"])
    for schema in schemas(spec):
        assert set(schema) <= KEYWORDS, schema
        types = schema.get("type", [])
        assert set(types if isinstance(types, list) else [types]) <= TYPES
        assert set(schema.get("required", ())) <= set(schema.get("properties", {}))
        if "$ref" in schema:
            assert resolve(spec, schema["$ref"]) is not None


async def test_every_act_has_its_path_and_nothing_else_has_one(world: World) -> None:
    acts = {f"/api/acts/{name}" for name, act in world.kernel.acts.items() if not act.system and not act.live}
    assert set(document(world.kernel)["paths"]) == acts
    assert acts, "and there are some"


async def test_who_may_ask_without_a_session(world: World) -> None:
    free = {
        path.rpartition("/")[2]
        for path, item in document(world.kernel)["paths"].items()
        if not item["post"]["security"]
    }
    # A resident has no account: a draft and a file are opened by their own secrets, an identity by the browser that holds it.
    residents = {
        f"services.{name}"
        for name in (
            "draft.save", "draft.read", "draft.move", "draft.drop", "identity.read", "identity.close", "file.follow", "document.ask",
            "document.fetch", "upload.open", "upload.seal", "upload.follow", "upload.list", "upload.withdraw", "chat.open", "chat.say",
            "chat.follow", "chat.news", "chat.keep", "chat.leave", "device.state", "rights.copy", "rights.erase", "rights.ask",
        )
    }  # fmt: skip
    for one in catalogue().current():
        if one.on_pages:
            residents.add(f"services.{slug(one.id)}.file")
        if one.hearing is not None:
            residents.add(f"services.{slug(one.id)}.my_say")
        if recordable(one):
            residents |= {
                f"services.{slug(one.id)}.my_{name}" for name in ("record_answer", "record_stop", "recording")
            }
        residents |= {
            f"services.{slug(one.id)}.my_{slug(step.id)}" for step in one.transitions if "holder" in step.roles
        }
    assert free - residents == {
        "administration.session.show", "administration.sign_in.begin", "administration.sign_in.finish", "administration.passkey.begin",
        "administration.passkey.finish", "administration.demo.enter", "oversight.ledger.head",
        "oversight.ledger.proof", "oversight.roots.show", "operations.map.show",
        "operations.map.pieces", "operations.terminal.state",  # for a terminal whose session is over: a drawn number in, a word out
        "operations.alert.send", "operations.alert.say", "operations.alert.follow",  # a resident in distress has no account
        "border.consent.give", "border.consent.withdraw", "border.journey.close", "border.erasure.prove",  # a traveller has none either
        "border.trust.list", "border.police.trust.list", "border.status.list",
        "border.point.list", "border.police.point.list", "border.enrol.join", "border.enrol.issue",  # a wallet, by the offer’s code
        "border.search.refuse",  # whoever asks for what is never done is refused by article
    }  # fmt: skip
    assert residents <= free


async def test_inputs_take_nothing_but_their_fields(world: World) -> None:
    """Nobody sends more than an act asks for (GDPR 5(1)(c)), and the document says so."""
    spec = msgspec.json.decode(msgspec.json.encode(document(world.kernel)))
    for path, item in spec["paths"].items():
        given = item["post"]["requestBody"]["content"]["application/json"]["schema"]
        found = resolve(spec, given["$ref"]) if "$ref" in given else given
        assert found.get("additionalProperties") is False, path


async def test_no_other_way_in(world: World) -> None:
    """Besides the acts, everything is read-only but the browser's policy reports and residents' forms, each of which is an act;
    the only socket is the live one."""
    assert isinstance(world.application, Headed)
    (many,) = world.application._app.routes  # type: ignore[attr-defined]
    routes = many.routes
    writing = [
        route.path for route in routes if isinstance(route, Route) and (route.methods or set()) - {"GET", "HEAD"}
    ]
    forms = {
        "/services/file",
        "/services/file/{step}",
        "/services/file/files",
        "/services/file/hearing",
        "/services/file/rights",
        "/services/file/steps/{step}",
        "/services/notice",
        "/infos",
        *(f"/services/{{service}}{step}" for step in ("", "/way", "/check", "/take", "/{step}")),
    }
    # Bytes under a grant that an act gave, and what is judged by its own signature: neither is anybody's state.
    bare = {"/api/uploads/{id}", "/api/recordings/{id}", "/verify-receipt", "/verify-document"}
    # Ciphertext for a control that an act opened, handed on and not kept; `border.control.present` is the act.
    bare.add("/border/answers/{control}")
    # A demonstration's device, of which there is none elsewhere: a document that does not exist, in no store.
    assert world.settings.demo
    bare |= {"/kiosk/specimen", "/kiosk/chip"}
    assert set(writing) == {"/api/csp", "/alert", *forms, *bare}
    assert [route.path for route in routes if isinstance(route, WebSocketRoute)] == ["/live"]
    assert {route.path for route in routes} == {
        "/api/openapi.json", "/api/csp", "/api/downloads/{ticket}", "/map/{name}", "/healthz", "/live", "/assets/{name:path}", "/favicon.svg",
        "/tls/ca.crt", "/roots", "/roots.json", "/roots/style.css", "/roots/checkpoint", "/roots/{size}.txt", "/roots/{size}.tsr",
        "/roots/tile/{path:path}", "/alert", "/metrics", "/services", "/services/file/files/{id}", "/services/file/documents/{id}", "/services/file/hearing/recordings/{id}", "/services/notice/open", "/infos/news", "/infos/exit", "/calendar",
        *forms, *bare, "/field", "/field/pack.json", "/field/{service}", "/border/requests/{control}", "/pass/points.json", "/pass/models/{name}", "/kiosk/reader", *WORKERS, *PAGES,
    }  # fmt: skip


async def test_answers_have_the_form_that_is_promised(world: World) -> None:
    """A few real answers against their schemas: required fields there, types as said."""
    spec = msgspec.json.decode(msgspec.json.encode(document(world.kernel)))
    browser = await Browser(world).enter("prefect")
    for name in ("orders.list", "administration.session.show", "oversight.record", "administration.people.list"):
        answer = await browser.act(name)
        status = str(answer.status_code) if answer.status_code in (200, 403) else "default"
        schema = spec["paths"][f"/api/acts/{name}"]["post"]["responses"][status]["content"]["application/json"][
            "schema"
        ]
        check(spec, schema, answer.json(), name)
    await browser.close()


def check(spec: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> None:
    """The part of JSON Schema that our documents use, enough to see a lie."""
    if "$ref" in schema:
        check(spec, resolve(spec, schema["$ref"]), value, where)
        return
    if "anyOf" in schema:
        problems = []
        for option in schema["anyOf"]:
            try:
                check(spec, option, value, where)
            except AssertionError as error:
                problems.append(str(error))
            else:
                return
        raise AssertionError(problems)
    if "const" in schema:
        assert value == schema["const"], where
    kinds = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None),
    }  # fmt: skip
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    assert not types or any(isinstance(value, kinds[kind]) for kind in types), (where, types, value)  # type: ignore[arg-type]
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value), where
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                check(spec, inner, value[name], f"{where}.{name}")
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for number, each in enumerate(value):
            check(spec, schema["items"], each, f"{where}[{number}]")
