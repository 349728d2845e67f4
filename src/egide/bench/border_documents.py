"""Documents: passive authentication of a chip for each kind of signature. Utopia's (`egide.exercise`), nobody's passport."""

from __future__ import annotations

from egide.bench.border_scene import NOW, drawn, jpeg
from egide.bench.measure import Bench, BenchError, per_cpu_s, row
from egide.exercise.csca import Authority, Kind
from egide.exercise.travel_document import files
from egide.protocols.emrtd.passive import authenticate
from egide.protocols.emrtd.trust import Trust

KINDS: tuple[Kind, ...] = ("P-256", "brainpoolP256r1", "rsa-pss")
REVOKED = 100  # serial numbers on the authority's list
TIMES = 50  # documents of one measure


def passive(bench: Bench) -> None:
    """All that is asked of a chip's files, for each kind of key."""
    size = 0
    for kind in KINDS:
        authority = Authority(NOW, kind)
        trust = Trust()
        trust.add(authority.certificate)
        trust.add_revocations(authority.revocations(range(1, REVOKED + 1)))
        document = files(authority.signer(types=("P",)), NOW, jpeg(drawn(1, 413, 531, 1.0)))
        found = authenticate(document, trust, NOW)
        if found.verdict != "proved":
            raise BenchError(
                f"{kind}: {found.verdict}, {[each.question for each in found.findings if each.state != 'ok']}"
            )

        def work(document: dict[str, bytes] = document, trust: Trust = trust) -> int:
            for _ in range(TIMES):
                authenticate(document, trust, NOW)
            return TIMES

        bench.add(row(f"passive_auth_ms {kind}", 1000 / per_cpu_s(work), "CPU ms", "lower", target=2))
        size = len(document["DG2"])
    bench.note(
        f"passive_auth: COM, SOD, DG1 and a DG2 of {size / 1000:.0f} kB; signer and authority have the same kind of key (RSA: 2,048 "
        f"bits); chain, revocation ({REVOKED} on the list), states, times, uses and hashes are all asked each time; the trust store was read before."
    )


MEASURES = (passive,)
