/**
 * Tactical symbols as map images, and the few marks that are ours.
 *
 * A symbol is named by its SIDC; the frame stays upright, as the standard wants, and an arrow around it turns with the
 * heading.
 * Source: MIL-STD-2525C / APP-6 letter codes, drawn by milsymbol; CoT types ("a-f-A-M-H-Q") map letter by letter.
 */
import type { Map as MapLibre } from 'maplibre-gl';
import ms from 'milsymbol';
import type { Theme } from '../../kit/theme.svelte';
import { token } from './basemap';

/** Drawn at twice the size, so that it stays sharp on a dense screen. */
const DENSITY = 2;
const SYMBOL_PX = 24;
const CODE_LENGTH = 15;

export const SIDC = {
  rotary: 'SFAPMHQ--------',
  fixed: 'SFAPMFQ--------',
  sensor: 'SFGPES---------',
  police: 'SFGPUULC-------',
  vehicle: 'SFGPEVU--------',
  unknown: 'SUGPU----------',
} as const;

const BY_KIND: Record<string, string> = {
  aircraft: SIDC.rotary,
  drone: SIDC.rotary,
  uav: SIDC.rotary,
  camera: SIDC.sensor,
  source: SIDC.sensor,
  officer: SIDC.police,
  person: SIDC.police,
  patrol: SIDC.police,
  team: SIDC.police,
  unit: SIDC.police,
  vehicle: SIDC.vehicle,
  car: SIDC.vehicle,
};

/** The symbol of an entity's kind: a CoT type, one of our words, or unknown. */
export function sidcOf(kind: string): string {
  const cot = /^a-([a-z])-([A-Z])((?:-[A-Za-z])*)$/.exec(kind);
  if (!cot) return BY_KIND[kind] ?? SIDC.unknown;
  const [, side = 'u', dimension = 'G', rest = ''] = cot;
  const code = `S${side.toUpperCase()}${dimension}P${rest.replaceAll('-', '')}`.padEnd(CODE_LENGTH, '-').slice(0, CODE_LENGTH);
  return new ms.Symbol(code).isValid() ? code : SIDC.unknown;
}

/** The symbol of a camera: of what carries it, by what its owner calls the aircraft, or of a sensor that stands on the ground. */
export function cameraSidc(aerial: boolean, aircraft: string | null): string {
  if (!aerial) return SIDC.sensor;
  return aircraft && /fixed|wing|plane|avion|fixe/i.test(aircraft) ? SIDC.fixed : SIDC.rotary;
}

function pixels(canvas: HTMLCanvasElement): ImageData | null {
  return canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? null;
}

function put(map: MapLibre, name: string, canvas: HTMLCanvasElement): void {
  const image = pixels(canvas);
  if (image && !map.hasImage(name)) map.addImage(name, image, { pixelRatio: DENSITY });
}

/** Make sure that the map has this symbol; gives the image's name. */
export function ensureSymbol(map: MapLibre, sidc: string, theme: Theme): string {
  const name = `sidc:${sidc}`;
  if (map.hasImage(name)) return name;
  const outline = { outlineColor: token('--paper'), outlineWidth: 4 };
  const look = theme === 'red' ? { monoColor: token('--ink'), fill: false } : { colorMode: 'Light' };
  put(map, name, new ms.Symbol(sidc, { size: SYMBOL_PX, padding: 2, ...outline, ...look }).asCanvas(DENSITY));
  return name;
}

function drawn(size: number, draw: (pen: CanvasRenderingContext2D, middle: number) => void): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = size * DENSITY;
  canvas.height = size * DENSITY;
  const pen = canvas.getContext('2d');
  if (pen) {
    pen.scale(DENSITY, DENSITY);
    draw(pen, size / 2);
  }
  return canvas;
}

/** Draw twice, wide in the ground's colour and then thin in the ink's, so that a mark shows on any map. */
function haloed(pen: CanvasRenderingContext2D, ink: string, width: number, path: () => void): void {
  for (const [colour, wide] of [
    [token('--paper'), width + 3],
    [ink, width],
  ] as const) {
    pen.strokeStyle = colour;
    pen.lineWidth = wide;
    pen.lineJoin = 'round';
    pen.beginPath();
    path();
    pen.stroke();
  }
}

/** Draw an image that a tile asks for before it was added, as happens while one style replaces another. */
export function resolveMissing(map: MapLibre, name: string, theme: Theme): void {
  if (name.startsWith('sidc:')) ensureSymbol(map, name.slice('sidc:'.length), theme);
  else addMarks(map);
}

/** The marks that are ours: the arrow of a heading, the centre of the picture, a marked point. */
export function addMarks(map: MapLibre): void {
  const ink = token('--ink');
  put(
    map,
    'heading',
    drawn(84, (pen, c) =>
      haloed(pen, ink, 3, () => {
        pen.moveTo(c - 8, 12);
        pen.lineTo(c, 3);
        pen.lineTo(c + 8, 12);
      }),
    ),
  );
  put(
    map,
    'centre',
    drawn(28, (pen, c) =>
      haloed(pen, token('--accent'), 2, () => {
        pen.moveTo(c, 3);
        pen.lineTo(c, 10);
        pen.moveTo(c, 18);
        pen.lineTo(c, 25);
        pen.moveTo(3, c);
        pen.lineTo(10, c);
        pen.moveTo(18, c);
        pen.lineTo(25, c);
      }),
    ),
  );
  put(
    map,
    'mark',
    drawn(32, (pen, c) => {
      haloed(pen, token('--amber-mark'), 3, () => pen.arc(c, c, 9, 0, Math.PI * 2));
      haloed(pen, token('--amber-mark'), 2, () => {
        pen.moveTo(c, 1);
        pen.lineTo(c, 7);
        pen.moveTo(c, 25);
        pen.lineTo(c, 31);
        pen.moveTo(1, c);
        pen.lineTo(7, c);
        pen.moveTo(25, c);
        pen.lineTo(31, c);
      });
    }),
  );
}
