"""The services' loads do what their rows say: a complaint is filed, its pages are walked, the peer does the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from egide.bench import services, services_outbox, services_pages
from egide.bench.identified import platform
from egide.bench.measure import Bench, BenchError, peer
from egide.bench.platform import Caller, Platform
from egide.bench.residents import Acts, Browser
from egide.bench.services import Loaded
from egide.bench.ways import Answer, asked, paced, throng

PEOPLE = 2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Loaded]]:
    with platform(tmp_path_factory.mktemp("services") / "data", PEOPLE) as (one, people):
        yield one, Loaded(Acts(one.port, one.origin), one.port, one.cpu_s, people)


def test_a_complaint_filed_over_http_is_on_the_desk(served: tuple[Platform, Loaded]) -> None:
    one, loaded = served
    officer = Caller(one, "officer")
    before = len(officer.act("services.desk.queue")["files"])
    answered = throng(one.port, itertools.islice(loaded.whole(), 3), 30, connections=2)
    assert answered.count == len(answered.latencies) == 3
    assert paced(one.port, loaded.whole(), 10, 0.2).count == 2
    assert len(officer.act("services.desk.queue")["files"]) == before + 5


def test_a_figure_counts_what_was_done_after_the_warm_up(served: tuple[Platform, Loaded]) -> None:
    _, loaded = served
    drafts = loaded.drafts(3)
    assert len(set(drafts)) == 3
    # Enough of them for the kernel's clock, which tells CPU time by the hundredth of a second.
    found = loaded.measured((itertools.islice(loaded.pages(drafts), 100) for _ in range(3)), 30)
    assert found.done == 200
    assert len(found.each) == len(found.walls) == 2
    assert found.used_s > 0


def test_an_answer_that_is_an_error_ends_the_measure(served: tuple[Platform, Loaded]) -> None:
    one, loaded = served
    with pytest.raises(BenchError, match="404"):
        throng(one.port, iter([loaded.ways.file("nobody.nothing", loaded.people[0])]), 10, connections=1)


def test_what_a_terminal_brings_is_recorded(
    served: tuple[Platform, Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    one, _ = served
    monkeypatch.setattr(services_outbox, "BATCH", 3)
    monkeypatch.setattr(services_outbox, "BATCHES", 2)
    officer = Caller(one, "officer")
    before = len(officer.act("services.desk.queue")["files"])
    acts = Acts(one.port, one.origin, officer.cookie)
    assert throng(one.port, iter([services_outbox.brought(acts)]), 30, connections=1).count == 1
    assert len(officer.act("services.desk.queue")["files"]) == before + 6


def test_the_way_over_the_pages_ends_in_a_file(served: tuple[Platform, Loaded]) -> None:
    one, loaded = served
    seen: dict[str, Answer] = {}
    browser = Browser(one.port, one.origin, loaded.people[0], lambda path, answer: seen.update({path: answer}))
    assert throng(one.port, iter([browser.walk()]), 30, connections=1).count == 1
    assert list(seen) == [
        "/services", "/services/theft", "/services/theft/facts", "/services/theft/things", "/services/theft/you", "/services/theft/check",
        "/services/file",
    ]  # fmt: skip
    assert "PL-" in seen["/services/file"].body.decode()


def test_a_way_that_ends_without_a_file_is_told(served: tuple[Platform, Loaded]) -> None:
    one, loaded = served
    walk = Browser(one.port, one.origin, loaded.people[0]).walk()
    next(walk)
    answers = itertools.repeat(Answer(200, b"HTTP/1.1 200 OK", b"<p>Ici rien"))
    with pytest.raises(BenchError, match="not filed: 200 Ici rien"):
        list(map(walk.send, answers))


def test_what_is_asked_and_what_pages_weigh(
    served: tuple[Platform, Loaded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services_pages, "govuk", lambda _folder: None)
    bench = Bench(True, tmp_path, lambda _words: None)
    services_pages.walked(bench, served[0], served[1].people[0])
    rows = {each.name: each for each in bench.rows}
    assert {name: rows[name].met for name in ("theft_fields", "theft_pages", "report_actions", "resident_page_kb")} == {
        "theft_fields": True, "theft_pages": True, "report_actions": True, "resident_page_kb": True,
    }  # fmt: skip
    assert rows["resident_page_kb"].peer == "govuk-frontend: absent"


def test_a_page_weighs_what_it_loads() -> None:
    icon = (services_pages.STATIC / "favicon.svg").read_bytes()
    assert services_pages.loaded('<link rel="icon" href="/favicon.svg"><img src="/nothing.png">') == [icon]
    assert services_pages.packed([b"a" * 1000]) < 100
    script = next((services_pages.STATIC / "assets").glob("upload-page-*.js"))
    assert len(services_pages.loaded(f'<script type="module" src="/assets/{script.name}"></script>')) > 1


def test_the_limit_is_measured(tmp_path: Path) -> None:
    found = peer("rows", "filing", str(tmp_path), "0.3", "16", "400", "700", "700")
    assert found is not None
    assert found["per_s"] > 100


def test_the_peer_files_the_same_complaint(tmp_path: Path) -> None:
    with services.django(tmp_path / "django") as theirs:
        assert (theirs is not None) == (find_spec("django") is not None and find_spec("gunicorn") is not None)
        if theirs is None:
            return
        assert throng(theirs.port, itertools.islice(theirs.whole(), 3), 30, connections=1).count == 3
        (draft,) = theirs.drafts(1)
        pages: list[bytes] = []

        def look():
            answer = yield asked("GET", "/services/theft/facts", {"host": f"localhost:{theirs.port}", "cookie": draft})
            pages.append(answer.body)

        assert throng(theirs.port, iter([look()]), 10, connections=1).count == 1
        assert "12 rue de la Gare" in pages[0].decode()

        def forged():
            yield asked("POST", "/services/theft/check", {"host": f"localhost:{theirs.port}", "cookie": draft})

        with pytest.raises(BenchError, match="403"):  # without the token of its own form
            throng(theirs.port, iter([forged()]), 10, connections=1)
