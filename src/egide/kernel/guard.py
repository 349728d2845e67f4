"""The judge: Cedar decides, Python only hands it the facts and reads the answer.

Every act is a Cedar Action inside the rule groups that apply to it. One generated wide `permit` per act and one `forbid`
per article: a refusal names *every* broken article. Each fact is a required, typed attribute of the act's context.

Three ways Cedar could fail open, and what closes them (each has a test):
- a `forbid` whose condition errs is skipped → allowed only if the decision is Allow **and** there is no error;
- a fact left out of an optional attribute hides its prohibition → none is optional, a missing fact refuses;
- `action in Action::"group"` is false where the entities lack the action hierarchy → the schema gives it to them.
"""

from __future__ import annotations

import difflib
import json
import marshal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from types import MappingProxyType

import cedarpy
import msgspec

from egide.kernel.errors import NotFound, StartupError, Text
from egide.kernel.law import Fact, LawBook, Obligation, Reason, Rule

MEMO_ENTRIES = 8192  # decisions kept; the least recently used goes first
COMPILED = 1024  # texts of rules and schemas kept compiled; a law has some 200 acts
REFUSED_FACTS = 256  # of an ill-formed request, kept with the refusal
MEMO_KEY_BYTES = 4096  # longer fact tuples are decided without being kept
PERMIT = "permit"  # @id of the generated permit
KERNEL_TITLE = Text("Noyau d’Égide", "Égide’s kernel")
Value = bool | int | str
_HEAD = "entity Actor; entity Thing;"
_TYPES: dict[str, type] = {"Bool": bool, "Long": int, "String": str}
_dumps = marshal.dumps


