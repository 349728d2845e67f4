"""Peer: sd-jwt, the reference implementation of SD-JWT by its authors. CPU milliseconds for one presentation with key binding.

python -m egide.bench.peers.sdjwt_reference FILE    JSON: the issuer's key, audience, nonce, presentations
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Prints {"ms": …}: the best of three runs, the first of which warms up."""
    try:
        from jwcrypto.jwk import JWK
        from sd_jwt.verifier import SDJWTVerifier
    except ImportError as error:
        print(json.dumps({"absent": error.name}))
        return
    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    key = JWK(**given["key"])
    found = []
    for _ in range(3):
        before = time.process_time()
        for text in given["presentations"]:
            claims = SDJWTVerifier(text, lambda *_: key, given["audience"], given["nonce"]).get_verified_payload()
            if "flight" not in claims:
                raise SystemExit("it did not disclose what it should")
        found.append((time.process_time() - before) * 1000 / len(given["presentations"]))
    print(json.dumps({"ms": min(found)}))


if __name__ == "__main__":
    main()
