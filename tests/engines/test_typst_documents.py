"""Documents: archival and accessible, in both languages, and nothing that people write acts on them."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import egide
from egide.engines.typst_documents import TypstRenderer
from egide.engines.typst_text import absent_in, clean, clean_text
from egide.kernel.documents import Unwritable
from egide.kernel.errors import TooLarge, Unavailable

FUZZ = int(os.environ.get("EGIDE_FUZZ", "40"))
TEMPLATES = Path(egide.__file__).parent / "services" / "templates"
AT = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
RECEIPT: dict[str, Any] = {
    "title": "Récépissé de dépôt", "number": "7K3M-9QXT-2VWH-4DCE", "service": "Plainte pour vol", "unit": "Commissariat",
    "day": "26 novembre 2026", "received": "à 19 h 00", "ledger": "17", "root": "ab" * 32, "next": ["Un agent la lit."],
    "contact": ["17"], "legal": "Code de procédure pénale, article 15-3", "url": "https://egide.example/verify-receipt#" + "Ab_-" * 70,
}  # fmt: skip
REPORT: dict[str, Any] = {
    "title": "Procès-verbal", "number": "7K3M", "unit": "Commissariat", "officer": "Agent 4711", "began": "19:00",
    "sections": [{"title": "Les faits", "items": [{"question": "Quoi ?", "answer": "Un vélo"}, {"question": "Quand ?", "answer": ""}]}],
    "statement": "Il était attaché.", "incidents": [{"at": "19:10", "text": "Coupure"}], "notice": ["Modèle"], "banner": "EXERCICE",
    "signatures": [{"name": "Agent 4711", "role": "OPJ", "at": "19:31", "how": "Clé de sécurité"}],
}  # fmt: skip
ATTESTATION: dict[str, Any] = {
    "title": "Attestation", "number": "7K3M", "unit": "Commissariat", "paragraphs": ["Nous attestons."],
    "facts": [{"question": "Objet", "answer": "Vélo"}], "legal": "CSI",
}  # fmt: skip
NOTICE: dict[str, Any] = {
    "title": "Avis de contravention", "number": "7K3M", "unit": "Commissariat", "sent": "26/11/2026, 19 h 00", "until": "10/01/2027",
    "sections": [{"title": "L’infraction", "items": [{"question": "Où ?", "answer": "12 rue de la Gare"}]}], "pay": "Payer.",
    "contest": "Contester.", "late": "Trop tard.", "link": "https://egide.example/services/notice", "code": "ABCD-EFGH", "legal": "CPP",
    "way": "https://egide.example/services/notice#7K3M.ABCD-EFGH", "url": "https://egide.example/verify-receipt#" + "Ab_-" * 70,
}  # fmt: skip
EVERY = {"receipt": RECEIPT, "report": REPORT, "attestation": ATTESTATION, "notice": NOTICE}


@pytest.fixture(scope="module")
def renderer() -> Iterator[TypstRenderer]:
    made = TypstRenderer(TEMPLATES)
    yield made
    made.close()


def text(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


def roles(node: Any, found: list[str]) -> list[str]:
    """The structure types in reading order."""
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, dict):
        if "/S" in node:
            found.append(str(node["/S"]))
        roles(node.get("/K", []), found)
    elif isinstance(node, list):
        for each in node:
            roles(each, found)
    return found


def test_the_templates_fetch_nothing() -> None:
    assert {file.stem for file in TEMPLATES.glob("*.typ")} == {"base", *EVERY}
    for file in TEMPLATES.glob("*.typ"):
        source = file.read_text("utf-8")
        assert "@" not in source  # no package
        assert "read(" not in source


@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize("name", list(EVERY))
def test_archival_accessible_and_in_order(renderer: TypstRenderer, name: str, lang: Any) -> None:
    pdf = renderer.render(name, EVERY[name], lang, at=AT)
    root = pypdf.PdfReader(io.BytesIO(pdf)).trailer["/Root"]
    metadata = root["/Metadata"].get_data().decode()
    for claim in ("<pdfaid:part>2<", "<pdfaid:conformance>A<", "<pdfuaid:part>1<"):
        assert claim in metadata
    assert root["/MarkInfo"]["/Marked"]
    assert str(root["/Lang"]).startswith(lang)
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    structure = roles(root["/StructTreeRoot"], [])
    assert structure.count("/H1") == 1
    assert "/L" in structure  # label and value pairs are lists
    assert ("/Figure" in structure) == ("url" in EVERY[name])
    words = text(pdf)
    assert ("Page 1 sur 1" if lang == "fr" else "Page 1 of 1") in words
    assert ("Numéro de dossier" if lang == "fr" else "File number") in words
    assert words.index(EVERY[name]["title"]) < words.index("7K3M", words.index(EVERY[name]["title"]))


def test_a_report_reads_in_its_order(renderer: TypstRenderer) -> None:
    words = text(renderer.render("report", REPORT, "fr", at=AT))
    order = [
        "EXERCICE",
        "Procès-verbal",
        "Les faits",
        "Quoi ?",
        "Un vélo",
        "Quand ?",
        "Sans réponse",
        "Déclaration",
        "attaché",
        "Coupure",
        "OPJ",
    ]
    places = [words.index(each) for each in order]
    assert places == sorted(places)


def test_the_printed_code_is_the_address(renderer: TypstRenderer) -> None:
    words = text(renderer.render("receipt", RECEIPT, "fr", at=AT))
    assert RECEIPT["url"] in "".join(words.split())


def test_same_input_and_time_give_the_same_bytes(renderer: TypstRenderer) -> None:
    one = renderer.render("receipt", RECEIPT, "fr", at=AT)
    renderer.render("report", REPORT, "en", at=AT)
    other = TypstRenderer(TEMPLATES)
    try:
        assert other.render("receipt", RECEIPT, "fr", at=AT) == one
    finally:
        other.close()
    assert renderer.render("receipt", RECEIPT, "fr", at=AT.replace(day=27)) != one


HOSTILE = [
    '#import "/etc/passwd": * #read("/etc/passwd") $x$ *b* _i_ = H - l <label> @ref `raw` \\ // /* [',
    '#panic(sys.inputs) #{ while true {} } #eval("1")',
    "😀 👨\u200d👩\u200d👧 汉字 עברית العربية Привет Ελληνικά",
    "vrai \u202eesrevni\u202c fin \u2066x\u2069",
    "\x00\x01\x1b[31m\x7f\x85\ufffe\ue000\U0010ffff \ud800",
    "a" * 40_000,
    "\n" * 3000,
    "e" + "\u0301" * 500,
    "'\"});",
    "",
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_only_shown(renderer: TypstRenderer, hostile: str) -> None:
    words = text(renderer.render("report", REPORT | {"statement": f"DEBUT {hostile} FIN"}, "fr", at=AT))
    assert "DEBUT" in words
    assert "FIN" in words
    assert "root:" not in words


def test_what_is_shown_for_what_has_no_glyph(renderer: TypstRenderer) -> None:
    shown = "a 😀 b \u202ec\u202c d \x00 e 汉 f العربية g"
    words = text(renderer.render("attestation", ATTESTATION | {"paragraphs": [shown]}, "en", at=AT))
    assert "a [U+1F600] b [U+202E]c[U+202C] d [U+0000] e [U+6C49] f" in words
    assert "العربية" in words


@settings(max_examples=FUZZ, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(max_size=30))
def test_any_text_makes_a_document(renderer: TypstRenderer, one: str, other: str) -> None:
    data = REPORT | {
        "title": one,
        "statement": other,
        "sections": [{"title": other, "items": [{"question": one, "answer": other}]}],
    }
    assert renderer.render("report", data, "fr", at=AT).startswith(b"%PDF-1.7")


@given(st.text())
def test_clean_text_never_runs_off_the_page(given_text: str) -> None:
    cleaned = clean_text(given_text * 3, frozenset())
    assert all(len(run) <= 41 for run in cleaned.replace("\u200b", " ").split())
    assert not set(cleaned) & set("\u202e\x00\x1b\r")


def test_ten_megabytes_are_refused_at_once(renderer: TypstRenderer) -> None:
    start = time.monotonic()
    with pytest.raises(TooLarge, match="too long"):
        renderer.render("report", REPORT | {"statement": "mot " * 2_500_000}, "fr", at=AT)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("name", ["base", "none", "../receipt", "receipt.typ", "", "/etc/passwd", "a" * 99])
def test_only_the_folder_s_templates(renderer: TypstRenderer, name: str) -> None:
    with pytest.raises(Unwritable, match="no template"):
        renderer.render(name, RECEIPT, "fr", at=AT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"statement": object()},
        {"url": "https://é.example"},
        {"url": "x" * 5000},
        {"sections": [{"items": []}]},
        {"notice": [[[[[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]]]]},
    ],
)
def test_data_that_does_not_fit_is_a_sentence(renderer: TypstRenderer, wrong: dict[str, Any]) -> None:
    with pytest.raises(Unwritable, match="cannot be set"):
        renderer.render("report", REPORT | wrong, "fr", at=AT)
    assert renderer.render("report", REPORT, "fr", at=AT)


def test_a_template_that_never_ends_costs_its_process_only(tmp_path: Path) -> None:
    (tmp_path / "long.typ").write_text("#for i in range(99999) { for j in range(99999) { let k = i * j } }\nok")
    (tmp_path / "wide.typ").write_text('#let all = ("x",)\n#for i in range(40) { all = all + all }\n#all.len()')
    (tmp_path / "reads.typ").write_text('#read("../../../../../../etc/passwd")')
    (tmp_path / "well.typ").write_text('#set document(title: "Well")\n#set text(lang: "en")\nWell')
    renderer = TypstRenderer(tmp_path, limit_s=1)
    try:
        with pytest.raises(Unwritable, match="cannot be set"):
            renderer.render("reads", {}, "fr", at=AT)
        for name in ("long", "wide"):
            with pytest.raises(Unavailable, match="within its time and memory"):
                renderer.render(name, {}, "fr", at=AT)
            assert text(renderer.render("well", {}, "en", at=AT)) == "Well"
    finally:
        renderer.close()


def test_a_killed_process_is_started_again(renderer: TypstRenderer) -> None:
    renderer.render("attestation", ATTESTATION, "fr", at=AT)
    assert renderer._child is not None
    renderer._child.kill()
    renderer._child.wait()
    assert renderer.render("attestation", ATTESTATION, "fr", at=AT)


def test_absent_characters_are_read_from_what_typst_says() -> None:
    said = (
        'error: the text `"😀"` could not be displayed with font `"L"`\nthe text `"\\u{0}\\""` could not be displayed'
    )
    assert absent_in(said) == {"😀", "\x00"}
    assert clean({"a": ["😀é", 1, None, True]}, {"😀"}) == {"a": ["[U+1F600]é", 1, None, True]}
