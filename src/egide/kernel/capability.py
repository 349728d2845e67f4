"""The plug-in protocol: everything a capability must say of itself, checked at start.

Our own capabilities use it too. A third party's is found by the entry point group `egide.capabilities` and loaded only when
the operator has listed its hash; a manifest that is wrong stops the start with file, line and a suggestion.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import MetaData

from egide.kernel.act import Act, Fact
from egide.kernel.errors import StartupError, Text

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel
    from egide.kernel.law import LawBook
    from egide.kernel.listeners import Batch, Independent, Keyed
    from egide.kernel.retention import Eraser
    from egide.kernel.rights_check import Acts, Fault


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A label for people."""

    fr: str
    en: str


class Purpose(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One purpose an activity may be used for."""

    id: str
    fr: str
    en: str


class Basis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text that allows the activity; `until` where it lapses by itself (ISO date)."""

    text: str
    article: str
    kind: str
    until: str | None = None


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a category lives: the pack's parameter that says so, and what happens meanwhile."""

    category: str
    trigger: str
    parameter: str
    mode: Literal["erase", "seal-then-erase"]
    fr: str
    en: str
    sooner: bool = False  # it may end before: the parameter says the longest


class Activity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A processing activity: an entry of the record of processing (GDPR 30, directive 2016/680 article 24)."""

    id: str
    title: Words
    regime: Literal["GDPR", "LED", "none"]
    purposes: tuple[Purpose, ...]
    bases: tuple[Basis, ...]
    subjects: tuple[Words, ...] = ()
    data: tuple[Words, ...] = ()
    recipients: tuple[Words, ...] = ()
    retention: tuple[Retention, ...] = ()
    security: tuple[Words, ...] = ()
    dpia: str | None = None  # ISO date of the impact assessment
    engagement: str | None = None  # reference of the « engagement de conformité »
    ai: tuple[str, ...] = ()  # facts of AI Act article 5 that hold for it; empty for everything Égide ships
    facts: dict[str, Fact] = {}

    @property
    def complete(self) -> bool:
        """Whether every entry that article 30 / 24 asks for is filled in."""
        return all(
            (self.purposes, self.bases, self.subjects, self.data, self.recipients, self.retention, self.security)
        )

    def basis_in_force(self, book: LawBook, today: str) -> bool:
        """A basis counts while its text and its own date are in force; one is enough."""
        return any(
            basis.text in book.texts
            and (basis.until is None or today <= basis.until)
            and book.texts[basis.text].in_force(today)
            for basis in self.bases
        )


class ActivityFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form of `activities.toml`."""

    activity: tuple[Activity, ...]


Listener = Callable[["Kernel", dict[str, Any]], Awaitable[None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What plugs in: acts, tables, the events it listens to, what starts and stops with it, how it erases."""

    name: str
    package: str  # where activities.toml lies
    acts: tuple[Act, ...]
    tables: MetaData | None = None
    listeners: Mapping[str, Listener | Batch | Independent | Keyed] = field(default_factory=dict)
    erasers: Mapping[str, Eraser] = field(default_factory=dict)
    # By category: deletes what an erased object left outside the store; in a thread, repeated until it returns.
    removers: Mapping[str, Callable[[Kernel, str], None]] = field(default_factory=dict)
    # Compares the rows that give rights, and what else acts alone may have written, with those acts; `egide doctor` asks.
    rights: Callable[[Acts], Iterable[Fault]] | None = None
    # What is asked for by name and never done → the act that refuses it by article; whatever begins with that name, too.
    never: Mapping[str, str] = field(default_factory=dict)
    start: Callable[[Kernel], Awaitable[None]] | None = None
    stop: Callable[[Kernel], Awaitable[None]] | None = None


def activities(capability: Capability) -> tuple[Activity, ...]:
    """Reads the capability's `activities.toml`; raises `StartupError` with the line where one can be named."""
    place = files(capability.package) / "activities.toml"
    name = f"{capability.package.replace('.', '/')}/activities.toml"
    try:
        text = place.read_text("utf-8")
    except OSError as error:
        raise StartupError(Text(f"Fichier absent : {name}", f"Missing file: {name}"), file=name) from error
    try:
        return msgspec.convert(tomllib.loads(text), ActivityFile).activity
    except tomllib.TOMLDecodeError as error:
        raise StartupError(
            Text(f"TOML incorrect : {error}", f"Bad TOML: {error}"), file=name, line=_line_of(str(error))
        ) from error
    except msgspec.ValidationError as error:
        raise StartupError(
            Text(f"Registre incorrect : {error}", f"Wrong record: {error}"),
            file=name,
            line=_find(text, str(error)),
            suggestion=_meant(str(error)),
        ) from error


def check(capabilities: Iterable[Capability], known: Mapping[str, Activity]) -> dict[str, Act]:
    """All acts by name; every act must belong to a known activity and no name may be declared twice."""
    acts: dict[str, Act] = {}
    for capability in capabilities:
        for declared in capability.acts:
            if not declared.name.startswith(capability.name + ".") and capability.name != "administration":
                raise StartupError(
                    Text(
                        f"{declared.name} n’appartient pas à {capability.name}",
                        f"{declared.name} is not of {capability.name}",
                    ),
                    file=capability.package,
                )
            if declared.name in acts:
                raise StartupError(
                    Text(f"Acte déclaré deux fois : {declared.name}", f"Act declared twice: {declared.name}"),
                    file=capability.package,
                )
            if not declared.open and declared.activity not in known:
                near = difflib.get_close_matches(declared.activity, known, 1)
                raise StartupError(
                    Text(
                        f"{declared.name} : activité inconnue « {declared.activity} »",
                        f"{declared.name}: unknown activity “{declared.activity}”",
                    ),
                    file=f"{capability.package.replace('.', '/')}/activities.toml",
                    suggestion=near[0] if near else None,
                )
            acts[declared.name] = declared
    return acts


def _line_of(message: str) -> int | None:
    after = message.partition("at line ")[2]
    digits = after.split(",")[0].strip(") ")
    return int(digits) if digits.isdigit() else None


def _meant(message: str) -> str | None:
    """The field that an unknown one was probably meant to be."""
    if "unknown field" not in message:
        return None
    known = {field for kind in (Activity, Words, Purpose, Basis, Retention) for field in kind.__struct_fields__}
    near = difflib.get_close_matches(message.split("`")[1], known, 1)
    return near[0] if near else None


def _find(text: str, message: str) -> int | None:
    """The line on which the quoted name of a validation message stands."""
    quoted = message.split("`")
    for word in quoted[1::2]:
        for number, line in enumerate(text.splitlines(), 1):
            if word.strip("$.") and word.strip("$.") in line:
                return number
    return None
