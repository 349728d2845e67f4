"""CAP 1.2: what is read is what is written back; what is wrong is said in plain words; what is hostile ends at once."""

from __future__ import annotations

import os
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols import edxl
from egide.protocols.cap import Alert, Area, CapError, Circle, Info, Pair, Reference, Resource, parse, write
from egide.protocols.cap.codec import (
    CATEGORIES,
    CERTAINTIES,
    KINDS,
    NAMESPACE,
    RESPONSES,
    SCOPES,
    SEVERITIES,
    STATUS,
    URGENCIES,
    node_of,
)
from egide.protocols.safexml import XmlError
from egide.protocols.safexml import parse as parse_xml

FUZZ = int(os.environ.get("EGIDE_FUZZ", "50"))
HEAD = (
    f'<alert xmlns="{NAMESPACE}"><identifier>a1</identifier><sender>s@x</sender><sent>2026-11-26T10:00:00+01:00</sent>'
)
BODY = "<status>Actual</status><msgType>Alert</msgType><scope>Public</scope>"
INFO = "<info><category>Fire</category><event>Feu</event><urgency>Immediate</urgency><severity>Severe</severity><certainty>Observed</certainty>"

name = st.text(string.ascii_letters + string.digits + "-.:@/", min_size=1, max_size=20)
words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff\x85"), max_size=30
).map(str.strip)
needed = words.filter(bool)
moment = st.builds(
    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{:02}:00".format, st.integers(1971, 2099), st.integers(1, 12), st.integers(1, 28), st.integers(0, 23),
    st.integers(0, 59), st.integers(0, 59), st.sampled_from("+-"), st.integers(0, 12),
)  # fmt: skip


def degrees(limit: int) -> st.SearchStrategy[float]:
    return st.integers(-limit * 10**6, limit * 10**6).map(lambda micro: micro / 10**6)


place = st.tuples(degrees(90), degrees(180))
ring = st.lists(place, min_size=3, max_size=6).map(lambda all_: (*all_, all_[0]))
pair = st.builds(Pair, needed, needed)
area = st.builds(
    Area, description=needed, polygons=st.lists(ring, max_size=2).map(tuple), geocodes=st.lists(pair, max_size=2).map(tuple),
    circles=st.lists(st.builds(Circle, degrees(90), degrees(180), st.integers(0, 10**6).map(lambda m: m / 1000)), max_size=2).map(tuple),
    altitude=st.none() | st.integers(-1000, 30000).map(float),
)  # fmt: skip
resource = st.builds(
    Resource,
    description=needed,
    mime=needed,
    size=st.none() | st.integers(0, 10**12),
    uri=words,
    content=words,
    digest=words,
)
info = st.builds(
    Info, categories=st.lists(st.sampled_from(CATEGORIES), min_size=1, max_size=3).map(tuple), event=needed, urgency=st.sampled_from(URGENCIES),
    severity=st.sampled_from(SEVERITIES), certainty=st.sampled_from(CERTAINTIES), language=words, responses=st.lists(st.sampled_from(RESPONSES), max_size=2).map(tuple),
    event_codes=st.lists(pair, max_size=2).map(tuple), effective=st.just("") | moment, expires=st.just("") | moment, headline=words, description=words,
    instruction=words, web=words, parameters=st.lists(pair, max_size=2).map(tuple), resources=st.lists(resource, max_size=2).map(tuple),
    areas=st.lists(area, max_size=2).map(tuple),
)  # fmt: skip
alert = st.builds(
    Alert, identifier=name, sender=name, sent=moment, status=st.sampled_from(STATUS), kind=st.sampled_from(KINDS), scope=st.sampled_from(SCOPES), source=words,
    restriction=needed, addresses=needed, codes=st.lists(needed, max_size=2).map(tuple), note=words, incidents=words,
    references=st.lists(st.builds(Reference, name, name, moment), min_size=1, max_size=2).map(tuple), infos=st.lists(info, max_size=2).map(tuple),
)  # fmt: skip


@settings(max_examples=FUZZ, deadline=None)
@given(alert)
def test_what_is_written_is_read_back(told: Alert) -> None:
    data = write(told)
    assert parse(data) == told
    assert write(parse(data)) == data


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_message_or_a_sentence(data: bytes) -> None:
    with pytest.raises(CapError) as caught:
        parse(data)
    assert all(each.fr and each.en and each.fr != each.en for each in caught.value.problems)


@settings(max_examples=FUZZ, deadline=None)
@given(alert, st.data())
def test_a_damaged_message_is_one_or_a_sentence(told: Alert, data: st.DataObject) -> None:
    whole = bytearray(write(told))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    try:
        read = parse(bytes(whole))
    except CapError as error:
        assert error.problems  # noqa: PT017 — both ways out are right, and this one must say why
    else:
        assert parse(write(read)) == read


