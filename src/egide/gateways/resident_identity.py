"""Residents' sign-in joined to the services: what a provider or a wallet vouched for becomes an identity for an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from egide.gateways.resident import keep
from egide.kernel.kernel import Kernel

if TYPE_CHECKING:
    from egide.gateways.oidc import Identity, SignInFlow
    from egide.gateways.wallet import WalletFlow
    from egide.services.identities import IdentityId

WHO = "__Host-egide-who"
SIGN_IN = "sign-in"  # among the kernel's things, where a provider is set
WALLET = "wallet"  # and where wallets are taken


def sign_in(kernel: Kernel) -> SignInFlow | None:
    """The flow of the provider that is set; None where there is none. Raises `StartupError`."""
    if not kernel.settings.identity:
        return None
    from egide.gateways.oidc import Seal, SignInFlow, arrived, relying  # noqa: PLC0415 — a tenth of a second at start

    found = relying(kernel.settings)
    if found is None:
        return None

    async def opened(identity: Identity, request: Request) -> Response:
        vouched = {
            "level": identity.level, "given_name": identity.given_name, "family_name": identity.family_name, "birthdate": identity.birthdate,
        }  # fmt: skip
        system = kernel.system("resident-identity")
        done = (await kernel.perform("services.identity.open", msgspec.json.encode(vouched), system)).result
        answer = arrived(request.state.return_to, request.state.lang)
        keep(answer, WHO, f"{done.id}.{done.secret}", done.life_s)
        return answer

    flow = SignInFlow(found, Seal.of(kernel), kernel.clock, opened)
    kernel.things[SIGN_IN] = flow
    return flow


def wallet(kernel: Kernel) -> WalletFlow | None:
    """The flow of the wallets that are taken; None where none is. Raises `StartupError`."""
    if not kernel.settings.wallet:
        return None
    from egide.gateways.oidc_page import arrived  # noqa: PLC0415 — only where it is asked for, as below
    from egide.gateways.wallet import WalletFlow  # noqa: PLC0415 — a tenth of a second at start
    from egide.gateways.wallet_setup import verifier  # noqa: PLC0415

    found = verifier(kernel.settings)
    if found is None:
        return None

    async def opened(identity: IdentityId, request: Request) -> Response:
        answer = arrived(request.state.return_to, request.state.lang)
        keep(answer, WHO, f"{identity.id}.{identity.secret}", identity.life_s)
        return answer

    flow = WalletFlow(kernel, found, opened)
    kernel.things[WALLET] = flow
    return flow
