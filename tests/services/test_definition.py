"""A definition that says what cannot be stops the start, with the file and a sentence; a published one is never changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from egide.kernel.errors import StartupError
from egide.services import definition as definitions
from egide.services.definition import Definition, catalogue, fingerprint, load, parse, problems

SMALL = """
id = "small"
version = 1
code = "SM"
title = { fr = "Petit", en = "Small" }
lead = { fr = "Un service.", en = "A service." }
activity = "complaints"
text = "fr/cpp"
article = "15-3"
human = { fr = "Un agent.", en = "An officer." }
lead_time = { fr = "Demain.", en = "Tomorrow." }
initial = "filed"

[channels.remote]
modes = ["form"]
[channels.counter]
modes = ["form"]
[[absent]]
channel = "mobile"
article = "15-3"
say = { fr = "Non.", en = "No." }

[[questions]]
id = "going_on"
kind = "yesno"
label = { fr = "En ce moment ?", en = "Right now?" }
[[questions]]
id = "offence"
kind = "choice"
label = { fr = "Quoi ?", en = "What?" }
options = [{ id = "theft", fr = "Un vol", en = "A theft" }]

[[ways]]
when = [{ field = "going_on", is = ["yes"] }]
to = "emergency"
say = { fr = "Le 17.", en = "Call 17." }

[[steps]]
id = "facts"
title = { fr = "Faits", en = "Facts" }
[[steps.fields]]
id = "account"
kind = "long"
when = [{ field = "offence", is = ["theft"] }]
label = { fr = "Quoi ?", en = "What?" }

[[states]]
id = "filed"
say = { fr = "Déposé", en = "Filed" }
[[states]]
id = "closed"
say = { fr = "Clos", en = "Closed" }
ends = true

[[transitions]]
id = "close"
from = ["filed"]
to = "closed"
roles = ["officer"]
output = "receipt"
say = { fr = "Clore", en = "Close" }

[[outputs]]
id = "receipt"
template = "receipt"
title = { fr = "Reçu", en = "Receipt" }
to = ["holder"]

