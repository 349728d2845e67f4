"""Reading the law: every fault of a pack stops the start with its file, line and the name probably meant; dates count in days."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel.duration import is_duration
from egide.kernel.errors import NotFound, StartupError, Text
from egide.kernel.guard import ActLaw, Guard
from egide.kernel.law import PACKS, LawBook, add_duration
from egide.kernel.packs import split_policies

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")

JURISDICTION = 'title = { fr = "Essai", en = "Trial" }\ntime_zone = "Europe/Paris"\n'
TEXT = """id = "zz/trial"
title = { fr = "Loi d’essai", en = "Trial act" }
reference = "Act 1"
authority = { fr = "Autorité", en = "Authority" }
valid_from = 2020-01-01
version = "read 2026-11-23"

[aliases."7"]
article = "L700"
valid_from = 2025-01-01

[facts.audio_track]
type = "Bool"
provider = "act"
lawful = false
prohibiting = true
doc = { fr = "Il y a du son.", en = "There is sound." }

[facts.band]
type = "String"
provider = "kernel"
lawful = "low"
values = ["low", "high"]
doc = { fr = "Le niveau.", en = "The level." }

[groups.camera]
doc = { fr = "Caméras.", en = "Cameras." }
facts = ["audio_track", "band"]
"""
RULES = """// A comment; with a semicolon and a "quote.
@id("T-1")
@article("7")
@fr("Le son est interdit ; oui.")
@en("Sound is forbidden.")
@remedy_fr("Coupez le son.")
@remedy_en("Cut the sound.")
@ask("nobody")
@evidence("seen")
forbid (principal, action in Action::"camera", resource)
when { context.audio_track };

@id("T-2")
@article("8")
@fr("Le scellé dure.")
@en("The seal lasts.")
@evidence("seen")
@oblige("seal: end {trial.seal}")
permit (principal, action in Action::"camera", resource)
when { context.band == "low" };
"""
PARAMETERS = """[seal]
doc = { fr = "Scellé", en = "Seal" }
[[seal.values]]
value = "P7D"
source = "Act 1, 8"
evidence = "seen"
[[seal.values]]
value = "P5D"
source = "Act 2, 1"
evidence = "seen"
valid_from = 2027-01-01

[cap]
doc = { fr = "Plafond", en = "Cap" }
[[cap.values]]
value = 3
source = "Act 1, 9"
evidence = "seen"
valid_to = 2026-12-31
"""
CASES = """[[case]]
rule = "T-1"
name = "sound"
groups = ["camera"]
facts = { audio_track = true }
expect = "refuse"

[[case]]
rule = "T-1"
name = "silence"
groups = ["camera"]
expect = "allow"

