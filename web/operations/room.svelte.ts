/**
 * What the room knows: the shared picture, who and what has a position, the marks, the recordings, and the one live view.
 *
 * One object for the page, so that the list, the map, the video and the time line always speak of the same thing.
 */
import { act, asFailure, type Problem, type Refusal } from '../kit/api';
import { FRAME, namesMessage, viewMessage, type View } from '../kit/frames';
import { live, type EntityName } from '../kit/live.svelte';
import { now } from '../kit/time.svelte';
import { Moving } from './moving';
import type { Camera, Entity, LatLon, Mark, Mission, Order, Picture, Recording, Source } from './types';
import { Wall } from './wall.svelte';
import { Watch } from './watch.svelte';

/** Changes come in bursts; the picture is asked for once after them. */
const SETTLE_MS = 120;
/** Symbols and the list follow positions at most this often; the points of the map follow each frame. */
const DRAW_EVERY_MS = 250;
/** More in view than this are points and counts; fewer are symbols with names. */
export const SYMBOLS = 500;
/** Without a map (it could not be drawn) everything is followed, for the list. */
const FOLLOW_WITHIN_MS = 3000;
const MARKS_KEPT = 20;

export class Room {
  picture = $state.raw<Picture | null>(null);
  /** When the picture was received, milliseconds since 1970. */
  pictureAt = $state<number | null>(null);
  failure = $state<Refusal | Problem | null>(null);
  /** Receivers of what drones signal: declared like cameras, and no cameras. */
  receivers = $state.raw<Source[]>([]);
  recordings = $state.raw<Recording[]>([]);
  recordingsFailure = $state<Refusal | Problem | null>(null);
  /** What is in the map's view, where that can be told apart: at most `SYMBOLS`. */
  entities = $state.raw<Entity[]>([]);
  /** How many there are in the map's view. */
  crowd = $state(0);
  moving = new Moving();
  marks = $state<Mark[]>([]);
  selected = $state<string | null>(null);
  /** The source whose view was taken away, so that it can be offered again. */
  interrupted = $state<string | null>(null);
  watch = new Watch();
  wall = new Wall();

  /** A pocket terminal has no use for the list of recordings: it is not asked for over a weak network. */
  readonly #light: boolean;

  constructor({ light = false } = {}) {
    this.#light = light;
  }

  #names = new Map<number, EntityName>();
  #view: View = [-90, -180, 90, 180];
  #follow: { view?: View } = {};
  #following: (() => void) | null = null;
  #wait: ReturnType<typeof setTimeout> | undefined;
  #reload: ReturnType<typeof setTimeout> | undefined;
  #draw: ReturnType<typeof setTimeout> | undefined;
  #mark = 1;

  get source(): Source | null {
    return this.picture?.sources.find((s) => s.id === this.selected) ?? null;
  }

