"""Reading the files of a law pack, with a diagnosis a jurist can act on: file, line and the name that was probably meant.

A pack is a folder `law/<jurisdiction>/<text>/` of data only: `text.toml` (the text, its facts and groups), `rules.cedar` (one
stanza per article), `parameters.toml` (dated numbers with their source), `cases.toml` (the allow and deny cases of every rule).
This module knows the form of each file and nothing of their meaning; `law.py` puts the packs together and checks them.

Source: Cedar policy language 4 (https://docs.cedarpolicy.com), TOML 1.0.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import cedarpy
import msgspec

from egide.kernel.errors import StartupError, Text

Value = bool | int | str
Provider = Literal["activity", "kernel", "act"]
Ask = Literal["prefect", "administrator", "dpo", "magistrate", "nobody"]

_AT_LINE = re.compile(r"at line (\d+)")
_QUOTED = re.compile(r"`([^`]+)`")
T = TypeVar("T")


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text for people, French first."""

    fr: str
    en: str

    def text(self) -> Text:
        """The same as the kernel's `Text`."""
        return Text(self.fr, self.en)


class JurisdictionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`law/<jurisdiction>/jurisdiction.toml`: what else applies there and whose midnight ends a legal day."""

    title: Words
    time_zone: str
    includes: tuple[str, ...] = ()


class FactFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[facts.<name>]`: a boolean, a count or a band that rules may ask about; never a raw time, name or position."""

    type: Literal["Bool", "Long", "String"]
    provider: Provider
    doc: Words
    lawful: Value
    values: tuple[str, ...] = ()
    prohibiting: bool = False


class GroupFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[groups.<name>]`: a kind of act and the facts every act of that kind must bring."""

    doc: Words
    facts: tuple[str, ...] = ()


class ExtensionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[extends.<group>]`: facts that this text adds to a group of another text."""

    facts: tuple[str, ...]


class AliasFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[aliases."<old number>"]`: a renumbered article and the day from which it is cited by its new number."""

    article: str
    valid_from: date


class HeadFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The head of `text.toml`."""

    id: str
    title: Words
    reference: str
    authority: Words
    valid_from: date
    version: str
    valid_to: date | None = None


class DatedValueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[<parameter>.values]]`: one value, since when, and where it is written."""

    value: Any
    source: str
    evidence: Literal["seen", "seen2", "mem", "ours"]
    valid_from: date | None = None
    valid_to: date | None = None


class CaseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[case]]`: overrides on the lawful baseline of the groups' facts, and what the rule must answer."""

    rule: str
    name: str
    groups: tuple[str, ...]
    expect: Literal["refuse", "allow", "oblige"]
    facts: dict[str, Value] = {}


@lru_cache(maxsize=8)  # each file is asked for hundreds of lines in a row
def _lines(text: str) -> list[str]:
    return text.splitlines()


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name and text; `line` finds where a thing stands in it."""

    name: str
    text: str

    def line(self, *anchors: str, nth: int = 0) -> int | None:
        """1-based line of the last anchor found: a header (its `nth` repeats skipped), then keys of its table."""
        lines = _lines(self.text)
        found: int | None = None
        start = 0
        for position, anchor in enumerate(anchors):
            skip = nth if position == 0 else 0
            for number in range(start, len(lines)):
                if position and lines[number].startswith("["):
                    break  # the next table: the key is absent from this one
                if anchor in lines[number]:
                    if skip:
                        skip -= 1
                        continue
                    found = start = number + 1
                    break
        return found

    def error(
        self, fr: str, en: str, line: int | None = None, *, given: str = "", known: Iterable[str] = ()
    ) -> StartupError:
        """A `StartupError` here; `given` is matched against `known` for the suggestion."""
        near = difflib.get_close_matches(given, list(known), 1) if given else []
        return StartupError(Text(fr, en), file=self.name, line=line, suggestion=near[0] if near else None)


@dataclass(frozen=True, slots=True)
class Stanza:
    """One Cedar policy as written, and what Cedar's own parser says of it."""

    text: str
    line: int
    effect: str
    annotations: Mapping[str, str]
    groups: tuple[str, ...]
    body: Mapping[str, Any]

    def line_of(self, needle: str) -> int:
        """Line of `needle` inside the stanza, or the stanza's first line."""
        before, found, _ = self.text.partition(needle)
        return self.line + (before.count("\n") if found else 0)


@dataclass(frozen=True, slots=True)
class PackFiles:
    """A pack as read: well formed, not yet checked against the other packs."""

    head: HeadFile
    head_source: Source
    aliases: Mapping[str, AliasFile]
    facts: Mapping[str, FactFile]
    groups: Mapping[str, GroupFile]
    extends: Mapping[str, ExtensionFile]
    rules_source: Source
    stanzas: tuple[Stanza, ...]
    parameters_source: Source
    parameters: Mapping[str, tuple[Words, tuple[DatedValueFile, ...]]]
    cases_source: Source
    cases: tuple[CaseFile, ...]


def read_source(path: Path, root: Path) -> Source:
    """The file's text under the name people know it by; raises `StartupError` when it is absent or not UTF-8."""
    name = path.relative_to(root).as_posix()
    try:
        return Source(name, path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(
            Text(f"Fichier de droit absent ou illisible : {name}", f"Law file missing or unreadable: {name}"), file=name
        ) from error


def read_toml(source: Source) -> dict[str, Any]:
    """Parses TOML; raises `StartupError` with the line."""
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        line = int(at[1]) if at else source.text.count("\n") + 1
        raise source.error(f"TOML incorrect : {error}", f"Bad TOML: {error}", line) from error


def convert(raw: Any, kind: type[T], source: Source, *anchors: str, nth: int = 0) -> T:
    """Raw TOML → struct; raises `StartupError` naming the unknown, missing or wrong key and its line."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        quoted = _QUOTED.findall(message)
        keys = [part for word in quoted for part in word.strip("$").split(".") if part and "[" not in part]
        line = source.line(*anchors, *(f"{key} " for key in keys[:1]), nth=nth)
        known = [*kind.__struct_fields__, "fr", "en"] if issubclass(kind, msgspec.Struct) else []
        unknown = quoted[0] if "unknown field" in message else ""
        if unknown:
            raise source.error(
                f"Clé inconnue : {unknown}", f"Unknown key: {unknown}", line, given=unknown, known=known
            ) from error
        if "missing required field `source`" in message:
            raise source.error("Un paramètre n’a pas de source", "A parameter has no source", line) from error
        raise source.error(f"Clé incorrecte : {message}", f"Wrong key: {message}", line) from error


def read_pack(folder: Path, root: Path) -> PackFiles:
    """Reads the four files of one text. Raises `StartupError`."""
    head = read_source(folder / "text.toml", root)
    raw = read_toml(head)
    sections = {name: raw.pop(name, {}) for name in ("aliases", "facts", "groups", "extends")}
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise head.error(f"[{name}] doit être une table", f"[{name}] must be a table", head.line(name))

    def each(section: str, kind: type[T]) -> dict[str, T]:
        return {key: convert(item, kind, head, _header(head, section, key)) for key, item in sections[section].items()}

    parameters = read_source(folder / "parameters.toml", root)
    cases = read_source(folder / "cases.toml", root)
    rules = read_source(folder / "rules.cedar", root)
    return PackFiles(
        head=convert(raw, HeadFile, head),
        head_source=head,
        aliases=each("aliases", AliasFile),
        facts=each("facts", FactFile),
        groups=each("groups", GroupFile),
        extends=each("extends", ExtensionFile),
        rules_source=rules,
        stanzas=tuple(read_stanzas(rules)),
        parameters_source=parameters,
        parameters=_parameters(parameters),
        cases_source=cases,
        cases=_cases(cases),
    )


def _header(source: Source, section: str, key: str) -> str:
    quoted = f'[{section}."{key}"]'
    return quoted if quoted in source.text else f"[{section}.{key}]"


def _parameters(source: Source) -> dict[str, tuple[Words, tuple[DatedValueFile, ...]]]:
    found: dict[str, tuple[Words, tuple[DatedValueFile, ...]]] = {}
    for name, raw in read_toml(source).items():
        line = source.line(f"[{name}]")
        if not isinstance(raw, dict) or set(raw) - {"doc", "values"} or not raw.get("values"):
            raise source.error(
                f"Paramètre {name} : il faut doc et au moins une valeur",
                f"Parameter {name}: doc and at least one value are needed",
                line,
            )
        values = tuple(
            convert(value, DatedValueFile, source, f"[[{name}.values]]", nth=number)
            for number, value in enumerate(raw["values"])
        )
        for number, value in enumerate(values):
            if not value.source.strip():
                at = source.line(f"[[{name}.values]]", "source", nth=number)
                raise source.error(f"Le paramètre {name} n’a pas de source", f"Parameter {name} has no source", at)
        found[name] = (convert(raw.get("doc"), Words, source, f"[{name}]"), values)
    return found


def _cases(source: Source) -> tuple[CaseFile, ...]:
    raw = read_toml(source)
    for key in raw:
        if key != "case":
            raise source.error(
                f"Clé inconnue : {key}", f"Unknown key: {key}", source.line(key), given=key, known=["case"]
            )
    items = raw.get("case", [])
    if not isinstance(items, list):
        raise source.error("Écrivez [[case]]", "Write [[case]]", source.line("case"))
    return tuple(convert(item, CaseFile, source, "[[case]]", nth=number) for number, item in enumerate(items))


def split_policies(text: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of every policy; comments and strings are respected, a tail without `;` is yielded too."""
    start: int | None = None
    position, size = 0, len(text)
    while position < size:
        char = text[position]
        if text.startswith("//", position):
            end = text.find("\n", position)
            position = size if end < 0 else end
            continue
        if char == '"':
            start = position if start is None else start
            position += 1
            while position < size and text[position] != '"':
                position += 2 if text[position] == "\\" else 1
        elif not char.isspace() and start is None:
            start = position
        if char == ";" and start is not None:
            yield text.count("\n", 0, start) + 1, text[start : position + 1]
            start = None
        position += 1
    if start is not None:
        yield text.count("\n", 0, start) + 1, text[start:].rstrip()


def read_stanzas(source: Source) -> Iterator[Stanza]:
    """The policies of a `rules.cedar`; raises `StartupError` with the stanza's line when Cedar cannot read one."""
    for line, text in split_policies(source.text):
        try:
            policies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
            (policy,) = policies.values()
        except ValueError as error:
            raise source.error(f"Règle Cedar incorrecte : {error}", f"Wrong Cedar rule: {error}", line) from error
        scope = policy["action"]
        named = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
        if scope["op"] != "in" or not named or policy["principal"]["op"] != "All" or policy["resource"]["op"] != "All":
            raise source.error(
                'La tête d’une règle est (principal, action in Action::"groupe", resource)',
                'A rule’s head is (principal, action in Action::"group", resource)',
                line,
            )
        annotations = {name: value or "" for name, value in policy.get("annotations", {}).items()}
        body = {"conditions": policy["conditions"]}
        yield Stanza(text, line, policy["effect"], annotations, tuple(entity["id"] for entity in named), body)
