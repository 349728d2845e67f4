"""OpenAPI 3.1 from the acts: one POST path an act, schemas from its structs, the refusal described once."""

from __future__ import annotations

from typing import Any

import msgspec

from egide import __version__
from egide.kernel.kernel import Kernel


def document(kernel: Kernel) -> dict[str, Any]:
    """The whole specification as JSON-ready data."""
    shown = {name: act for name, act in kernel.acts.items() if not act.system and not act.live}
    types = [t for act in shown.values() for t in (act.input, act.output)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths = {}
    for position, (name, act) in enumerate(shown.items()):
        given, answered = schemas[position * 2], schemas[position * 2 + 1]
        paths[f"/api/acts/{name}"] = {
            "post": {
                "operationId": name,
                "summary": act.summary.en,
                "description": f"{act.summary.fr} — {act.verb}; {act.activity}",
                "tags": [name.partition(".")[0]],
                "requestBody": {"required": True, "content": {"application/json": {"schema": given}}},
                "responses": {
                    "200": {
                        "description": "Done",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["result", "receipt"],
                                    "properties": {
                                        "result": answered,
                                        "receipt": {"$ref": "#/components/schemas/Receipt"},
                                    },
                                }
                            }
                        },
                    },
                    "403": {"description": "Refused: every broken article is listed", "content": _problem("Refusal")},
                    "default": {"description": "What happened and what to do", "content": _problem("Problem")},
                },
                "security": [] if act.open or "anyone" in act.roles else [{"session": []}],
            }
        }
    components |= _common()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Égide", "version": __version__, "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "__Host-egide"}},
        },
    }


def _problem(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _common() -> dict[str, Any]:
    words = {
        "type": "object",
        "required": ["fr", "en"],
        "properties": {"fr": {"type": "string"}, "en": {"type": "string"}},
    }
    receipt = {
        "type": ["object", "null"],
        "required": ["realm", "index"],
        "properties": {"realm": {"type": "string"}, "index": {"type": "integer"}},
    }
    reason = {
        "type": "object",
        "required": ["rule", "text", "article", "fr", "en", "remedy"],
        "properties": {
            "rule": {"type": "string"}, "text": {"type": "string"}, "text_title": words, "article": {"type": "string"},
            "fr": {"type": "string"}, "en": {"type": "string"}, "remedy": words, "ask": {"type": "string"},
        },
    }  # fmt: skip
    problem = {
        "type": "object",
        "required": ["code", "title"],
        "properties": {"code": {"type": "string"}, "title": words, "do": {"anyOf": [words, {"type": "null"}]}},
    }
    refusal = {
        "type": "object",
        "required": ["code", "title", "act", "reasons"],
        "properties": {
            "code": {"const": "refused"}, "title": words, "act": {"type": "string"}, "receipt": receipt,
            "reasons": {"type": "array", "items": reason},
        },
    }  # fmt: skip
    return {"Receipt": receipt, "Reason": reason, "Problem": problem, "Refusal": refusal}
