"""A picture over RTSP, for ATAK: an address with a ticket in it, good for one watch and no longer.

The act is decided by the same facts and articles as watching on the console, and lives on a lease decided again every two
seconds.  It ends with the order, the roster or the right; when nobody has come within a minute, or whoever came has left for half
a one; and when the person closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.errors import EgideError, NotFound, StartupError, Text, Unavailable
from egide.kernel.identity import new_id
from egide.kernel.leases import TTL_S, Lease
from egide.operations import tables
from egide.operations.facts import deployment_row, order_of, source_row
from egide.operations.relay import relay
from egide.operations.viewing import Sink
from egide.operations.watching import WatchRef, closing, counters, watch_facts

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel
    from egide.operations.media.hub import Attachment, MediaHub
    from egide.operations.media.rtsp_server import RtspServer

UNUSED_S = 60.0  # s for the first player to come
AWAY_S = 30.0  # s that a player may be away: a radio that lost its link


class RtspWatch(Input):
    """Watch this camera in another program; `purpose` defaults to the order's."""

    deployment: str
    purpose: str | None = None
    emergency: bool = False


class RtspAddress(msgspec.Struct):
    """Where the picture can be fetched by one player at a time; the address is a secret."""

    watch: str
    url: str
    source: str
    source_name: str
    order: dict[str, Any]
    unused_s: float
    lease_s: float


class View:
    """What a ticket opens (`media/rtsp_server.Grant`). `on_close(why)` is called once."""

    def __init__(self, hub: MediaHub, lease: Lease, source: str, person: str, on_close: Callable[[str], None]) -> None:
        self.source, self.person, self.lease = source, person, lease
        self._hub, self._on_close = hub, on_close
        self._timer: asyncio.TimerHandle | None = None
        self.over = False

    def attach(self, sink: Any, on_end: Callable[[], None]) -> Attachment:
        """The source's frames while the lease lives."""

        def ended() -> None:
            on_end()
            self.close("ended")

        return self._hub.attach(self.source, Sink(self.lease, sink), on_end=ended, form="raw")

    def came(self) -> None:
        """Somebody plays."""
        if self._timer is not None:
            self._timer.cancel()

    def left(self) -> None:
        """Nobody plays any more: it may come back for a while."""
        self.wait(AWAY_S)

    def wait(self, seconds: float) -> None:
        """Close unless somebody plays within this time."""
        self.came()
        if not self.over:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.close, "gone")

    def close(self, why: str) -> None:
        """The address is worth nothing when this returns; any number of times."""
        if not self.over:
            self.over = True
            self.came()
            self._on_close(why)


@act(
    "operations.watch.rtsp", verb="view", activity="aerial-surveillance", roles=["officer", "command", "pilot"], duty=True,
    groups=["aerial-camera", "aerial-view"], gather=watch_facts, recheck=counters, input=RtspWatch, output=RtspAddress,
    fr="Regarder une caméra aéroportée dans un autre logiciel (RTSP)", en="Watch an airborne camera in another program (RTSP)",
)  # fmt: skip
def open_rtsp(ctx: Ctx, given: RtspWatch) -> Effect:
    kernel, server = ctx.kernel, server_of(ctx.kernel)
    if server is None:
        raise Unavailable(
            Text("Cette plateforme ne sert pas de vidéo RTSP.", "This platform serves no RTSP video."),
            Text("L’exploitant peut ouvrir un port avec le réglage rtsp_port.", "The operator can open a port with the setting rtsp_port."),
        )  # fmt: skip
    deployment = deployment_row(ctx, given.deployment)
    source, order = source_row(ctx, deployment.source), order_of(ctx, deployment.order_id)
    watch = new_id()
    end = closing(kernel, watch)

    def close(why: str) -> None:
        server.revoke(ticket)
        views(kernel).pop(watch, None)
        end(why)

    lease = Lease(watch, ctx.act, given, ctx.principal, ctx.purpose, lambda _decision: view.close("refused"))
    lease.about = {
        "source": source.id, "source_name": source.name, "order": order.body.id, "articles": ["L242-2", "L242-5"], "since": iso(ctx.now_us),
    }  # fmt: skip
    view = View(relay(kernel).hub, lease, source.id, ctx.principal.id, close)
    ticket = server.ticket()

    def opened(_receipt: Any) -> None:
        server.admit(ticket, view)
        views(kernel)[watch] = view
        kernel.leases.open(lease)
        view.wait(UNUSED_S)

    row = {
        "id": watch, "deployment": deployment.id, "person": ctx.principal.id, "order_id": order.body.id, "opened": ctx.now_us, "closed": None,
        "process": kernel.process,
    }  # fmt: skip
    url = f"rtsp://{kernel.settings.public_name}:{server.port}/{ticket}"
    shown = kernel.orders.show(order, ctx.now_us)
    return Effect(
        RtspAddress(watch, url, source.id, source.name, shown, UNUSED_S, TTL_S),
        rows=[(tables.watch, row)], order=order.body.id, after=opened, events=[("watch.changed", {"watch": watch})],
    )  # fmt: skip


