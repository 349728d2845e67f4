"""What every way to call for help shares: ids that a repeat makes again, and a limit that names the emergency numbers.

Their acts are emergency acts (emergency.py): done again from the journal, they must make what they made the first time.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

from egide.kernel.errors import Text, TooMany

if TYPE_CHECKING:
    from egide.kernel.act import Ctx
    from egide.kernel.limits import Buckets


def id_of(ctx: Ctx, what: bytes, digits: int = 32) -> str:
    """An id in hexadecimal digits that the same act makes again, whenever it is done."""
    return _of(ctx, what).hex()[:digits]


def secret_of(ctx: Ctx) -> str:
    """The secret with which whoever began goes on: 256 bits, for an address or a cookie."""
    return urlsafe_b64encode(_of(ctx, b"secret")).decode().rstrip("=")


def limited(ctx: Ctx, buckets: Buckets, who: str) -> None:
    """Raises `TooMany` where `who` writes too much in too little time; what was taken already is not counted again."""
    if not ctx.replayed and who and not buckets.take(who):
        raise TooMany(
            Text("Trop de messages en peu de temps.", "Too many messages in a short time."),
            Text("Attendez quelques secondes, ou appelez le 17 ou le 112.", "Wait a few seconds, or call 17 or 112."),
        )


def _of(ctx: Ctx, what: bytes) -> bytes:
    return hmac.digest(ctx.seed, what, "sha256")
