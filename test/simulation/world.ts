import { Clock } from '../../src/lib/clock.ts';
import type { Ids } from '../../src/lib/ids.ts';
import { seeded } from '../support/random.ts';
import { Story } from './story.ts';

/** The time of day at which every simulation begins, in milliseconds since 1970. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

interface Event {
  due: number;
  order: number;
  run(): unknown;
}

/** The basis of a run: one clock, one order of events, and one source of randomness. */
export class World {
  /** Milliseconds since the beginning. */
  time = 0;
  readonly story = new Story(() => this.time);
  readonly #events: Event[] = [];
  readonly #random: ReturnType<typeof seeded>;
  #order = 0;
  #ids = 0;

  constructor(readonly seed: number) {
    this.#random = seeded(seed);
  }

  /** 0 to `below`, exclusive. */
  integer(below: number): number {
    return this.#random.integer(below);
  }

  /** From `least` to `most`, each whole number as often. */
  between(least: number, most: number): number {
    return least + this.integer(most - least + 1);
  }

  pick<T>(items: readonly T[]): T {
    return this.#random.pick(items);
  }

  /** True with a probability of one in `inTimes`. */
  once(inTimes: number): boolean {
    return this.integer(inTimes) === 0;
  }

  /** A network delay: most often short, now and then long, in milliseconds. */
  delay(usual: number): number {
    return this.once(20) ? this.integer(usual * 20) : 1 + this.integer(usual);
  }

  readonly ids: Ids = { uuid: () => this.uuid() };

  uuid(): string {
    this.#ids += 1;
    return `00000000-0000-4000-8000-${this.#ids.toString(16).padStart(12, '0')}`;
  }

  /** Runs something after `ms` milliseconds; functions due at one time run in the order in which they were set. */
  after(ms: number, run: () => unknown): () => void {
    this.#order += 1;
    const event = { due: this.time + Math.max(0, ms), order: this.#order, run };
    push(this.#events, event);
    return () => {
      event.run = nothing;
    };
  }

  /** Turns the clock: each event runs at its time, and the next one when nothing is left to do at once. */
  async run(ms: number, isOver = () => false): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const next = this.#events[0];
      if (!next || next.due > end || isOver()) break;
      pop(this.#events);
      this.time = Math.max(this.time, next.due);
      if (next.run === nothing) continue;
      await next.run();
      await settle();
    }
    if (!isOver()) this.time = end;
  }
}

function nothing(): void {}

/** Returns when everything that waits only for its turn has gone as far as it can. */
async function settle(): Promise<void> {
  for (let n = 0; n < 2; n++) await new Promise((done) => setImmediate(done));
}

const isBefore = (one: Event, other: Event) =>
  one.due < other.due || (one.due === other.due && one.order < other.order);

/** Adds to a heap whose least event is the first. */
function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    if (!isBefore(event, heap[above] as Event)) break;
    heap[at] = heap[above] as Event;
    at = above;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop() as Event;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && isBefore(heap[below + 1] as Event, heap[below] as Event)) {
      below += 1;
    }
    if (!isBefore(heap[below] as Event, last)) break;
    heap[at] = heap[below] as Event;
    at = below;
  }
  heap[at] = last;
}

/** A process of the simulation: whatever reaches it waits while it is paused, and is lost once it is killed. */
export class Process {
  isAlive = true;
  isPaused = false;
  #waiting: (() => unknown)[] = [];

  constructor(
    readonly world: World,
    readonly name: string,
  ) {}

  readonly clock: Clock = new ProcessClock(this);

  /** Brings something to the process. */
  deliver(run: () => unknown): unknown {
    if (!this.isAlive) return;
    if (this.isPaused) this.#waiting.push(run);
    else return run();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    // Separate events, as a process that continues would read them.
    for (const run of this.#waiting.splice(0)) this.world.after(0, () => this.deliver(run));
  }

  kill(): void {
    this.isAlive = false;
    this.#waiting = [];
  }
}

class ProcessClock extends Clock {
  constructor(private readonly process: Process) {
    super();
  }

  now(): number {
    return EPOCH_MS + this.process.world.time;
  }

  monotonic(): number {
    return this.process.world.time;
  }

  timer(ms: number, then: () => void): () => void {
    let isCancelled = false;
    const cancel = this.process.world.after(ms, () =>
      this.process.deliver(() => {
        if (!isCancelled) then();
      }),
    );
    return () => {
      isCancelled = true;
      cancel();
    };
  }
}