@dataclass(frozen=True, slots=True)
class ActLaw:
    """An act's name and the rule groups it belongs to."""

    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the law says of an act under these facts. Refused: `reasons`; allowed: `obligations`."""

    act: str
    allowed: bool
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    law_hash: str
    facts: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class _Bench:
    """What is needed to judge one act."""

    names: tuple[str, ...]
    facts: tuple[Fact, ...]
    types: tuple[type, ...]
    bands: tuple[Fact, ...]  # the facts of which not every value of the type will do
    values: Callable[[Mapping[str, Value]], tuple[Value, ...]]  # in the order of `names`; KeyError where one is missing
    request: Mapping[str, Mapping[str, str]]
    policies: cedarpy.PolicySet
    schema: cedarpy.Schema
    entities: cedarpy.Entities

    def well_formed(self, facts: Mapping[str, Value]) -> dict[str, Value] | None:
        """The facts in order, or None where one is missing, surplus or of another type (True is not 1)."""
        try:
            values = self.values(facts)
        except KeyError:
            return None
        if len(facts) != len(values) or tuple(map(type, values)) != self.types:
            return None
        given = dict(zip(self.names, values, strict=True))
        return given if all(fact.accepts(given[fact.name]) for fact in self.bands) else None


class Guard:
    """Decides acts under a `LawBook`. Immutable but for its memo; safe to share between threads."""

    def __init__(self, book: LawBook, acts: Mapping[str, ActLaw]) -> None:
        """Compiles and validates. Raises `StartupError` when a group is unknown or Cedar finds a rule ill-typed."""
        self.book = book
        self.acts = dict(acts)
        for act in self.acts.values():
            for group in act.groups:
                if group not in book.groups:
                    near = difflib.get_close_matches(group, book.groups, 1)
                    raise StartupError(
                        Text(
                            f"{act.name} : groupe de règles inconnu « {group} »",
                            f"{act.name}: unknown rule group “{group}”",
                        ),
                        suggestion=near[0] if near else None,
                    )
        self._required = {name: _required(book, act.groups) for name, act in self.acts.items()}
        self._validate()
        self._order = {rule_id: place for place, rule_id in enumerate(book.rules)}
        self._owed = {rule.id: _owed(book, rule) for rule in book.rules.values() if rule.effect == "permit"}
        self._words = {rule.id: book.cite(rule.id) for rule in book.rules.values() if rule.effect == "forbid"}
        self._benches = self._compile()
        self._remembered = lru_cache(maxsize=MEMO_ENTRIES)(self._decide_key)

    def required_facts(self, act: str) -> tuple[str, ...]:
        """The names of the facts an act must bring, in a fixed order; `book.facts[name].provider` says who brings each."""
        return self._required[act]

    def required_from(self, act: str, provider: str) -> tuple[str, ...]:
        """Those of `required_facts` that "kernel", "activity" or "act" provides."""
        return tuple(name for name in self._required[act] if self.book.facts[name].provider == provider)

    def rules_of(self, act: str) -> tuple[Rule, ...]:
        """The rules in force that may refuse or oblige an act: its line in the record of processing."""
        return _applicable(self.book, self.acts[act].groups)

    def select(self, act: str, facts: Mapping[str, Value]) -> dict[str, Value]:
        """Drops what the kernel or the activity knows beyond what this act’s law asks.

        An act's own surplus stays, and refuses: what it gathered must be what its groups judge.
        """
        wanted = self._required[act]
        known = self.book.facts

        def stays(name: str) -> bool:
            return name in wanted or name not in known or known[name].provider == "act"

        return {name: value for name, value in facts.items() if stays(name)}

    def decide(self, act: str, facts: Mapping[str, Value]) -> Decision:
        """The decision, remembered for the same act and facts. Never raises for bad facts: they refuse."""
        bench = self._benches.get(act)
        if bench is not None and len(facts) == len(bench.names):
            try:
                # Version 0 writes True and 1 differently and equal values equally: the bytes are the facts.
                key = _dumps(bench.values(facts), 0)
            except (KeyError, ValueError):
                return self.decide_cold(act, facts)
            if len(key) <= MEMO_KEY_BYTES:
                return self._remembered(act, key)
        return self.decide_cold(act, facts)

    def decide_cold(self, act: str, facts: Mapping[str, Value]) -> Decision:
        """The decision, asked of Cedar now."""
        bench = self._benches.get(act)
        if bench is None:
            return self._refused(act, facts, _UNKNOWN_ACT)
        given = bench.well_formed(facts)
        if given is None:
            wrong = [fact.name for fact in bench.facts if fact.name not in facts or not fact.accepts(facts[fact.name])]
            extra = [str(name)[:80] for name in facts if name not in bench.names]
            return self._refused(act, facts, _facts_missing(wrong, extra))
        request = {**bench.request, "context": msgspec.json.encode(given).decode()}
        return self._read(act, given, cedarpy.is_authorized(request, bench.policies, bench.entities, bench.schema))

    def invalidate(self) -> None:
        """Forgets every decision (a right, an order or a roster changed)."""
        self._remembered.cache_clear()

    def _decide_key(self, act: str, key: bytes) -> Decision:
        values = marshal.loads(key)  # noqa: S302 — bytes that `decide` wrote itself, never from outside
        return self.decide_cold(act, dict(zip(self._benches[act].names, values, strict=True)))

    def _read(self, act: str, given: dict[str, Value], answer: cedarpy.AuthzResult) -> Decision:
        diagnostics = answer.diagnostics
        ids = diagnostics.id_annotations_by_reason
        matched = (ids[policy] for policy in diagnostics.reasons)
        named = sorted((rule for rule in matched if rule != PERMIT), key=self._order.__getitem__)
        if answer.decision is cedarpy.Decision.Allow and not diagnostics.errors:
            owed = tuple(duty for rule in named for duty in self._owed[rule])
            return Decision(act, True, (), owed, self.book.hash, MappingProxyType(given))
        forbidden = tuple(self._words[rule] for rule in named if rule in self._words)
        reasons = forbidden if forbidden and not diagnostics.errors else (*forbidden, _EVALUATION_ERROR)
        return Decision(act, False, reasons, (), self.book.hash, MappingProxyType(given))

    def _refused(self, act: str, facts: Mapping[str, Value], reason: Reason) -> Decision:
        kept = dict(islice(((str(name)[:80], value) for name, value in facts.items()), REFUSED_FACTS))
        return Decision(act, False, (reason,), (), self.book.hash, MappingProxyType(kept))

    def _compile(self) -> dict[str, _Bench]:
        """One policy set per act; acts of the same groups share a schema, kept small because Cedar's cost grows with it."""
        alike: dict[tuple[str, ...], list[ActLaw]] = {}
        for act in self.acts.values():
            alike.setdefault(act.groups, []).append(act)
        benches: dict[str, _Bench] = {}
        for groups, acts in alike.items():
            lines = [_HEAD, *(f"action {_quoted(group)};" for group in groups), *(self._action(act) for act in acts)]
            schema = _schema("\n".join(lines))
            # The schema gives the entities their action hierarchy; without it no group would contain any act.
            entities = cedarpy.Entities.from_json_str("[]", schema)
            rules = "\n".join(rule.cedar for rule in _applicable(self.book, groups))
            for act in acts:
                names = self._required[act.name]
                facts = tuple(self.book.facts[name] for name in names)
                permit = f'@id("{PERMIT}") permit (principal, action == Action::{_quoted(act.name)}, resource);'
                benches[act.name] = _Bench(
                    names=names,
                    facts=facts,
                    types=tuple(_TYPES[fact.type] for fact in facts),
                    bands=tuple(fact for fact in facts if fact.type != "Bool"),
                    values=_picker(names),
                    request={
                        "principal": {"type": "Actor", "id": "one"},
                        "action": {"type": "Action", "id": act.name},
                        "resource": {"type": "Thing", "id": "one"},
                    },
                    policies=_policies(f"{rules}\n{permit}"),
                    schema=schema,
                    entities=entities,
                )
        return benches

    def _action(self, act: ActLaw) -> str:
        """The act as a Cedar action inside its groups; every fact is a required attribute of its context."""
        groups = ", ".join(f"Action::{_quoted(group)}" for group in act.groups)
        context = ", ".join(f"{name}: {self.book.facts[name].type}" for name in _required(self.book, act.groups))
        inside = f" in [{groups}]" if groups else ""
        scope = f"principal: [Actor], resource: [Thing], context: {{ {context} }}"
        return f"action {_quoted(act.name)}{inside} appliesTo {{ {scope} }};"

    def _validate(self) -> None:
        """Cedar's own type check of every rule in force, for each group alone and for each combination that acts use."""
        rules = list(self.book.rules.values())
        lines = [_HEAD, *(f"action {_quoted(group)};" for group in self.book.groups)]
        alone = [(group,) for group in self.book.groups]
        for number, groups in enumerate(dict.fromkeys([*alone, *(act.groups for act in self.acts.values())])):
            lines.append(self._action(ActLaw(f"check {number}", groups)))
        result = cedarpy.validate_policies("\n".join(rule.cedar for rule in rules), _schema("\n".join(lines)))
        for problem in result.errors:
            digits = problem.policy_id.removeprefix("policy")
            rule = rules[int(digits)] if digits.isdigit() and int(digits) < len(rules) else None
            raise StartupError(
                Text(f"Règle Cedar mal typée : {problem.error}", f"Ill-typed Cedar rule: {problem.error}"),
                file=rule.file if rule else "",
                line=rule.line if rule else None,
            )
        if not result.validation_passed:
            raise StartupError(Text("Les règles Cedar ne sont pas valides.", "The Cedar rules are not valid."))


