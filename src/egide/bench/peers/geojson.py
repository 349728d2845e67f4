"""Peer: GeoJSON by orjson. Ten thousand features to a thousand viewports, a FeatureCollection each; prints ms and bytes.

    python -m egide.bench.peers.geojson FILE     {"places": [[lat, lon], …], "views": [[south, west, north, east], …], "ticks": n}

As kind to it as can be: features are made once and moved in place, what is in a viewport is found by numpy, orjson is the fastest
encoder there is for Python.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np


def main() -> None:
    """Prints {"ms": CPU ms of a tick, "bytes_per_entity": …}."""
    try:
        import orjson
    except ImportError as error:
        print(json.dumps({"absent": error.name}))
        return
    told = orjson.loads(Path(sys.argv[1]).read_bytes())
    features = [
        {
            "type": "Feature", "id": number, "geometry": {"type": "Point", "coordinates": [round(lon, 7), round(lat, 7)]},
            "properties": {"heading": 10.0},
        }
        for number, (lat, lon) in enumerate(told["places"])
    ]  # fmt: skip
    places = np.array(told["places"])
    took, sent, count = [], 0, 0
    for _ in range(told["ticks"]):
        places += np.random.default_rng(1).uniform(-1e-4, 1e-4, places.shape)
        for feature, (lat, lon) in zip(features, places.tolist(), strict=True):
            feature["geometry"]["coordinates"] = [round(lon, 7), round(lat, 7)]  # type: ignore[index]  # a dictionary
        before = time.process_time()
        for south, west, north, east in told["views"]:
            inside = (places[:, 0] >= south) & (places[:, 0] <= north) & (places[:, 1] >= west) & (places[:, 1] <= east)
            seen = [features[place] for place in np.flatnonzero(inside).tolist()]
            sent += len(orjson.dumps({"type": "FeatureCollection", "features": seen}))
            count += len(seen)
        took.append((time.process_time() - before) * 1000)
    print(json.dumps({"ms": median(took), "bytes_per_entity": sent / max(count, 1)}))


if __name__ == "__main__":
    main()