def test_a_message_from_outside() -> None:
    """The standard's order is not asked of others; what it does not have is; a signature is passed over."""
    polygon = (
        "<area><areaDesc>Port</areaDesc><polygon>60,24 60,25 61,25 60,24</polygon><circle>60.1,24.9 0.5</circle></area>"
    )
    data = f'{HEAD}{BODY}<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><x/></Signature>{INFO}<language>fr-FR</language>{polygon}</info></alert>'
    told = parse(data.encode())
    (one,) = told.infos
    assert one.areas[0].polygons[0][0] == (60.0, 24.0)
    assert one.areas[0].circles == (Circle(60.1, 24.9, 0.5),)
    assert one.language == "fr-FR"


@pytest.mark.parametrize(
    ("message", "where", "said"),
    [
        (HEAD + "</alert>", "alert/status", "missing"),
        (HEAD.replace("+01:00", "Z") + BODY + "</alert>", "alert/sent", "a date like"),
        (HEAD.replace("-26T", "-31T") + BODY + "</alert>", "alert/sent", "a date like"),
        (HEAD.replace("s@x", "s x") + BODY + "</alert>", "alert/sender", "without spaces"),
        (HEAD + BODY.replace("Public", "Private") + "</alert>", "alert/addresses", "to whom"),
        (HEAD + BODY.replace("Public", "Restricted") + "</alert>", "alert/restriction", "which"),
        (HEAD + BODY.replace(">Alert<", ">Update<") + "</alert>", "alert/references", "which message"),
        (HEAD + BODY.replace("Actual", "Real") + "</alert>", "alert/status", "one of: Actual"),
        (HEAD + BODY + BODY + "</alert>", "alert/status", "Too many"),
        (HEAD + BODY + "<colour>red</colour></alert>", "alert/colour", "no such element"),
        (HEAD + BODY + INFO + "<area><areaDesc>x</areaDesc><polygon>60,24 61,25 60,24</polygon></area></info></alert>", "area/polygon", "closed outline"),
        (HEAD + BODY + INFO + "<area><areaDesc>x</areaDesc><polygon>24,160 25,160 25,161 24,160</polygon></area></info></alert>", "", ""),
        (HEAD + BODY + INFO + "<area><areaDesc>x</areaDesc><circle>160,24 1</circle></area></info></alert>", "area/circle", "latitude first"),
        (HEAD + BODY + INFO + "<area><areaDesc>x</areaDesc><circle>60,24 -1</circle></area></info></alert>", "area/circle", "positive radius"),
        (HEAD + BODY + INFO + "<area><areaDesc>x</areaDesc><circle>60,1e3 1</circle></area></info></alert>", "area/circle", "a number"),
        (HEAD.replace("cap:1.2", "cap:1.1") + BODY + "</alert>", "alert", "ask for version 1.2"),
        ("<html/>", "html", "no CAP message"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_is(message: str, where: str, said: str) -> None:
    if not where:
        assert parse(message.encode())
        return
    with pytest.raises(CapError) as caught:
        parse(message.encode())
    assert any(each.where.endswith(where) and said in each.en for each in caught.value.problems), caught.value.problems


def test_an_envelope_gives_back_what_it_holds() -> None:
    told = Alert(
        identifier="a1", sender="s@x", sent="2026-11-26T10:00:00+01:00", status="Actual", kind="Alert", scope="Public"
    )
    envelope = edxl.Envelope(
        id="d1", sender="salle@egide", sent=told.sent, status="Actual", kind="Report", confidentiality="RESTRICTED", content=node_of(told),
        recipients=(("name", "CODIS 75"),), references=("d0,salle@egide,2026-11-26T09:00:00+01:00",), language="fr-FR",
    )  # fmt: skip
    data = edxl.seal(envelope)
    (inside,) = edxl.contents(data) or []
    assert inside == parse_xml(write(told))
    assert edxl.contents(write(told)) is None
    names = [child.name for child in parse_xml(data).children]
    assert names == [
        "distributionID", "senderID", "dateTimeSent", "distributionStatus", "distributionType", "combinedConfidentiality", "language",
        "distributionReference", "explicitAddress", "contentObject",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="EDXL-DE does not have"):
        edxl.seal(
            edxl.Envelope(
                id="d",
                sender="nobody",
                sent=told.sent,
                status="Actual",
                kind="Report",
                confidentiality="x",
                content=node_of(told),
            )
        )
    with pytest.raises(XmlError):
        edxl.contents(f'<EDXLDistribution xmlns="{edxl.NAMESPACE}"/>'.encode())
