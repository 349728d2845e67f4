/**
 * The map's engine, its worker, the town's archive and its style.
 *
 * Everything comes from this site: the worker is a file of ours (so that a strict policy admits it), tiles are byte
 * ranges of one archive, and letters are drawn with the page's own font. This file is loaded only when a map is shown.
 * Source: MapLibre GL JS 6; PMTiles specification version 3.
 */
import { addProtocol, setWorkerUrl, Map as MapLibre, type StyleSpecification } from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url';
import 'maplibre-gl/dist/maplibre-gl.css';
import { PMTiles, Protocol, type Source } from 'pmtiles';
import type { Lang } from '../../kit/i18n.svelte';
import type { Theme } from '../../kit/theme.svelte';

export { AttributionControl, LngLatBounds, Marker, NavigationControl, ScaleControl } from 'maplibre-gl';
export { MapLibre };

let ready = false;
const archives = new Protocol();

/** Read an archive from somewhere else than its address (a terminal keeps it whole). */
export function readFrom(source: Source): void {
  archives.add(new PMTiles(source));
}

/** Tell the engine once where its worker and its archives are. */
export function prepare(): void {
  if (ready) return;
  ready = true;
  setWorkerUrl(workerUrl);
  addProtocol('pmtiles', archives.tile);
}

/** A colour of the theme, as the style sheet gives it. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Bare ground in the theme's colour: what is drawn when the town's map cannot be had. Nothing is made up. */
function bare(): StyleSpecification {
  return {
    version: 8,
    sources: {},
    layers: [{ id: 'ground', type: 'background', paint: { 'background-color': token('--sunken') } }],
  };
}

/** The town's style in these colours and this language; bare ground (and `found: false`) when it cannot be had. */
export async function townStyle(theme: Theme, lang: Lang): Promise<{ style: StyleSpecification; found: boolean }> {
  try {
    const response = await fetch(`/map/style.json?theme=${theme === 'red' ? 'red-night' : theme}&lang=${lang}`);
    if (!response.ok) return { style: bare(), found: false };
    const style = (await response.json()) as StyleSpecification;
    if (!Array.isArray(style.layers)) return { style: bare(), found: false };
    for (const source of Object.values(style.sources)) {
      // The archive's reader needs a whole address.
      if ('url' in source && typeof source.url === 'string') {
        source.url = source.url.replace(/^pmtiles:\/\/(?=\/)/, `pmtiles://${location.origin}`);
      }
    }
    return { style, found: true };
  } catch (error) {
    console.warn('map:', error);
    return { style: bare(), found: false };
  }
}

/** The words of the map's own controls. */
export function controlWords(lang: Lang): Record<string, string> {
  if (lang === 'en') return {};
  return {
    'AttributionControl.ToggleAttribution': 'Afficher les sources de la carte',
    'Map.Title': 'Carte',
    'NavigationControl.ZoomIn': 'Zoom avant',
    'NavigationControl.ZoomOut': 'Zoom arrière',
    'ScaleControl.Meters': 'm',
    'ScaleControl.Kilometers': 'km',
  };
}
