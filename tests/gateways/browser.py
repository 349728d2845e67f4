"""What a browser is to the doors: an origin, a cookie it keeps, requests to the application in this process."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from tests.world import World


class Browser:
    """Someone at our own page. `enter` signs in; `act` asks for an act the way `web/kit` does."""

    def __init__(self, world: World, *, client: httpx.AsyncClient | None = None) -> None:
        self.world = world
        self.cookie = ""
        origin = world.settings.origin
        self.client = client or httpx.AsyncClient(
            transport=httpx.ASGITransport(world.application, raise_app_exceptions=False), base_url=origin
        )

    async def enter(self, persona: str) -> Browser:
        answer = await self.act("administration.demo.enter", persona=persona)
        assert answer.status_code == 200, answer.text
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return self

    def headers(self, **more: str) -> dict[str, str]:
        found = {"origin": self.world.settings.origin, "content-type": "application/json"}
        if self.cookie:
            found["cookie"] = self.cookie
        return found | {name.replace("_", "-"): value for name, value in more.items()}

    async def act(self, name: str, /, **given: Any) -> httpx.Response:
        return await self.send(name, msgspec.json.encode(given))

    async def send(self, name: str, body: bytes, **headers: str) -> httpx.Response:
        return await self.client.post(f"/api/acts/{name}", content=body, headers=self.headers(**headers))

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=self.headers(**headers))

    async def close(self) -> None:
        await self.client.aclose()