@lru_cache(maxsize=COMPILED)
def _policies(text: str) -> cedarpy.PolicySet:
    """What a text of rules says does not change: a replay and another day's law compile most of it again."""
    return cedarpy.PolicySet.from_str(text)


@lru_cache(maxsize=COMPILED)
def _schema(text: str) -> cedarpy.Schema:
    """As `_policies`."""
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise StartupError(Text(f"Schéma Cedar incorrect : {error}", f"Wrong Cedar schema: {error}")) from error


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Value]], tuple[Value, ...]]:
    """`itemgetter` gives a tuple only from two names on."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda facts: tuple(facts[name] for name in names)


def _owed(book: LawBook, rule: Rule) -> tuple[Obligation, ...]:
    try:
        return book.obligations(rule.id)
    except NotFound as error:
        raise StartupError(error.what, file=rule.file, line=rule.line) from error


def _required(book: LawBook, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups' facts in the order in which the law declares them."""
    wanted = {fact for group in groups for fact in book.groups[group].facts}
    return tuple(name for name in book.facts if name in wanted)


def _applicable(book: LawBook, groups: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule in book.rules.values() if not set(groups).isdisjoint(rule.groups))


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _kernel_reason(rule: str, fr: str, en: str, remedy_fr: str, remedy_en: str) -> Reason:
    return Reason(
        rule,
        "egide",
        KERNEL_TITLE,
        "RGPD 5(2) ; directive 2016/680, 4(4)",
        fr,
        en,
        remedy_fr,
        remedy_en,
        "administrator",
    )


def _facts_missing(missing: list[str], extra: list[str]) -> Reason:
    fr = f"Des faits manquent ou sont mal formés : {', '.join(missing)}." if missing else ""
    en = f"Facts are missing or ill-formed: {', '.join(missing)}." if missing else ""
    if extra:
        fr = f"{fr} Faits inattendus : {', '.join(extra[:16])}.".strip()
        en = f"{en} Unexpected facts: {', '.join(extra[:16])}.".strip()
    return _kernel_reason(
        "FACTS-MISSING",
        fr,
        en,
        "Signalez-le : le programme doit fournir ces faits.",
        "Report it: the program must supply these facts.",
    )


_EVALUATION_ERROR = _kernel_reason(
    "EVALUATION-ERROR",
    "La règle n’a pas pu être évaluée ; dans le doute, l’acte est refusé.",
    "The rule could not be evaluated; in doubt, the act is refused.",
    "Signalez-le à l’administrateur.",
    "Report it to the administrator.",
)
_UNKNOWN_ACT = _kernel_reason(
    "ACT-UNKNOWN",
    "Cet acte n’est pas déclaré ; aucun droit ne peut l’autoriser.",
    "This act is not declared; no law can allow it.",
    "Signalez-le à l’administrateur.",
    "Report it to the administrator.",
)

__all__ = ["ActLaw", "Decision", "Guard", "Obligation", "Reason"]
