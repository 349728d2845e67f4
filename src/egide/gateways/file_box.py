"""The box for files on a page, the same for a draft and for a file: works as a plain form, resumes by itself with its script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from starlette.requests import Request

from egide.gateways.resident import own
from egide.gateways.service_words import w
from egide.gateways.uploads import Form, read_form
from egide.kernel.errors import EgideError, Text
from egide.kernel.identity import ANONYMOUS
from egide.kernel.kernel import Kernel
from egide.services.definition import Field
from egide.services.questions import say

SCRIPT = "upload-page"
DROP = "drop"  # the button that takes a file back


@dataclass(frozen=True, slots=True)
class Sent:
    """Whose the files are, the secret that says so, and those that are there; `final`: what was sent is not taken back."""

    owner: str
    secret: str
    files: list[Mapping[str, Any]] = field(default_factory=list)
    final: bool = False


def box(lang: str, question: Field, sent: Sent, wrong: Text | None) -> str:
    """The question, the files that are there, and a place for more; without a secret it stays a plain form."""
    resumed = (
        f' data-upload data-owner="{escape(sent.owner)}" data-secret="{escape(sent.secret)}"' if sent.secret else ""
    )
    hint = say(lang, question.hint) + " " if question.hint else ""
    mistake = f'<p class="mistake" id="{question.id}-wrong">{say(lang, wrong)}</p>' if wrong else ""
    by = f"{question.id}-hint" + (f" {question.id}-wrong" if wrong else "")
    optional = (
        "" if question.required else f' <span class="quiet">({"optional" if lang == "en" else "facultatif"})</span>'
    )
    return (
        f'<div class="q{" bad" if wrong else ""}"{resumed}>'
        f'<label for="{question.id}">{say(lang, question.label)}{optional}</label><p class="hint" id="{question.id}-hint">{hint}{w(lang, "files_hint")}</p>{mistake}'
        f'<input type="file" id="{question.id}" name="{question.id}" multiple aria-describedby="{by}">'
        f'<ul class="files" data-files>{"".join(_line(lang, one, final=sent.final) for one in sent.files)}</ul><p role="status"></p></div>'
    )


def _line(lang: str, file: Mapping[str, Any], *, final: bool) -> str:
    name = f"<bdi>{escape(file['name'])}</bdi>"
    label = w(lang, "drop").format(escape(file["name"]))
    back = (
        ""
        if final
        else f'<button class="quiet" name="{DROP}" value="{escape(file["upload"])}" formnovalidate>{label}</button>'
    )
    return f"<li><span>{name} — {escape(file['said'][lang])}</span>{back}</li>"


async def form_with_files(kernel: Kernel, request: Request, origin: str, sent: Sent) -> Form:
    """A form that this site's own page sent, with the files in it sealed for their owner. Raises `BadInput`, `TooLarge`."""
    own(request, origin)
    return await read_form(kernel, request, ANONYMOUS, owner=sent.owner, secret=sent.secret)


def refusals(refused: Iterable[tuple[str, EgideError]]) -> Text | None:
    """Why some files were not taken, each by its name; None where all were."""
    lines = [
        (
            f"{name} : {error.what.fr} {error.do.fr if error.do else ''}",
            f"{name}: {error.what.en} {error.do.en if error.do else ''}",
        )
        for name, error in refused
    ]
    return Text(" ".join(fr.strip() for fr, _ in lines), " ".join(en.strip() for _, en in lines)) if lines else None
