"""The town's map: one PMTiles file built from OpenStreetMap and a calm style of our own; nothing comes from outside."""

from .build import ATTRIBUTION, MapInfo, build_pmtiles, describe
from .osm import MapError
from .style import style

__all__ = ["ATTRIBUTION", "MapError", "MapInfo", "build_pmtiles", "describe", "style"]