  /** Follow the server; the returned function stops. */
  start(): () => void {
    const offs = [
      live.on('picture', () => this.refreshSoon()),
      live.on('source', (push) => {
        if (!this.picture) return;
        const sources = this.picture.sources.map((s) =>
          s.id === push.source ? { ...s, state: push.state, detail: push.detail } : s,
        );
        this.picture = { ...this.picture, sources };
      }),
      live.on('watch.ended', (push) => {
        if (push.watch === this.watch.id || this.watch.ending === 'refused') this.interrupted = this.watch.source;
        this.refreshSoon();
      }),
      live.on('entities', (push) => {
        for (const one of push.entities) {
          this.#names.set(one.number, one);
          this.moving.kind(one.number, one.kind);
        }
        this.#drawSoon();
      }),
      live.onFrame((frame) => {
        if (frame.kind !== FRAME.positions) return;
        this.moving.take(frame);
        this.#drawSoon();
      }),
    ];
    this.#wait = setTimeout(() => this.#subscribe(), FOLLOW_WITHIN_MS);
    void this.refresh();
    return () => {
      for (const off of offs) off();
      clearTimeout(this.#reload);
      clearTimeout(this.#draw);
      clearTimeout(this.#wait);
      this.#following?.();
      this.#following = null;
      void this.watch.close();
      void this.wall.clear();
    };
  }

  refreshSoon(): void {
    clearTimeout(this.#reload);
    this.#reload = setTimeout(() => void this.refresh(), SETTLE_MS);
  }

  async refresh(): Promise<void> {
    try {
      const { result } = await act<Picture>('operations.picture');
      this.receivers = result.sources.filter((s) => s.kind === 'remoteid');
      this.picture = { ...result, sources: result.sources.filter((s) => s.kind !== 'remoteid') };
      this.pictureAt = now();
      this.failure = null;
      const { sources } = this.picture;
      const watched = sources.find((s) => s.id === this.watch.source);
      if (this.watch.on && watched?.deployment !== this.watch.deployment) this.watch.stopped();
      this.wall.follow(new Map(sources.map((s) => [s.id, s.deployment])));
      if (!sources.some((s) => s.id === this.selected)) {
        this.selected = (sources.find((s) => s.deployment) ?? sources[0])?.id ?? null;
      }
    } catch (error) {
      this.failure = asFailure(error);
      return;
    }
    if (!this.#light) await this.refreshRecordings();
  }

  async refreshRecordings(): Promise<void> {
    try {
      this.recordings = (await act<{ recordings: Recording[] }>('operations.recordings.list')).result.recordings;
      this.recordingsFailure = null;
    } catch (error) {
      this.recordingsFailure = asFailure(error);
    }
  }

  /** The mission a source films for, and the deployment that says so. */
  deploymentOf(source: Source | null): { mission: Mission; camera: Camera } | null {
    if (!source?.deployment || !this.picture) return null;
    for (const mission of this.picture.missions) {
      const camera = mission.cameras.find((c) => c.id === source.deployment);
      if (camera) return { mission, camera };
    }
    return null;
  }

  orderOf(source: Source | null): Order | null {
    return this.deploymentOf(source)?.mission.order ?? null;
  }

  /** Start or resume watching a source. */
  async look(source: Source): Promise<void> {
    if (!source.deployment) return;
    this.interrupted = null;
    this.selected = source.id;
    await this.watch.open(source.id, source.deployment, this.orderOf(source)?.purpose ?? null);
  }

  /** The wall in place of the map, or the map again: the pictures of one are given back before those of the other. */
  async showWall(open: boolean): Promise<void> {
    if (this.wall.open === open) return;
    this.wall.open = open;
    await (open ? this.watch.close() : this.wall.clear());
  }

  /** Put a camera on the wall, or take it off. */
  async toggleOnWall(source: Source): Promise<void> {
    if (this.wall.of(source.id)) await this.wall.remove(source.id);
    else await this.wall.add(source, this.orderOf(source));
  }

  select(id: string): void {
    if (this.selected === id) return;
    this.selected = id;
    // One view at a time: a lease that nobody looks at is a view too many.
    if (this.watch.source !== id) void this.watch.close();
  }

  mark(at: LatLon, from: Mark['from']): Mark {
    const moment = from === 'picture' ? (this.watch.klv?.time ?? null) : null;
    const mark: Mark = { ...at, id: this.#mark++, at: now(), from, source: this.selected, moment, note: null };
    this.marks = [mark, ...this.marks].slice(0, MARKS_KEPT);
    return mark;
  }

  unmark(id: number): void {
    this.marks = this.marks.filter((m) => m.id !== id);
  }

  /** The map looks there: positions are followed there, and nowhere else. */
  face(view: View): void {
    this.#view = view;
    this.#follow.view = view;
    clearTimeout(this.#wait);
    if (this.#following) live.send(viewMessage(view));
    else this.#subscribe();
    this.#drawSoon();
  }

  /** What an entity is called; null while that is asked for. */
  name(number: number): EntityName | null {
    return this.#names.get(number) ?? null;
  }

  #subscribe(): void {
    this.#following ??= live.keep('operations.track.subscribe', this.#follow, (error) => console.info('track.subscribe:', error));
  }

  #drawSoon(): void {
    this.#draw ??= setTimeout(() => {
      this.#draw = undefined;
      const { numbers, count } = this.moving.within(this.#view, SYMBOLS);
      const unknown = numbers.filter((n) => !this.#names.has(n));
      if (unknown.length > 0 && this.#follow.view) live.send(namesMessage(unknown));
      this.crowd = count;
      this.entities = numbers.map((number) => {
        const named = this.#names.get(number);
        return { ...this.moving.one(number), number, id: named?.id ?? String(number), name: named?.name ?? '', kind: named?.kind ?? '' };
      });
    }, DRAW_EVERY_MS);
  }
}