[[case]]
rule = "T-2"
name = "sealed"
groups = ["camera"]
expect = "oblige"
"""
FILES = {"text.toml": TEXT, "rules.cedar": RULES, "parameters.toml": PARAMETERS, "cases.toml": CASES}


def write(root: Path, **changed: str) -> Path:
    folder = root / "zz" / "trial"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "zz" / "jurisdiction.toml").write_text(changed.pop("jurisdiction", JURISDICTION), "utf-8")
    for name, text in FILES.items():
        (folder / name).write_text(changed.get(name.partition(".")[0], text), "utf-8")
    return root


def load(root: Path, at: datetime = NOW, **changed: str) -> LawBook:
    return LawBook.load(write(root, **changed), "zz", at)


def line(text: str, needle: str) -> int:
    return text[: text.index(needle)].count("\n") + 1


def test_another_country_is_a_folder_and_no_code(tmp_path):
    book = load(tmp_path)
    assert list(book.rules) == ["T-1", "T-2"]
    assert book.texts["zz/trial"].title.en == "Trial act"
    assert book.rules["T-1"].file == "zz/trial/rules.cedar"
    assert book.rules["T-1"].line == 2
    assert book.rules["T-2"].line == line(RULES, '@id("T-2")')
    decision = Guard(book, {"a.b": ActLaw("a.b", ("camera",))}).decide("a.b", {"audio_track": True, "band": "low"})
    assert [reason.rule for reason in decision.reasons] == ["T-1"]


BROKEN = {
    "bad TOML": ("text", TEXT, 'provider = "kernel"', "provider = kernel", 'provider = "kernel"', None),
    "unknown key of a fact": ("text", TEXT, "prohibiting = true", "prohibitting = true", "prohibiting", "prohibiting"),
    "unknown key of the head": ("text", TEXT, 'version = "', 'versoin = "', 'version = "', "version"),
    "a fact without words": ("text", TEXT, 'doc = { fr = "Le niveau.", en = "The level." }', "", "[facts.band]", None),
    "a lawful value outside its band": ("text", TEXT, 'lawful = "low"', 'lawful = "lo"', "[facts.band]", None),
    "a prohibition that is lawful": ("text", TEXT, "lawful = false", "lawful = true", "[facts.audio_track]", None),
    "a group of an unknown fact": ("text", TEXT, '["audio_track"', '["audio_trak"', 'facts = ["audio', "audio_track"),
    "the wrong id": ("text", TEXT, 'id = "zz/trial"', 'id = "zz/trail"', "id =", None),
    "unknown fact in a rule": (
        "rules",
        RULES,
        "context.audio_track",
        "context.adio_track",
        "when { context.a",
        "audio_track",
    ),
    "unknown value of a band": ("rules", RULES, '== "low"', '== "lwo"', 'context.band == "', "low"),
    "unknown group": ("rules", RULES, 'Action::"camera"', 'Action::"camra"', "forbid (", "camera"),
    "missing annotation": ("rules", RULES, '@remedy_en("Cut the sound.")\n', "", '@id("T-1")', None),
    "empty annotation": ("rules", RULES, '@remedy_en("Cut the sound.")', '@remedy_en("")', '@id("T-1")', None),
    "unknown annotation": (
        "rules",
        RULES,
        '@ask("nobody")',
        '@ask("nobody")\n@remdy_fr("x")',
        "@evidence",
        "remedy_fr",
    ),
    "unknown judge to ask": ("rules", RULES, '@ask("nobody")', '@ask("prefct")', "@ask(", "prefect"),
    "unknown evidence": (
        "rules",
        RULES,
        '@evidence("seen")\nforbid',
        '@evidence("sen")\nforbid',
        '@evidence("seen")',
        "seen",
    ),
    "duplicate id": ("rules", RULES, '@id("T-2")', '@id("T-1")', '@id("T-2")', None),
    "bad Cedar": ("rules", RULES, "when { context.audio_track };", "when { context. };", '@id("T-1")', None),
    "a stanza without its end": ("rules", RULES, 'when { context.band == "low" };', "when {", '@id("T-2")', None),
    "a rule without a group": (
        "rules",
        RULES,
        'action in Action::"camera", resource)\nwhen { context.a',
        "action, resource)\nwhen { context.a",
        '@id("T-1")',
        None,
    ),
    "optional facts": ("rules", RULES, "context.audio_track }", "context has audio_track }", '@id("T-1")', None),
    "a rule about persons": ("rules", RULES, "context.audio_track }", "principal == principal }", '@id("T-1")', None),
    "unknown parameter": ("rules", RULES, "{trial.seal}", "{trial.seel}", "@oblige", "trial.seal"),
    "bad date": ("rules", RULES, '@ask("nobody")', '@ask("nobody") @valid_to("soon")', "@ask(", None),
    "unknown replacement": (
        "rules",
        RULES,
        '@ask("nobody")',
        '@ask("nobody") @replaced_by("T-9")',
        '@id("T-1")',
        "T-2",
    ),
    "missing source": ("parameters", PARAMETERS, 'source = "Act 2, 1"\n', "", '[[seal.values]]\nvalue = "P5D"', None),
    "empty source": ("parameters", PARAMETERS, '"Act 2, 1"', '""', 'source = "Act 2, 1"', None),
    "bad duration": ("parameters", PARAMETERS, '"P5D"', '"P5"', 'value = "P5D"', None),
    "a parameter without values": ("parameters", PARAMETERS, "[[cap.values]]", "[[cap.value]]", "[cap]", None),
    "no allow case": ("cases", CASES, 'expect = "allow"', 'expect = "refuse"', None, None),
    "no deny case": ("cases", CASES, 'expect = "refuse"', 'expect = "allow"', None, None),
    "no oblige case": ("cases", CASES, 'expect = "oblige"', 'expect = "allow"', None, None),
    "a case of an unknown rule": ("cases", CASES, 'rule = "T-2"', 'rule = "T-3"', '\n[[case]]\nrule = "T-2"', "T-2"),
    "a case with an unknown fact": ("cases", CASES, "audio_track", "audio_trak", "facts =", "audio_track"),
    "a case with a bad value": ("cases", CASES, "audio_track = true", 'audio_track = "yes"', "facts =", None),
    "a case with an unknown group": ("cases", CASES, '["camera"]\nfacts', '["camra"]\nfacts', "groups", "camera"),
    "an unknown expectation": ("cases", CASES, 'expect = "oblige"', 'expect = "obleige"', 'expect = "oblige"', None),
    "another table among the cases": (
        "cases",
        CASES,
        '[[case]]\nrule = "T-2"',
        '[[caes]]\nrule = "T-2"',
        '[[case]]\nrule = "T-2"',
        "case",
    ),
}


@pytest.mark.parametrize(("name", "whole", "old", "new", "where", "meant"), BROKEN.values(), ids=BROKEN)
def test_a_broken_pack_does_not_start(name, whole, old, new, where, meant, tmp_path):
    assert whole.count(old) >= 1
    with pytest.raises(StartupError) as caught:
        load(tmp_path, **{name: whole.replace(old, new, 1)})
    error = caught.value
    if where is None:  # unproved: the rule is named, in the file where it stands
        assert error.file == "zz/trial/rules.cedar"
        assert error.line in {line(RULES, '@id("T-1")'), line(RULES, '@id("T-2")')}
        assert "cases.toml" in error.what.en
    else:
        assert error.file == f"zz/trial/{name}.{'cedar' if name == 'rules' else 'toml'}"
        wanted = line(whole, where.lstrip("\n")) if not where.startswith("\n") else line(whole, where) + 1
        assert error.line is not None
        assert abs(error.line - wanted) <= 1
    assert error.suggestion == meant
    assert error.what.fr
    assert error.what.en


def test_a_missing_file_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "zz" / "trial" / "cases.toml").unlink()
    with pytest.raises(StartupError) as caught:
        LawBook.load(tmp_path, "zz", NOW)
    assert caught.value.file == "zz/trial/cases.toml"


@pytest.mark.parametrize("name", ["fx", "..", "", "FR", "fr/lil"])
def test_an_unknown_jurisdiction_is_named(name):
    with pytest.raises(StartupError):
        LawBook.load(PACKS, name, NOW)
    with pytest.raises(StartupError) as caught:
        LawBook.load(PACKS, "fr_", NOW)
    assert caught.value.suggestion == "fr"


def test_jurisdictions_may_not_include_one_another_in_a_ring(tmp_path):
    with pytest.raises(StartupError):
        load(tmp_path, jurisdiction=JURISDICTION + 'includes = ["zz"]\n')


def test_an_unknown_time_zone_is_named(tmp_path):
    with pytest.raises(StartupError) as caught:
        load(tmp_path, jurisdiction=JURISDICTION.replace("Europe/Paris", "Europe/Pariis"))
    assert (caught.value.file, caught.value.line) == ("zz/jurisdiction.toml", 2)


def test_the_same_fact_twice_is_an_error_even_when_identical(tmp_path):
    write(tmp_path)
    other = tmp_path / "zz" / "urban"
    other.mkdir()
    for name, text in FILES.items():
        (other / name).write_text(text.replace("zz/trial", "zz/urban"), "utf-8")
    with pytest.raises(StartupError) as caught:
        LawBook.load(tmp_path, "zz", NOW)
    assert (caught.value.file, caught.value.line) == ("zz/urban/text.toml", line(TEXT, "[facts.audio_track]"))
    assert "zz/trial" in caught.value.what.en


def test_comments_and_layout_do_not_change_the_hash_but_words_and_numbers_do(tmp_path):
    first = load(tmp_path).hash
    assert load(tmp_path, rules="// more\n\n" + RULES, cases=CASES + "\n# more\n").hash == first
    changed = [
        load(tmp_path, rules=RULES.replace("Cut the sound", "Mute the sound")).hash,
        load(tmp_path, rules=RULES.replace('"low"', '"high"')).hash,
        load(tmp_path, parameters=PARAMETERS.replace("P7D", "P8D")).hash,
        load(tmp_path, text=TEXT.replace('reference = "Act 1"', 'reference = "Act 2"')).hash,
        load(tmp_path, at=datetime(2019, 1, 1, tzinfo=UTC)).hash,
    ]
    assert len({first, *changed}) == len(changed) + 1
    assert len(first) == 64


# ---- time -----------------------------------------------------------------------------------------------------------


def test_a_rule_begins_at_midnight_of_the_jurisdiction():
    midnight = datetime(2026, 12, 2, tzinfo=PARIS)
    assert "AIA-5-nudif" not in LawBook.load(PACKS, "fr", midnight - timedelta(seconds=1)).rules
    book = LawBook.load(PACKS, "fr", midnight)
    assert "AIA-5-nudif" in book.rules
    assert LawBook.load(PACKS, "fr", NOW).next_change() == midnight
    assert book.next_change() is None


def test_a_lapsed_rule_stays_until_its_replacement_is_in_force(tmp_path):
    lapsed = RULES.replace('@ask("nobody")', '@ask("nobody")\n@valid_to("2026-06-30")')
    assert "T-1" in load(tmp_path, rules=lapsed).rules
    new = lapsed[lapsed.index('@id("T-1")') : lapsed.index('@id("T-2")')].replace("T-1", "T-3")
    new = new.replace('@valid_to("2026-06-30")', '@valid_from("2026-12-01")')
    replaced = lapsed.replace('2026-06-30")', '2026-06-30")\n@replaced_by("T-3")') + new
    cases = CASES + CASES[: CASES.index('[[case]]\nrule = "T-2"')].replace("T-1", "T-3")
    assert set(load(tmp_path, rules=replaced, cases=cases).rules) == {"T-1", "T-2"}
    later = load(tmp_path, rules=replaced, cases=cases, at=datetime(2026, 12, 1, tzinfo=PARIS))
    assert set(later.rules) == {"T-3", "T-2"}
    assert set(later.all_rules) == {"T-1", "T-2", "T-3"}


def test_a_text_is_in_force_on_its_first_and_last_day(tmp_path):
    text = load(tmp_path, text=TEXT.replace('version = "', 'valid_to = 2027-12-31\nversion = "')).texts["zz/trial"]
    assert not text.in_force("2019-12-31")
    assert text.in_force("2020-01-01")
    assert text.in_force(date(2027, 12, 31))
    assert text.in_force(datetime(2027, 12, 31, 22, 59, 59, tzinfo=UTC))
    assert not text.in_force(datetime(2027, 12, 31, 23, 0, 0, tzinfo=UTC))  # midnight in Paris
    assert not text.in_force("2028-01-01T00:00:00Z")


def test_parameters_are_dated_and_sourced(tmp_path):
    book = load(tmp_path)
    assert book.parameter("trial.seal") == book.parameter("zz/trial.seal") == "P7D"
    assert book.duration("trial.seal", datetime(2027, 1, 1, tzinfo=PARIS)) == "P5D"
    assert book.duration("trial.seal", datetime(2027, 1, 1, tzinfo=PARIS) - timedelta(seconds=1)) == "P7D"
    assert book.dated("trial.seal").source == "Act 1, 8"
    assert book.count("trial.cap") == 3
    for name, at in (("trial.cap", datetime(2027, 1, 1, tzinfo=PARIS)), ("trial.sael", NOW)):
        with pytest.raises(NotFound):
            book.parameter(name, at)
    for wrong in (lambda: book.count("trial.seal"), lambda: book.duration("trial.cap")):
        with pytest.raises(NotFound):
            wrong()


def test_renumbered_articles_are_cited_by_their_number_of_the_day(tmp_path):
    assert load(tmp_path).cite("T-1").article == "L700"
    assert load(tmp_path, at=datetime(2024, 12, 31, tzinfo=UTC)).cite("T-1").article == "7"
    book = LawBook.load(PACKS, "fr", NOW)
    assert book.article("fr/lil 26") == "31"
    assert book.article("eu/gdpr 22") == "22"
    assert book.article("CPP 40") == "CPP 40"


def test_a_legal_basis_is_told_by_its_title_and_the_articles_of_the_day():
    book = LawBook.load(PACKS, "fr", NOW)
    assert book.in_words("fr/crpa", "L112-8") == Text(
        "Code des relations entre le public et l’administration, article L112-8",
        "Code of relations between the public and the administration, article L112-8",
    )
    assert book.in_words("fr/cpp", "15-3, 40").fr.endswith(", articles 15-3, 40")
    assert book.in_words("fr/lil", "26, 104").fr.endswith(", articles 31, 104"), "each as numbered today"
    assert book.in_words("zz/none", "1").fr == "zz/none, article 1"


def test_a_rule_that_is_not_there_is_not_cited():
    book = LawBook.load(PACKS, "fr", NOW)
    with pytest.raises(NotFound):
        book.cite("NO-SUCH-RULE")


def test_the_numbers_of_the_statute():
    book = LawBook.load(PACKS, "fr", NOW)
    wanted = {
        "csi-l242.order_max": "P3M",
        "csi-l242.recording_seal": "P7D",
        "csi-l242.home_interior": "PT48H",
        "csi-l242.log_retention": "P3Y",
        "csi-l242.civil_security_log": "P6M",
        "gdpr.breach_notice": "PT72H",
        "gdpr.rights_answer": "P1M",
    }
    assert {name: book.duration(name) for name in wanted} == wanted
    codes = [purpose["code"] for purpose in book.parameter("csi-l242.purposes")]
    assert [*codes, "other"] == list(book.facts["aerial_purpose"].values)
    services = {service for purpose in book.parameter("csi-l242.purposes") for service in purpose["services"]}
    assert services < set(book.facts["service"].values)
    assert not {"municipal", "fire"} & services


# ---- durations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        ("2026-01-15T10:00:00", "P3M", "2026-04-15T10:00:00"),
        ("2026-01-31T10:00:00", "P1M", "2026-02-28T10:00:00"),
        ("2028-01-31T10:00:00", "P1M", "2028-02-29T10:00:00"),
        ("2026-11-30T10:00:00", "P3M", "2027-02-28T10:00:00"),
        ("2024-02-29T00:00:00", "P1Y", "2025-02-28T00:00:00"),
        ("2026-12-31T23:59:59", "P1D", "2027-01-01T23:59:59"),
        ("2026-01-01T00:00:00", "P1W", "2026-01-08T00:00:00"),
        ("2026-01-01T00:00:00", "PT48H", "2026-01-03T00:00:00"),
        ("2026-01-01T00:00:00", "P1Y2M3DT4H5M6S", "2027-03-04T04:05:06"),
    ],
)
def test_durations_are_of_the_calendar(start, duration, end):
    assert add_duration(datetime.fromisoformat(start).replace(tzinfo=UTC), duration).isoformat() == end + "+00:00"


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_three_months_to_the_second(seconds):
    starts = datetime(2026, 11, 30, 8, tzinfo=PARIS)
    ends = datetime(2027, 2, 28, 8, tzinfo=PARIS) + timedelta(seconds=seconds)
    maximum = LawBook.load(PACKS, "fr", NOW).duration("csi-l242.order_max")
    assert (ends <= add_duration(starts, maximum)) == (seconds <= 0)


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_seven_days_and_48_hours_to_the_second(seconds):
    landed = datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
    assert (landed + timedelta(days=7, seconds=seconds) < add_duration(landed, "P7D")) == (seconds < 0)
    assert (landed + timedelta(hours=48, seconds=seconds) < add_duration(landed, "PT48H")) == (seconds < 0)


def test_days_keep_the_wall_clock_and_hours_are_elapsed_over_a_change_of_time():
    eve = datetime(2027, 3, 27, 12, tzinfo=PARIS)  # clocks go forward on the night of the 28th
    assert add_duration(eve, "P1D") == datetime(2027, 3, 28, 12, tzinfo=PARIS)
    assert add_duration(eve, "PT24H") == datetime(2027, 3, 28, 13, tzinfo=PARIS)


@pytest.mark.parametrize("text", ["", "P", "PT", "3M", "P3", "P1.5M", "-P1D", "P1M2Y", "P1DT", "P٣M", "P3M\n"])
def test_what_is_no_duration(text):
    assert not is_duration(text)
    with pytest.raises(ValueError, match="not an ISO 8601 duration"):
        add_duration(NOW, text)


def test_past_the_end_of_the_calendar():
    with pytest.raises(OverflowError):
        add_duration(NOW, "P9000Y")


@FUZZ
@given(
    start=st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    months=st.integers(0, 240),
)
def test_months_never_spill_into_the_next(start, months):
    end = add_duration(start, f"P{months}M")
    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == months
    assert end.day <= start.day


@FUZZ
@given(text=st.text())
def test_any_text_is_a_duration_or_a_value_error(text):
    try:
        add_duration(NOW, text)
    except (ValueError, OverflowError):
        return
    assert is_duration(text)


# ---- the stanza splitter --------------------------------------------------------------------------------------------


@FUZZ
@given(
    st.lists(
        st.sampled_from(
            ["permit(a, b, c);", '@fr("a; \\" // b")\nforbid (x)\nwhen { y };', 'a "é;" b;', "x // no; end\n;"]
        ),
        max_size=6,
    ),
    st.sampled_from(["", "\n", '// c; "d\n', "  \n\n"]),
)
def test_stanzas_come_apart_as_they_were_written(stanzas, between):
    text = between + between.join(stanza + "\n" for stanza in stanzas)
    found = list(split_policies(text))
    assert [stanza for _, stanza in found] == stanzas
    for number, stanza in found:
        assert "\n".join(text.split("\n")[number - 1 :]).lstrip().startswith(stanza)


@FUZZ
@given(st.text(alphabet='a;"\\/\n @', max_size=60))
def test_any_text_comes_apart_without_loss_of_lines(text):
    for number, stanza in split_policies(text):
        assert 1 <= number <= text.count("\n") + 1
        assert stanza in text
