"""Passive authentication: a right document is proved, and each way of being wrong is found under its own name."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from egide.exercise.csca import Authority, Key, Kind
from egide.exercise.travel_document import ERIKA, files
from egide.protocols import mrz
from egide.protocols.emrtd.lds import written_zone
from egide.protocols.emrtd.passive import QUESTIONS, Limits, authenticate
from egide.protocols.emrtd.trust import Trust
from tests.protocols.emrtd.conftest import JPEG, NOW, Utopia

DAY_S = 86400
KINDS: tuple[Kind, ...] = (
    "P-256", "P-384", "P-521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "rsa-pkcs1", "rsa-pss",
)  # fmt: skip


def test_a_right_document_is_proved_question_by_question(utopia: Utopia) -> None:
    found = authenticate(utopia.document(), utopia.trust, NOW)
    assert [each.state for each in found.findings] == ["ok"] * len(QUESTIONS)
    assert found.verdict == "proved"
    assert found.zone is not None
    assert found.zone.number == ERIKA.number
    assert len(found.digest) == 32


@pytest.mark.parametrize("kind", KINDS)
def test_every_accepted_kind_of_key_is_proved(kind: Kind, trusting: Any) -> None:
    authority = Authority(NOW, kind)
    found = authenticate(files(authority.signer(), NOW, JPEG), trusting(authority), NOW)
    assert found.verdict == "proved", found.failed


def test_a_curve_that_is_spelt_out_is_recognised(utopia: Utopia) -> None:
    signer = utopia.authority.signer(kind="brainpoolP256r1", explicit=True)
    found = authenticate(utopia.document(signer=signer), utopia.trust, NOW)
    assert found.verdict == "proved"
    assert found.of("algorithms").why == "a curve spelt out"


@pytest.mark.parametrize(
    ("fault", "questions"),
    [
        ("altered-name", {"hashes"}),
        ("altered-portrait", {"hashes"}),
        ("wrong-hash", {"hashes"}),
        ("missing-hash", {"hashes", "required", "common"}),
        ("broken-signature", {"signature"}),
        ("bomb", {"hashes"}),
    ],
)
def test_what_was_altered_is_found(fault: Any, questions: set[str], utopia: Utopia) -> None:
    found = authenticate(utopia.document(fault=fault), utopia.trust, NOW)
    assert set(found.failed) == questions
    assert found.verdict == "refuted"


def test_an_authority_that_nobody_knows_proves_nothing(utopia: Utopia) -> None:
    stranger = Authority(NOW, name="Other CSCA")
    found = authenticate(utopia.document(signer=stranger.signer()), utopia.trust, NOW)
    assert found.failed == ("chain",)
    assert found.of("chain").why == "nobody known"
    assert found.of("country").state == "not-checkable"


def test_an_authority_of_the_same_name_and_another_key_is_seen_through(utopia: Utopia) -> None:
    found = authenticate(utopia.document(signer=Authority(NOW).signer()), utopia.trust, NOW)
    assert found.of("chain").why == "signature"


def test_a_trusted_state_may_not_sign_for_another(utopia: Utopia, trusting: Any) -> None:
    rogue = Authority(NOW, country="XM", name="Rogue")
    trust = trusting(utopia.authority, rogue)
    assert authenticate(utopia.document(signer=rogue.signer()), trust, NOW).failed == ("country",)
    disguised = rogue.signer(country="UT")
    assert authenticate(utopia.document(signer=disguised), trust, NOW).failed == ("country",)


def test_a_state_that_we_do_not_know_is_no_state(utopia: Utopia) -> None:
    zone = msgspec.structs.replace(ERIKA, state="QQQ")
    assert authenticate(utopia.document(zone=zone), utopia.trust, NOW).failed == ("country",)


@pytest.mark.parametrize(("days", "why"), [((-400, -30), "signer-validity"), ((30, 400), "signer-validity")])
def test_a_signer_outside_its_time_is_found(days: tuple[int, int], why: str, utopia: Utopia) -> None:
    found = authenticate(utopia.document(signer=utopia.authority.signer(days=days)), utopia.trust, NOW)
    assert found.failed == (why,)


def test_an_authority_outside_its_time_is_found(utopia: Utopia, trusting: Any) -> None:
    signer = utopia.authority.signer(days=(-30, 9000))
    at = NOW + 6000 * DAY_S
    zone = msgspec.structs.replace(ERIKA, expiry="450101")
    trust = trusting(utopia.authority, days=(-1, 7000))
    found = authenticate(utopia.document(signer=signer, zone=zone), trust, at)
    assert found.failed == ("authority-validity",)


def test_a_revoked_signer_is_found_even_on_a_stale_list(utopia: Utopia, trusting: Any) -> None:
    trust = trusting(utopia.authority, revoked=(utopia.signer.serial,))
    assert authenticate(utopia.document(), trust, NOW).failed == ("revocation",)
    later = authenticate(utopia.document(), trust, NOW + 100 * DAY_S)
    assert later.failed == ("revocation",)
    assert later.of("revocation-list").state == "not-checkable"


@pytest.mark.parametrize(
    ("how", "why"),
    [({"days": (-90, -1)}, "expired"), ({"days": (2, 90)}, "of the future"), ({"number": None}, "without a number")],
)
def test_a_list_that_says_too_little_leaves_the_question_open(
    how: Any, why: str, utopia: Utopia, trusting: Any
) -> None:
    found = authenticate(utopia.document(), trusting(utopia.authority, **how), NOW)
    assert (found.of("revocation").state, found.of("revocation").why) == ("not-checkable", why)
    assert found.verdict == "open"


def test_without_a_list_the_question_is_open(utopia: Utopia) -> None:
    trust = Trust()
    trust.add(utopia.authority.certificate)
    found = authenticate(utopia.document(), trust, NOW)
    assert found.verdict == "open"
    assert found.of("revocation").state == "not-checkable"


def test_a_key_that_may_not_sign_data_is_found(utopia: Utopia) -> None:
    found = authenticate(utopia.document(signer=utopia.authority.signer(usage=False)), utopia.trust, NOW)
    assert found.failed == ("key-usage",)


def test_a_signer_of_other_documents_is_found(utopia: Utopia) -> None:
    found = authenticate(utopia.document(signer=utopia.authority.signer(types=("ID", "AC"))), utopia.trust, NOW)
    assert found.failed == ("document-type",)


def test_an_expired_document_is_found_the_day_after_its_last(utopia: Utopia) -> None:
    document = utopia.document(zone=msgspec.structs.replace(ERIKA, expiry="261127"))
    assert authenticate(document, utopia.trust, NOW).verdict == "proved"
    assert authenticate(document, utopia.trust, NOW + DAY_S).failed == ("expiry",)


def test_a_zone_whose_check_digits_do_not_hold_is_found(utopia: Utopia) -> None:
    lines = mrz.render(ERIKA)
    document = files(
        utopia.signer, NOW, JPEG, more={"DG1": written_zone((lines[0], lines[1][:9] + "1" + lines[1][10:]))}
    )
    assert authenticate(document, utopia.trust, NOW).failed == ("zone",)


def test_a_required_group_must_have_been_read(utopia: Utopia) -> None:
    document = utopia.document()
    del document["DG2"]
    found = authenticate(document, utopia.trust, NOW)
    assert found.failed == ("required",)
    assert authenticate(document, utopia.trust, NOW, Limits(required=("DG1",))).verdict == "proved"


def test_old_ways_to_sign_are_refused(utopia: Utopia) -> None:
    signer = utopia.authority.signer(key=Key("P-256", sha1=True))
    found = authenticate(utopia.document(signer=signer), utopia.trust, NOW)
    assert {"algorithms", "signature"} <= set(found.failed)


def test_short_rsa_keys_are_refused(utopia: Utopia) -> None:
    signer = utopia.authority.signer(key=Key("rsa-pkcs1", bits=1024))
    found = authenticate(utopia.document(signer=signer), utopia.trust, NOW)
    assert (found.of("security-object").state, found.of("security-object").why) == ("failed", "unsupported")


def test_a_critical_extension_that_nobody_knows_is_refused(utopia: Utopia) -> None:
    found = authenticate(utopia.document(signer=utopia.authority.signer(unknown=True)), utopia.trust, NOW)
    assert (found.of("security-object").state, found.of("security-object").why) == ("failed", "unsupported")


def test_no_files_and_too_many_bytes_are_findings(utopia: Utopia) -> None:
    assert authenticate({}, utopia.trust, NOW).failed == ("security-object",)
    assert authenticate({"DG2": bytes(2 << 20)}, utopia.trust, NOW).of("security-object").why == "too large"


def test_nothing_of_the_holder_is_in_the_findings(utopia: Utopia) -> None:
    found = authenticate(utopia.document(fault="altered-name"), utopia.trust, NOW)
    assert "ERIKSSON" not in str(found.findings)
    assert "L898902C3" not in str(found.findings)


@pytest.mark.parametrize("kind", ["P-256", "brainpoolP256r1", "rsa-pss"])
def test_a_document_is_judged_in_a_moment(kind: Kind, trusting: Any) -> None:
    """Far from what is measured (docs/benchmarks): says only that nothing is read twice, and no chain grows."""
    authority = Authority(NOW, kind)
    document, trust = files(authority.signer(), NOW, JPEG), trusting(authority)
    spent = []
    for _ in range(20):
        start = time.process_time()
        authenticate(document, trust, NOW)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.02
