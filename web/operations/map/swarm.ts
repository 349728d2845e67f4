/**
 * The map's own layer for everything that moves: points drawn by the graphics chip straight from the typed arrays.
 *
 * Shape says what it is (disc: officer, square: vehicle, triangle: aircraft, diamond: camera, ring: not known yet), a notch where it heads;
 * what has not been heard of for a while turns grey and hollow, so that colour never speaks alone.
 */
import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl';
import { FLOATS, STALE_MS, type Moving } from '../moving';
import { token } from './basemap';

const VERTEX = `#version 300 es
in vec2 place;
in vec3 look;
uniform mat4 matrix;
uniform float now;
uniform float pixels;
uniform float stale;
out float grey;
flat out vec2 way;
flat out float kind;
void main() {
  grey = now - look.y > stale ? 1.0 : 0.0;
  float turn = radians(look.x);
  way = vec2(sin(turn), -cos(turn));
  kind = look.z;
  bool here = place.x < 4.0;
  gl_Position = here ? matrix * vec4(place, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = here ? pixels : 0.0;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in float grey;
flat in vec2 way;
flat in float kind;
uniform vec3 ink;
uniform vec3 paper;
uniform vec3 faint;
out vec4 colour;
void main() {
  vec2 at = gl_PointCoord * 2.0 - 1.0;
  float far = length(at);
  if (kind > 0.5 && kind < 1.5) far = max(abs(at.x), abs(at.y)) * 1.2;
  if (kind > 1.5 && kind < 2.5) far = max(abs(at.x) * 0.87 + at.y * 0.5, -at.y) * 1.7;
  if (kind > 2.5 && kind < 3.5) far = abs(at.x) + abs(at.y);
  if (far > 0.95) discard;
  bool notch = dot(at, way) > 0.25 && abs(at.x * way.y - at.y * way.x) < 0.16;
  bool hollow = grey > 0.5 || kind > 3.5;
  vec3 fill = grey > 0.5 ? faint : ink;
  if (far > 0.72 || notch || (hollow && far < 0.42)) colour = vec4(paper, 1.0);
  else colour = vec4(fill, 1.0);
}`;

/** Pixels across a point; a finger's width is for the list. */
const POINT_PX = 15;
/** The view is this far (in Web Mercator units of the zoom) from the anchor before a new one is dropped. */
const ANCHOR_TILES = 8;

function rgb(name: string): [number, number, number] {
  const pen = document.createElement('canvas').getContext('2d');
  if (!pen) return [0, 0, 0];
  pen.fillStyle = token(name);
  pen.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0] = pen.getImageData(0, 0, 1, 1).data;
  return [r / 255, g / 255, b / 255];
}

function program(gl: WebGL2RenderingContext): WebGLProgram {
  const made = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error('no shader');
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.bindAttribLocation(made, 0, 'place');
  gl.bindAttribLocation(made, 1, 'look');
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made) ?? 'not linked');
  return made;
}

/** The matrix times a move to the anchor, in 64-bit floats before it becomes 32. */
function moved(matrix: ArrayLike<number>, [x, y]: [number, number]): Float32Array {
  const made = Float32Array.from(matrix);
  for (let row = 0; row < 4; row++) made[12 + row] = matrix[row]! * x + matrix[4 + row]! * y + matrix[12 + row]!;
  return made;
}

export class Swarm implements CustomLayerInterface {
  readonly id = 'swarm';
  readonly type = 'custom' as const;
  readonly renderingMode = '2d' as const;

  /** Whether it is drawn: where there is little, symbols say more. */
  shown = true;

  #map: MapLibre | null = null;
  #program: WebGLProgram | null = null;
  #buffer: WebGLBuffer | null = null;
  #array: WebGLVertexArrayObject | null = null;
  #room = 0;
  #sent = -1;
  #colours: [number, number, number][] = [];

  constructor(private readonly moving: Moving) {}

  onAdd(map: MapLibre, gl: WebGL2RenderingContext): void {
    this.#map = map;
    this.#program = program(gl);
    this.#buffer = gl.createBuffer();
    this.#array = gl.createVertexArray();
    this.#room = 0;
    this.#sent = -1;
    this.#colours = [rgb('--accent'), rgb('--paper'), rgb('--grey')];
    gl.bindVertexArray(this.#array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, FLOATS * 4, 0);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 3, gl.FLOAT, false, FLOATS * 4, 8);
    gl.bindVertexArray(null);
  }

  onRemove(_map: MapLibre, gl: WebGL2RenderingContext): void {
    gl.deleteBuffer(this.#buffer);
    gl.deleteVertexArray(this.#array);
    gl.deleteProgram(this.#program);
    this.#map = null;
  }

  render(gl: WebGL2RenderingContext, given: CustomRenderMethodInput): void {
    const { moving } = this;
    if (!this.#program || !this.#map || !this.shown) return;
    this.#settle();
    gl.useProgram(this.#program);
    gl.bindVertexArray(this.#array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer);
    if (this.#room !== moving.points.length) {
      this.#room = moving.points.length;
      gl.bufferData(gl.ARRAY_BUFFER, moving.points, gl.DYNAMIC_DRAW);
    } else if (this.#sent !== moving.version) {
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, moving.points, 0, moving.size * FLOATS);
    }
    this.#sent = moving.version;
    const at = (name: string) => gl.getUniformLocation(this.#program!, name);
    gl.uniformMatrix4fv(at('matrix'), false, moved(given.defaultProjectionData.mainMatrix, moving.anchor));
    gl.uniform1f(at('now'), (Date.now() - moving.epoch) / 1000);
    gl.uniform1f(at('stale'), STALE_MS / 1000);
    gl.uniform1f(at('pixels'), POINT_PX * this.#map.getPixelRatio());
    (['ink', 'paper', 'faint'] as const).forEach((name, n) => gl.uniform3fv(at(name), this.#colours[n]!));
    gl.disable(gl.DEPTH_TEST);
    gl.drawArrays(gl.POINTS, 1, Math.max(0, moving.size - 1));
    gl.bindVertexArray(null);
  }

  /** Drop the anchor under the view when the view has gone far from it. */
  #settle(): void {
    const { lng, lat } = this.#map!.getCenter();
    const x = lng / 360 + 0.5;
    const y = 0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / (2 * Math.PI);
    const reach = ANCHOR_TILES / 2 ** this.#map!.getZoom();
    const [ax, ay] = this.moving.anchor;
    if (Math.abs(x - ax) > reach || Math.abs(y - ay) > reach) this.moving.anchorAt(x, y);
  }
}
