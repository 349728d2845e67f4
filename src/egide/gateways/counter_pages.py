"""`/services/<service>/take`: an officer records what the person before them said, on the resident's own pages.

Number, code and proof are shown once, to be handed over; the draft is gone from the officer's browser.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from egide.gateways.counter_views import SAYS, officer, recorded
from egide.gateways.resident import form_of, lang_of
from egide.gateways.service_pages import MAX_FORM, ServicePages, draft_gone, draft_held, service_page, trouble_page
from egide.gateways.service_words import PATH
from egide.kernel.errors import EgideError, NotSignedIn, Refused, Text
from egide.kernel.kernel import Kernel
from egide.services.answers import birthdate, clean
from egide.services.filing import Invalid, slug

MAX_NAME = 120  # characters


class CounterPages:
    """The officer's end of a service's pages."""

    def __init__(self, kernel: Kernel, pages: ServicePages) -> None:
        self._kernel, self._pages = kernel, pages

    def routes(self) -> list[Route]:
        """Its address."""
        return [Route(f"{PATH}/{{service}}/take", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        """An officer records what the person before them said; number and code are shown once, to be handed over."""
        lang = lang_of(request)
        try:
            typed = await form_of(request, self._pages.origin, MAX_FORM)
            form, definition = await self._pages.draft(request, self._pages.service_of(request), needed=True)
            principal, draft = self._pages.who(request), draft_held(request) or ("", "")
            if not officer(principal):
                raise NotSignedIn(Text("Connectez-vous comme agent.", "Sign in as an officer."))
            first = {
                name: clean((typed.get(name) or [""])[0])[:MAX_NAME]
                for name in ("given_name", "family_name", "document")
            }
            given = {
                "channel": (typed.get("channel") or ["counter"])[0], "version": definition.version, "answers": {}, "lang": lang,
                "who": first | {"birthdate": birthdate((typed.get("birthdate") or [""])[0])[:MAX_NAME]},
                "draft": draft[0], "secret": draft[1],
            }  # fmt: skip
            try:
                done = await self._kernel.perform(
                    f"services.{slug(definition.id)}.take", msgspec.json.encode(given), principal
                )
            except (Refused, Invalid) as error:
                return await self._pages.checked(request, lang, definition, form, error)
            told = msgspec.to_builtins(done.result)
            shown = await self._pages.ask(
                "services.file.follow", {"number": told["number"], "code": told["code"]}, request
            )
        except EgideError as error:
            return trouble_page(lang, error)
        answer = service_page(lang, SAYS["done"], "", recorded(lang, definition, told, shown["proof"]))
        return draft_gone(answer, definition.id)