[[exports]]
target = "investigation"
event = "complaint.filed"
purpose = { fr = "Enquêter", en = "Investigate" }
article = "15-3"
when = [{ field = "offence", is = ["theft"] }]
fields = ["account"]
"""


def small(*changes: tuple[str, str]) -> bytes:
    changed = SMALL
    for old, new in changes:
        assert changed.count(old) == 1, old
        changed = changed.replace(old, new)
    return changed.encode()


def folder(place: Path, *contents: bytes, published: bool = True) -> Path:
    lines = []
    for number, content in enumerate(contents):
        (place / f"{number}.toml").write_bytes(content)
        made = parse(content, "x.toml")
        lines.append(f'{made.id}-{made.version} = "{fingerprint(content)}"\n')
    (place / "published.toml").write_text("".join(dict.fromkeys(lines)) if published else "", "utf-8")
    return place


def test_a_small_definition_is_read_whole() -> None:
    made = parse(small(), "small.toml")
    assert [field.id for field in made.fields] == ["going_on", "offence", "account"]
    assert made.digest == fingerprint(small())
    assert made.field("account").when[0].among == ("theft",)
    assert made.state("closed").ends
    assert made.absence("mobile") is not None
    assert made.absence("counter") is None
    with pytest.raises(KeyError):
        made.field("nothing")
    with pytest.raises(KeyError):
        made.state("nothing")


NOT_READ = [
    (('id = "small"', "id = "), "small.toml"),
    (('kind = "long"', 'kind = "essay"'), "essay"),
    (('text = "fr/cpp"', 'text = "fr/cpp"\ncolour = "red"'), "colour"),
    (('activity = "complaints"\n', ""), "activity"),
    (('modes = ["form"]\n[channels.counter]', 'modes = ["pigeon"]\n[channels.counter]'), "pigeon"),
    (('target = "investigation"', 'target = "insurer"'), "insurer"),
    (('initial = "filed"\n', 'initial = "filed"\n[channels.pigeon]\nmodes = ["form"]\n'), "pigeon"),
]


@pytest.mark.parametrize(("change", "names"), NOT_READ, ids=lambda value: value if isinstance(value, str) else "")
def test_what_has_not_the_form_of_a_definition_stops_the_start(change: tuple[str, str], names: str) -> None:
    with pytest.raises(StartupError) as caught:
        parse(small(change), "small.toml")
    assert names in str(caught.value)
    assert "egide/services/catalogue/small.toml" in str(caught.value)


def test_a_file_that_is_no_text_stops_the_start() -> None:
    with pytest.raises(StartupError):
        parse(b'id = "\xff"', "small.toml")


CANNOT_BE = {
    "a channel is there or absent": (('[channels.counter]\nmodes = ["form"]\n', ""), "channel “counter”: describe it"),
    "a channel is not both": (('channel = "mobile"', 'channel = "counter"'), "channel “counter”: describe it"),
    "a question is asked once": (('id = "account"\nkind', 'id = "offence"\nkind'), "question “offence” asked twice"),
    "a choice has options": (
        ('kind = "yesno"', 'kind = "choices"'),
        "“going_on”: choices, and only they, have options",
    ),
    "nothing else has options": (
        ('kind = "choice"', 'kind = "text"'),
        "“offence”: choices, and only they, have options",
    ),
    "a condition names a question": (
        ('[{ field = "offence", is = ["theft"] }]\nlabel', '[{ field = "offense", is = ["theft"] }]\nlabel'),
        "“offense” does not exist; perhaps “offence”",
    ),
    "a condition looks back": (
        ('kind = "yesno"', 'kind = "yesno"\nwhen = [{ field = "offence", is = ["theft"] }]'),
        "“offence” does not exist",
    ),
    "a condition is an answer": (
        ('is = ["theft"] }]\nlabel', 'is = ["arson"] }]\nlabel'),
        "“account” expects “arson” of “offence”",
    ),
    "yes or no is yes or no": (('is = ["yes"]', 'is = ["true"]'), "“emergency” expects “true” of “going_on”"),
    "a way hangs on the first questions": (
        ('when = [{ field = "going_on"', 'when = [{ field = "account"'),
        "“account” does not exist",
    ),
    "an export names questions": (
        ('fields = ["account"]', 'fields = ["acount"]'),
        "“acount” does not exist; perhaps “account”",
    ),
    "an export's condition too": (
        ('is = ["theft"] }]\nfields', 'is = ["arson"] }]\nfields'),
        "“complaint.filed” expects “arson” of “offence”",
    ),
    "a step comes from a state": (('from = ["filed"]', 'from = ["field"]'), "“field” does not exist; perhaps “filed”"),
    "a step leads to a state": (('to = "closed"', 'to = "close"'), "“close” does not exist; perhaps “closed”"),
    "a document is one of the outputs": (
        ('output = "receipt"', 'output = "recipt"'),
        "“recipt” does not exist; perhaps “receipt”",
    ),
    "the first state is one of them": (('initial = "filed"', 'initial = "field"'), "state “filed” is never reached"),
    "every state is reached": (
        (
            "[[transitions]]",
            '[[states]]\nid = "lost"\nsay = { fr = "Perdu", en = "Lost" }\nends = true\n\n[[transitions]]',
        ),
        "state “lost” is never reached",
    ),
    "an end leads nowhere": (
        ('say = { fr = "Déposé", en = "Filed" }', 'say = { fr = "Déposé", en = "Filed" }\nends = true'),
        "“filed”: an end, and only an end, leads nowhere",
    ),
    "what is no end leads on": (("ends = true\n", ""), "“closed”: an end, and only an end, leads nowhere"),
}


@pytest.mark.parametrize("case", CANNOT_BE)
def test_what_cannot_be_stops_the_start_with_its_sentence(case: str) -> None:
    change, sentence = CANNOT_BE[case]
    with pytest.raises(StartupError) as caught:
        parse(small(change), "small.toml")
    assert sentence in str(caught.value)


def test_a_service_has_a_bounded_number_of_questions() -> None:
    many = "".join(
        f'[[steps.fields]]\nid = "f{n}"\nkind = "text"\nlabel = {{ fr = "Q", en = "Q" }}\n'
        for n in range(definitions.MAX_FIELDS)
    )
    with pytest.raises(StartupError, match=f"more than {definitions.MAX_FIELDS} questions"):
        parse(small(('[[states]]\nid = "filed"', many + '[[states]]\nid = "filed"')), "small.toml")


def test_a_service_is_never_online_only() -> None:
    content = small(('[channels.counter]\nmodes = ["form"]\n', ""))
    made = definitions.msgspec.convert(definitions.tomllib.loads(content.decode()), Definition)
    assert "a service without a counter or an officer" in [problem.en for problem in problems(made)]


def test_every_problem_is_said_in_both_languages() -> None:
    for change, _ in CANNOT_BE.values():
        made = definitions.msgspec.convert(definitions.tomllib.loads(small(change).decode()), Definition)
        found = list(problems(made))
        assert found
        assert all(problem.fr and problem.en and problem.fr != problem.en for problem in found)


def test_a_published_version_that_is_changed_stops_the_start(tmp_path: Path) -> None:
    place = folder(tmp_path, small())
    assert load(place).find("small") is not None
    (place / "0.toml").write_bytes(small(("Un service.", "Un service !")))
    with pytest.raises(StartupError, match="published otherwise"):
        load(place)


def test_a_version_that_is_not_published_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="published otherwise"):
        load(folder(tmp_path, small(), published=False))


def test_two_files_for_one_version_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="two files for one version"):
        load(folder(tmp_path, small(), small()))


def test_the_newest_version_is_current_and_the_old_one_is_still_found(tmp_path: Path) -> None:
    first, second = small(), small(("version = 1", "version = 2"), ("Un service.", "Mieux."))
    loaded = load(folder(tmp_path, second, first))
    assert [one.version for one in loaded.current()] == [2]
    old, new = loaded.find("small", 1), loaded.find("small")
    assert old is not None
    assert new is not None
    assert (old.lead.fr, new.lead.fr) == ("Un service.", "Mieux.")
    assert loaded.find("small", 3) is None
    assert loaded.find("other") is None
    assert len({old, new}) == 2  # one schema each, however they are cached


def test_the_same_name_is_the_same_question_everywhere(tmp_path: Path) -> None:
    other = small(
        ('id = "small"', 'id = "other"'),
        (
            '{ id = "theft", fr = "Un vol", en = "A theft" }]',
            '{ id = "theft", fr = "Un vol", en = "A theft" }, { id = "fire", fr = "Un feu", en = "A fire" }]',
        ),
    )
    with pytest.raises(StartupError, match="“offence” is not the question of small"):
        load(folder(tmp_path, small(), other))


def test_what_is_shipped_loads() -> None:
    assert {one.id for one in catalogue().current()} >= {"theft", "hearing", "voting-proxy"}
