"""What runs of the TAK exchange: a router and its bridge always, a listening port where the setting asks for one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from egide.operations.shifts import on_duty
from egide.operations.tak.authority import Authority
from egide.operations.tak.feeds import offered
from egide.operations.tak.identity import device_of
from egide.operations.tak.picture import Bridge
from egide.operations.tak.router import Router
from egide.operations.tak.server import TakServer

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


async def start(kernel: Kernel) -> None:
    """Starts it. Raises `StartupError`."""
    router = Router(lambda: kernel.clock.latest_us() // 1000)
    bridge = Bridge(kernel, router)
    kernel.things["tak"], kernel.things["tak-bridge"] = router, bridge
    router.on_duty = lambda person: on_duty(kernel, person)
    kernel.bus.watch(lambda name, _told: router.quiet() if name in ("duty.ended", "right.changed") else None)
    bridge.feeds = lambda person: offered(kernel, person)
    bridge.start()
    settings = kernel.settings
    if settings.tak_port:
        tls = (await asyncio.to_thread(Authority.of, kernel)).server_context(clients=True)
        server = TakServer(kernel, router, device_of, port=settings.tak_port, tls=tls, host=settings.host)
        kernel.things["tak-server"] = server
        await server.start()
        # The process that takes over gets the port; clients connect again by themselves.
        kernel.on_leaving.append(server.stop)


async def stop(kernel: Kernel) -> None:
    """Lets every client go and seals what passed."""
    server = kernel.things.get("tak-server")
    if server is not None:
        await server.stop()
    bridge = kernel.things.get("tak-bridge")
    if bridge is not None:
        await bridge.stop()
