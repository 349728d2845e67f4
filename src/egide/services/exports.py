"""What leaves a file for another capability: the fields that the definition lists for that purpose, and not one more.

The event says only that there is something, and of which file; whoever is to have it asks by an act of its own, so that the
ledger shows what was given to whom, for what and under which article (deny by default; GDPR 5(1)(b), directive 2016/680, 4(2)).
Nothing is typed again on the other side.

    event  service.to_operations {file, service, event}
    given  = await perform("services.export.give", {file, target: "operations", event})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.capability import Words
from egide.kernel.errors import NotFound, Text
from egide.services.answers import holds
from egide.services.definition import Definition, Export
from egide.services.model import FILED, body_of, definition_of, file_owner, file_row
from egide.services.questions import plain

Target = Literal["operations", "investigation"]


class Asked(Input):
    """What was announced to a capability."""

    file: str
    target: Target
    event: str


class Given(msgspec.Struct):
    """One answer: as it is kept, and as people read it."""

    id: str
    label: Words
    value: Any
    fr: str
    en: str


class Handed(msgspec.Struct):
    """What a capability is handed of a file, for what, and under which article."""

    service: str
    number: str
    title: Words
    purpose: Words
    article: str
    fields: list[Given]


def leaving(
    definition: Definition, file: str, step: str, answers: Mapping[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """The events of what leaves after this step."""
    return [
        (f"service.to_{export.target}", {"file": file, "service": definition.id, "event": export.event})
        for export in definition.exports
        if step in (export.on or (FILED,)) and holds(export.when, answers)
    ]


def _declared(definition: Definition, given: Asked, answers: Mapping[str, Any]) -> Export:
    for export in definition.exports:
        if (export.target, export.event) == (given.target, given.event) and holds(export.when, answers):
            return export
    raise NotFound(Text("Rien de ce dossier ne va là.", "Nothing of this file goes there."))


@act(
    "services.export.give", verb="disclose", activity="service-desk", roles=["system"], system=True, duty=True, input=Asked,
    output=Handed, fr="Transmettre les champs déclarés d’un dossier", en="Hand over the declared fields of a file",
)  # fmt: skip
def give(ctx: Ctx, given: Asked) -> Effect:
    row = file_row(ctx.db, given.file)
    definition, answers = definition_of(row), body_of(ctx.kernel, row).answers
    export = _declared(definition, given, answers)
    fields = [
        Given(id_, definition.field(id_).label, answers[id_], said.fr, said.en)
        for id_ in export.fields
        if id_ in answers
        for said in [plain(definition.field(id_), answers[id_])]
    ]
    handed = Handed(row.service, row.number, definition.title, export.purpose, export.article, fields)
    return Effect(handed, concerns=(file_owner(row.id),))


ACTS: tuple[Act, ...] = (give,)