@act(
    "operations.watch.rtsp_close", verb="view", activity="operations-means", roles=["officer", "command", "pilot"], duty=True, input=WatchRef,
    fr="Retirer une adresse RTSP", en="Take an RTSP address back",
)  # fmt: skip
def close_rtsp(ctx: Ctx, given: WatchRef) -> Effect:
    view = views(ctx.kernel).get(given.watch)
    if view is None or view.person != ctx.principal.id:
        raise NotFound(Text("Cette adresse n’est pas ouverte.", "This address is not open."))
    return Effect(Nothing(), after=lambda _receipt: view.close("closed"))


class Addresses:
    """Standing addresses, for lists of videos: each is one person's way to ask for one camera, and opens nothing by itself.

    Lives in `kernel.things["video-out"]`. Whoever plays it performs the act above, as that person, at that moment.
    """

    def __init__(self, kernel: Kernel, server: RtspServer) -> None:
        self._kernel = kernel
        self._server = server
        self._names: dict[tuple[str, str], str] = {}
        server.ask = self.ask
        kernel.bus.watch(lambda name, told: self._forget(told["deployment"]) if name == "camera.stopped" else None)

    def address(self, deployment: str, person: str) -> str:
        """The address of a camera in service for this person's player."""
        name = self._names.setdefault((deployment, person), self._server.ticket())
        return f"rtsp://{self._kernel.settings.public_name}:{self._server.port}/{name}"

    async def ask(self, name: str) -> str | None:
        """A ticket for who holds this name, where the law gives one now."""
        deployment, id_ = next((of for of, each in self._names.items() if each == name), ("", ""))
        person = self._kernel.identity.person(id_, self._kernel.store.reader(), strong=True)
        if person is None:
            return None
        try:
            outcome = await self._kernel.perform("operations.watch.rtsp", RtspWatch(deployment=deployment), person)
        except EgideError:  # refused, and in the ledger; the player is told that nothing is there
            return None
        return str(outcome.result.url).rpartition("/")[2]

    def _forget(self, deployment: str) -> None:
        self._names = {of: name for of, name in self._names.items() if of[0] != deployment}


def views(kernel: Kernel) -> dict[str, View]:
    """Open RTSP views of this process, by watch."""
    found: dict[str, View] = kernel.things.setdefault("rtsp-views", {})
    return found


def server_of(kernel: Kernel) -> RtspServer | None:
    """The running server, where the operator wants one."""
    found: RtspServer | None = kernel.things.get("rtsp")
    return found


async def start(kernel: Kernel) -> None:
    """Listens when `rtsp_port` is set.  Raises StartupError when no port is free."""
    from egide.operations.media.rtsp_server import RtspServer  # noqa: PLC0415 — for those who switch it on

    if kernel.settings.rtsp_port:
        server = RtspServer(relay(kernel).hub)
        try:
            await server.start(kernel.settings.host, kernel.settings.rtsp_port)
        except OSError as error:
            raise StartupError(
                Text("Aucun port libre pour la vidéo RTSP.", "No free port for RTSP video."),
                Text(
                    "Changez le réglage rtsp_port, ou mettez-le à 0.", "Change the setting rtsp_port, or set it to 0."
                ),
            ) from error
        kernel.things["rtsp"] = server
        kernel.things["video-out"] = Addresses(kernel, server)


async def stop(kernel: Kernel) -> None:
    """Ends every RTSP view and the server."""
    for view in tuple(views(kernel).values()):
        view.close("gone")
    server = kernel.things.pop("rtsp", None)
    if server is not None:
        with suppress(OSError):
            await server.close()


ACTS: tuple[Act, ...] = (open_rtsp, close_rtsp)
