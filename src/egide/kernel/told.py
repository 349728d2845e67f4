"""A refusal or an error as every door tells it: what happened, each broken article, what to do; in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egide.kernel.errors import EgideError, Refused
from egide.kernel.guard import Decision


def refusal(error: Refused, act: str) -> Mapping[str, Any]:
    """The refusal as every door tells it."""
    return {
        "code": "refused",
        "title": {"fr": error.what.fr, "en": error.what.en},
        "act": act,
        "receipt": {"realm": error.receipt[0], "index": error.receipt[1]} if error.receipt else None,
        "reasons": reasons(error.decision),
    }


def reasons(decision: Decision) -> list[dict[str, Any]]:
    """Each broken article as the pages show it."""
    return [
        {
            "rule": reason.rule,
            "text": reason.text,
            "text_title": {"fr": reason.text_title.fr, "en": reason.text_title.en},
            "article": reason.article,
            "fr": reason.fr,
            "en": reason.en,
            "remedy": {"fr": reason.remedy_fr, "en": reason.remedy_en},
            "ask": reason.ask,
        }
        for reason in decision.reasons
    ]


def problem(error: EgideError, act: str = "") -> Mapping[str, Any]:
    """Any error as every door tells it."""
    if isinstance(error, Refused):
        return refusal(error, act)
    return {
        "code": error.code,
        "title": {"fr": error.what.fr, "en": error.what.en},
        "do": {"fr": error.do.fr, "en": error.do.en} if error.do else None,
    }
