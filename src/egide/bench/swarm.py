"""What ten thousand updates cost the page: our layer on the real operations page, MapLibre's own GeoJSON source beside it.

Counted is the main thread's time from the message to the graphics chip: reading the records, writing the arrays, handing the
buffer over. For the peer: making the features, `setData`, handing them to its worker (which copies them), and nothing of what the
worker does with them or hands back.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from statistics import median
from typing import Any

NAME = "MapLibre setData"
MAPLIBRE = Path(__file__).parents[3] / "web" / "node_modules" / "maplibre-gl" / "dist"
PATIENCE_MS = 60_000  # ms a map drawn in software may take to be drawn twice
GL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # a graphics chip in software, where there is none
# Times what the page does with each whole-map positions frame (kind 4), and what it hands to the graphics chip afterwards.
PROBE = """(least) => {
  const told = window.egideMap = { js: [], gl: [] };
  const set = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'onmessage').set;
  Object.defineProperty(WebSocket.prototype, 'onmessage', { set(handler) {
    set.call(this, (event) => {
      const counted = event.data instanceof ArrayBuffer && event.data.byteLength >= 20 + 16 * least && new Uint8Array(event.data)[0] === 4;
      const before = performance.now();
      handler.call(this, event);
      if (counted) told.js.push(performance.now() - before);
    });
  } });
  for (const name of ['bufferSubData', 'bufferData']) {
    const real = WebGL2RenderingContext.prototype[name];
    WebGL2RenderingContext.prototype[name] = function (...given) {
      const before = performance.now();
      real.apply(this, given);
      if (given.some((one) => one?.byteLength >= 20 * least)) told.gl.push(performance.now() - before);
    };
  }
}"""
PEER = """async ([count, turns]) => {
  const { Map, setWorkerUrl } = await import('/maplibre-gl.mjs');
  setWorkerUrl('/maplibre-gl-worker.mjs');
  const map = new Map({ container: document.body, style: { version: 8, sources: {}, layers: [] }, center: [24.94, 60.17], zoom: 11 });
  await map.once('load');
  const nothing = { type: 'FeatureCollection', features: [] };
  map.addSource('all', { type: 'geojson', data: nothing });
  map.addLayer({ id: 'all', type: 'circle', source: 'all', paint: { 'circle-radius': 6 } });
  const places = Array.from({ length: count }, () => [24.9 + Math.random() / 10, 60.12 + Math.random() / 10]);
  const { port1, port2 } = new MessageChannel();
  const done = () => new Promise((next) => { port1.onmessage = next; port2.postMessage(0); });
  const drawn = async () => { do await map.once('idle'); while (!map.isSourceLoaded('all')); };
  const took = [];
  for (let turn = 0; turn < turns; turn++) {
    for (const place of places) { place[0] += (Math.random() - 0.5) / 1e4; place[1] += (Math.random() - 0.5) / 1e4; }
    const before = performance.now();
    const features = places.map((place, id) => ({ type: 'Feature', id, geometry: { type: 'Point', coordinates: place.slice() }, properties: { heading: id % 360 } }));
    map.getSource('all').setData({ type: 'FeatureCollection', features });
    await done();  // what setData leaves to be done as soon as its caller has finished: the copy for the worker
    took.push(performance.now() - before);
    await drawn();  // an update that comes while one is under way only takes its place, and would cost nothing
  }
  return took;
}"""


async def feed(kernel: Any, entities: int) -> None:
    """Everything moves, all in one tick, more than twice a second."""
    from egide.operations.relay import relay

    positions = relay(kernel).positions
    numbers = [positions.number(f"made-up-{n}", f"Made-up {n}", "officer", ["unit:none"]) for n in range(entities)]
    turn = 0
    while True:
        turn += 1
        positions.put_many(
            [(n, 60.155 + n % 97 / 3000 + turn % 5 / 1e5, 24.925 + n % 89 / 1800, n % 360) for n in numbers]
        )
        await asyncio.sleep(0.4)


def ours(page: Any, least: int, seconds: float) -> list[float]:
    """Ms of the main thread for each frame in which at least so many moved, the buffer's hand-over counted in."""
    page.add_init_script(f"({PROBE})({least})")
    page.goto("/sign-in")
    page.evaluate(
        "async () => (await fetch('/api/acts/administration.demo.enter', {method: 'POST', body: JSON.stringify({persona: 'command'})})).status"
    )
    page.goto("/operations")
    page.locator(".maplibregl-canvas").wait_for()
    page.get_by_role("button", name="Centrer", exact=True).click()
    page.locator(f"[data-units='{least}']").wait_for(state="attached")
    page.evaluate("() => { window.egideMap.js.length = window.egideMap.gl.length = 0; }")
    page.wait_for_timeout(seconds * 1000)
    page.wait_for_function("() => window.egideMap.js.length > 4 && window.egideMap.gl.length > 1", timeout=PATIENCE_MS)
    told = page.evaluate("() => window.egideMap")
    return [each + median(told["gl"]) for each in told["js"]]


def theirs(page: Any, count: int, turns: int) -> list[float] | None:
    """The same for a GeoJSON source of MapLibre; None where its files are not at hand (an installed platform has no sources)."""
    if not (MAPLIBRE / "maplibre-gl.mjs").exists():
        return None
    kinds = {".mjs": "text/javascript", ".css": "text/css"}

    def answer(route: Any) -> None:
        name = route.request.url.rpartition("/")[2]
        file = MAPLIBRE / name
        if name and file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=kinds.get(file.suffix, "application/octet-stream"))
        else:
            route.fulfill(
                body="<!doctype html><style>html,body{height:100%;margin:0}</style><body>", content_type="text/html"
            )

    page.route("http://localhost:1/**", answer)
    page.goto("http://localhost:1/")
    found: list[float] = page.evaluate(PEER, [count, turns])
    return found[1:]


if __name__ == "__main__":
    # python -m egide.bench.swarm DATA PORT ENTITIES: `egide serve` with everything moving at once
    from egide.bench.feeding import serve

    serve(feed)
