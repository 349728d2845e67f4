"""Putting the packs of a jurisdiction together, and refusing to start on anything doubtful.

A misspelt fact in a prohibition is a prohibition that never applies; so every name must exist, every rule must say its words,
carry its cases and use only the facts its groups bring. Each fault is a `StartupError` with file, line and suggestion.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from egide.kernel.duration import is_duration
from egide.kernel.law_model import Case, Fact, Group, LawText, Rule, legal_day
from egide.kernel.packs import (
    Ask,
    CaseFile,
    DatedValueFile,
    FactFile,
    JurisdictionFile,
    PackFiles,
    Source,
    Stanza,
    convert,
    read_pack,
    read_source,
    read_toml,
)

SENTENCES = ("id", "article", "fr", "en", "evidence")
FORBID_ALSO = ("remedy_fr", "remedy_en", "ask")
OPTIONAL = ("valid_from", "valid_to", "replaced_by")
EVIDENCE = ("seen", "seen2", "mem", "ours")
PARAMETER = re.compile(r"\{([^{}]+)\}")
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


class Binder:
    """Puts the packs together and checks what crosses files. One use."""

    def __init__(self, root: Path, jurisdiction: str, at: datetime) -> None:
        self.root, self.jurisdiction, self.at = root, jurisdiction, at
        self.zone = ZoneInfo("UTC")
        self.texts: dict[str, LawText] = {}
        self.facts: dict[str, Fact] = {}
        self.groups: dict[str, Group] = {}
        self.rules: dict[str, Rule] = {}
        self.parameters: dict[str, tuple[DatedValueFile, ...]] = {}
        self.aliases: dict[str, tuple[str, date]] = {}
        self.cases: list[Case] = []
        self.in_force: dict[str, Rule] = {}
        self.hash = ""

    def bind(self) -> None:
        """Fills every public field. Raises `StartupError`."""
        packs = [read_pack(folder, self.root) for folder in self._folders()]
        for pack in packs:
            self._declare(pack)
        for pack in packs:
            self._extend(pack)
        for pack in packs:
            for stanza in pack.stanzas:
                self._rule(pack, stanza)
        for pack in packs:
            self._replacements(pack)
            self._prove(pack)
        self.in_force = self._in_force()
        self.hash = self._hash(self.in_force)

    def _folders(self) -> list[Path]:
        """Text folders, the included jurisdictions' first; also sets the zone of the jurisdiction asked for."""
        order: list[str] = []
        self._visit(self.jurisdiction, order, ())
        return [
            folder
            for name in order
            for folder in sorted((self.root / name).iterdir())
            if folder.is_dir() and folder.name[0] not in "._"
        ]

    def _visit(self, name: str, order: list[str], above: tuple[str, ...]) -> None:
        folder = self.root / name
        if not _NAME.match(name) or not folder.is_dir() or name in above:
            known = sorted(child.name for child in self.root.iterdir() if child.is_dir()) if self.root.is_dir() else []
            raise Source(above[-1] + "/jurisdiction.toml" if above else self.root.as_posix(), "").error(
                f"Juridiction inconnue ou circulaire : {name}",
                f"Unknown or circular jurisdiction: {name}",
                given=name,
                known=known,
            )
        source = read_source(folder / "jurisdiction.toml", self.root)
        described = convert(read_toml(source), JurisdictionFile, source)
        try:
            zone = ZoneInfo(described.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise source.error(
                f"Fuseau horaire inconnu : {described.time_zone}",
                f"Unknown time zone: {described.time_zone}",
                source.line("time_zone"),
            ) from error
        for other in described.includes:
            self._visit(other, order, (*above, name))
        if name not in order:
            order.append(name)
        self.zone = zone  # set last by the jurisdiction asked for, whose midnight it is

    def _declare(self, pack: PackFiles) -> None:
        head, source = pack.head, pack.head_source
        expected = source.name.removesuffix("/text.toml")
        if head.id != expected:
            raise source.error(f"id doit être {expected}", f"id must be {expected}", source.line("id"))
        self.texts[head.id] = LawText(
            head.id,
            head.title.text(),
            head.reference,
            head.authority.text(),
            head.valid_from,
            head.valid_to,
            head.version,
            self.zone,
        )
        for name, raw in pack.facts.items():
            line = source.line(f"[facts.{name}]")
            if name in self.facts:
                raise source.error(
                    f"Fait déjà déclaré dans {self.facts[name].text} : {name}",
                    f"Fact already declared in {self.facts[name].text}: {name}",
                    line,
                )
            self.facts[name] = self._fact(name, raw, source, line, head.id)
        for name, group in pack.groups.items():
            if name in self.groups:
                raise source.error(
                    f"Groupe déjà déclaré dans {self.groups[name].text} : {name}",
                    f"Group already declared in {self.groups[name].text}: {name}",
                    source.line(f"[groups.{name}]"),
                )
            self.groups[name] = Group(name, group.doc.text(), group.facts, head.id)
        for name, (_, values) in pack.parameters.items():
            for number, value in enumerate(values):
                if isinstance(value.value, str) and not is_duration(value.value):
                    place = pack.parameters_source
                    line = place.line(f"[[{name}.values]]", "value", nth=number)
                    raise place.error(f"Durée incorrecte : {value.value}", f"Wrong duration: {value.value}", line)
            for key in (f"{head.id}.{name}", f"{head.id.rpartition('/')[2]}.{name}"):
                self.parameters.setdefault(key, values)
        for name, alias in pack.aliases.items():
            self.aliases[f"{head.id} {name}"] = (alias.article, alias.valid_from)

    @staticmethod
    def _fact(name: str, raw: FactFile, source: Source, line: int | None, text: str) -> Fact:
        fact = Fact(name, raw.type, raw.provider, raw.doc.text(), raw.lawful, raw.values, raw.prohibiting, text)
        sound = (
            _NAME.match(name)
            and fact.accepts(raw.lawful)
            and bool(raw.values) == (raw.type == "String")
            and (not raw.prohibiting or raw.lawful is False)
        )
        if not sound:
            raise source.error(
                f"Fait incohérent : {name} (type, valeurs, valeur licite ou interdiction)",
                f"Inconsistent fact: {name} (type, values, lawful value or prohibition)",
                line,
            )
        return fact

    def _extend(self, pack: PackFiles) -> None:
        source = pack.head_source
        wanted = [("groups", name, group.facts) for name, group in pack.groups.items()]
        wanted += [("extends", name, extension.facts) for name, extension in pack.extends.items()]
        for section, name, facts in wanted:
            header = f"[{section}.{name}]"
            self._known(name, self.groups, source, source.line(header), "Groupe inconnu", "Unknown group")
            for fact in facts:
                line = source.line(header, f'"{fact}"')
                self._known(fact, self.facts, source, line, "Fait inconnu", "Unknown fact")
            if section == "extends":
                group = self.groups[name]
                extra = tuple(fact for fact in facts if fact not in group.facts)
                self.groups[name] = Group(group.name, group.doc, group.facts + extra, group.text)

    def _known(
        self, name: str, known: Mapping[str, object], source: Source, line: int | None, fr: str, en: str
    ) -> None:
        if name not in known:
            raise source.error(f"{fr} : {name}", f"{en}: {name}", line, given=name, known=known)

    def _rule(self, pack: PackFiles, stanza: Stanza) -> None:
        source, notes = pack.rules_source, stanza.annotations
        wanted = (*SENTENCES, "oblige") if stanza.effect == "permit" else (*SENTENCES, *FORBID_ALSO)
        for name in wanted:
            if not notes.get(name, "").strip():
                raise source.error(
                    f"Règle {notes.get('id', '?')} : annotation absente @{name}",
                    f"Rule {notes.get('id', '?')}: missing annotation @{name}",
                    stanza.line,
                )
        for name in notes:
            if name not in (*wanted, *OPTIONAL):
                raise source.error(
                    f"Annotation inconnue : @{name}",
                    f"Unknown annotation: @{name}",
                    stanza.line_of(f"@{name}"),
                    given=name,
                    known=(*wanted, *OPTIONAL),
                )
        for name, allowed in (("ask", get_args(Ask)), ("evidence", EVIDENCE)):
            if name in notes and notes[name] not in allowed:
                raise source.error(
                    f"@{name} inconnu : {notes[name]}",
                    f"Unknown @{name}: {notes[name]}",
                    stanza.line_of(f"@{name}"),
                    given=notes[name],
                    known=allowed,
                )
        identity = notes["id"]
        if identity in self.rules:
            raise source.error(f"Règle en double : {identity}", f"Duplicate rule: {identity}", stanza.line_of("@id"))
        facts = self._check_body(stanza, source)
        for name in PARAMETER.findall(notes.get("oblige", "")):
            self._known(
                name, self.parameters, source, stanza.line_of("@oblige"), "Paramètre inconnu", "Unknown parameter"
            )
        self.rules[identity] = Rule(
            id=identity,
            text=pack.head.id,
            effect=stanza.effect,
            groups=stanza.groups,
            facts=facts,
            article=notes["article"],
            fr=notes["fr"],
            en=notes["en"],
            remedy_fr=notes.get("remedy_fr", ""),
            remedy_en=notes.get("remedy_en", ""),
            ask=notes.get("ask", "nobody"),
            evidence=notes["evidence"],
            oblige=notes.get("oblige", ""),
            cedar=stanza.text,
            file=source.name,
            line=stanza.line,
            valid_from=self._date(stanza, source, "valid_from") or pack.head.valid_from,
            valid_to=self._date(stanza, source, "valid_to"),
            replaced_by=notes.get("replaced_by") or None,
        )

    @staticmethod
    def _date(stanza: Stanza, source: Source, name: str) -> date | None:
        text = stanza.annotations.get(name)
        try:
            return date.fromisoformat(text) if text is not None else None
        except ValueError as error:
            raise source.error(
                f"Date incorrecte : {text}", f"Wrong date: {text}", stanza.line_of(f"@{name}")
            ) from error

    def _check_body(self, stanza: Stanza, source: Source) -> tuple[str, ...]:
        """Every group, fact and band value the stanza names must exist, and every group it covers must bring its facts."""
        for group in stanza.groups:
            self._known(group, self.groups, source, stanza.line_of(f'"{group}"'), "Groupe inconnu", "Unknown group")
        nodes = list(_nodes(stanza.body))
        bare = sum(node == {"Var": "context"} for node in nodes) - sum("." in node for node in nodes)
        if bare > 0:
            raise source.error(
                "Une règle lit des faits, jamais context entier",
                "A rule reads facts, never all of context",
                stanza.line,
            )
        used: dict[str, None] = {}
        for node in nodes:
            if "has" in node or node.get("Var") in ("principal", "resource"):
                raise source.error(
                    "Une règle ne lit que context et action ; tout fait est obligatoire, « has » n’a pas de sens",
                    "A rule reads context and action only; every fact is required, “has” has no meaning",
                    stanza.line,
                )
            access = node.get(".")
            if access and access["left"] == {"Var": "context"}:
                name = access["attr"]
                line = stanza.line_of(f"context.{name}")
                self._known(name, self.facts, source, line, "Fait inconnu", "Unknown fact")
                for group in stanza.groups:
                    if name not in self.groups[group].facts:
                        raise source.error(
                            f"Le groupe {group} n’apporte pas le fait {name}",
                            f"Group {group} does not bring fact {name}",
                            line,
                        )
                used[name] = None
            entity = node.get("__entity")
            if entity and entity.get("type") == "Action":
                line = stanza.line_of(f'"{entity["id"]}"')
                self._known(entity["id"], self.groups, source, line, "Groupe inconnu", "Unknown group")
            for name, literal in _bands(node):
                if name in self.facts and self.facts[name].values:
                    known = dict.fromkeys(self.facts[name].values)
                    self._known(
                        literal,
                        known,
                        source,
                        stanza.line_of(f'"{literal}"'),
                        f"Valeur inconnue de {name}",
                        f"Unknown value of {name}",
                    )
        return tuple(used)

    def _replacements(self, pack: PackFiles) -> None:
        for rule in self.rules.values():
            if rule.text == pack.head.id and rule.replaced_by:
                self._known(
                    rule.replaced_by, self.rules, pack.rules_source, rule.line, "Règle inconnue", "Unknown rule"
                )

    def _prove(self, pack: PackFiles) -> None:
        """Every rule of the pack has its allow and deny cases, and the cases are well formed."""
        source = pack.cases_source
        expects: dict[str, set[str]] = {}
        for number, case in enumerate(pack.cases):
            line = source.line("[[case]]", nth=number)
            own = {rule.id: rule for rule in self.rules.values() if rule.text == pack.head.id}
            self._known(case.rule, own, source, line, "Cas d’une règle inconnue", "Case of an unknown rule")
            self._check_case(case, source, number)
            expects.setdefault(case.rule, set()).add(case.expect)
            self.cases.append(Case(case.rule, case.name, case.groups, case.facts, case.expect, source.name))
        for rule in self.rules.values():
            needed = {"oblige"} if rule.effect == "permit" else {"allow", "refuse"}
            missing = needed - expects.get(rule.id, set())
            if rule.text == pack.head.id and missing:
                raise pack.rules_source.error(
                    f"La règle {rule.id} n’a pas de cas « {', '.join(sorted(missing))} » dans {source.name}",
                    f"Rule {rule.id} has no “{', '.join(sorted(missing))}” case in {source.name}",
                    rule.line,
                )

    def _check_case(self, case: CaseFile, source: Source, number: int) -> None:
        brought: set[str] = set()
        for group in case.groups:
            line = source.line("[[case]]", f'"{group}"', nth=number)
            self._known(group, self.groups, source, line, "Groupe inconnu", "Unknown group")
            brought |= set(self.groups[group].facts)
        for name, value in case.facts.items():
            line = source.line("[[case]]", name, nth=number)
            self._known(
                name,
                dict.fromkeys(sorted(brought)),
                source,
                line,
                "Fait absent de ces groupes",
                "Fact not of these groups",
            )
            if not self.facts[name].accepts(value):
                raise source.error(f"Valeur incorrecte pour {name} : {value}", f"Wrong value for {name}: {value}", line)

    def _in_force(self) -> dict[str, Rule]:
        day = legal_day(self.at, self.zone)
        started = {rule.id for rule in self.rules.values() if rule.valid_from <= day}

        def lapsed(rule: Rule) -> bool:
            return rule.valid_to is not None and rule.valid_to < day and rule.replaced_by in started

        return {rule.id: rule for rule in self.rules.values() if rule.id in started and not lapsed(rule)}

    def _hash(self, in_force: Iterable[str]) -> str:
        """Comments and layout do not count; words, numbers, dates and what is in force do."""
        rules = [
            {name: getattr(rule, name) for name in Rule.__dataclass_fields__ if name not in ("file", "line")}
            for rule in self.rules.values()
        ]
        texts = [
            {name: getattr(text, name) for name in LawText.__dataclass_fields__ if name != "zone"}
            for text in self.texts.values()
        ]
        content = {
            "jurisdiction": self.jurisdiction,
            "zone": self.zone.key,
            "texts": texts,
            "facts": list(self.facts.values()),
            "groups": list(self.groups.values()),
            "rules": rules,
            "in_force": list(in_force),
            "parameters": self.parameters,
            "aliases": self.aliases,
        }
        return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every JSON object below `tree`."""
    if isinstance(tree, dict):
        yield tree
        for child in tree.values():
            yield from _nodes(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)


def _bands(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(fact, literal) for `context.fact == "x"`, `!=` and `["x", …].contains(context.fact)`."""
    for operator in ("==", "!=", "contains"):
        sides = node.get(operator)
        if not sides:
            continue
        for one, other in ((sides["left"], sides["right"]), (sides["right"], sides["left"])):
            access = other.get(".", {})
            if access.get("left") != {"Var": "context"}:
                continue
            for item in [one, *one.get("Set", ())]:
                if isinstance(item.get("Value"), str):
                    yield access["attr"], item["Value"]
