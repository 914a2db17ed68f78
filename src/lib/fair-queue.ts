import type { Cancel, Clock } from './clock.ts';

/**
 * Whose work it is, such as a network and then an account: works take turns by the first key, and each key has a
 * bound of its own.
 */
export type Keys = readonly [lane: string, ...others: string[]];

interface Waiting {
  keys: Keys;
  start(): void;
  refuse(error: unknown): void;
  cancel?: Cancel | undefined;
}

/** The options of a {@link FairQueue}. */
export interface FairQueueOptions {
  /** The most works that run at once. */
  atOnce: number;
  /** The most works of any one key that run at once. */
  atOncePerKey: number;
  /** The most works that wait. */
  waiting: number;
  /** How long a work may wait, in milliseconds. */
  patience?: number;
  /** Whether a failed work fails all waiting ones, as they depend on the same thing, which does not answer. */
  isSharedFate?: boolean;
  /** Makes the error for works that find no room. */
  tooMany(): Error;
  /** For the patience. */
  clock?: Clock | undefined;
}

/**
 * Runs a few works at a time; waiting ones take turns by their key. A key with a thousand works waits behind its
 * own, and a key with one is next. When the queue is full, the key with the most works gives way.
 */
export class FairQueue {
  #running = 0;
  #waiting = 0;
  readonly #runningOf = new Map<string, number>();
  /** The waiting works by their first key in the order of turns; a key moves to the end after its turn. */
  readonly #lanes = new Map<string, Waiting[]>();

  constructor(private readonly options: FairQueueOptions) {}

  /**
   * Runs a work when its turn comes.
   *
   * @throws `tooMany()` when too many works wait, and the errors of the work
   */
  async run<T>(keys: Keys, work: () => Promise<T>): Promise<T> {
    await this.#turn(keys);
    try {
      return await work();
    } catch (error) {
      if (this.options.isSharedFate) this.#refuseAll(error);
      throw error;
    } finally {
      this.#end(keys);
    }
  }

  #turn(keys: Keys): Promise<void> | undefined {
    if (this.#mayStart(keys)) {
      this.#begin(keys);
      return;
    }
    const [key] = keys;
    const lane = this.#lanes.get(key) ?? [];
    if (this.#waiting >= this.options.waiting) this.#makePlace(lane);
    this.#waiting += 1;
    this.#lanes.set(key, lane);
    return new Promise((start, refuse) => {
      const waiting: Waiting = { keys, start, refuse };
      lane.push(waiting);
      this.#bePatient(key, lane, waiting);
    });
  }

  #refuseAll(error: unknown): void {
    for (const { cancel, refuse } of [...this.#lanes.values()].flat()) {
      cancel?.();
      refuse(error);
    }
    this.#lanes.clear();
    this.#waiting = 0;
  }

  /** Gives up a work that has waited for too long, for example behind a database that hangs. */
  #bePatient(key: string, lane: Waiting[], waiting: Waiting): void {
    const { patience } = this.options;
    if (patience === undefined) return;
    waiting.cancel = this.options.clock?.timer(patience, () => {
      lane.splice(lane.indexOf(waiting), 1);
      if (lane.length === 0) this.#lanes.delete(key);
      this.#waiting -= 1;
      waiting.refuse(this.options.tooMany());
    });
  }

  /** @throws `tooMany()` when no lane is longer than the given one */
  #makePlace(lane: Waiting[]): void {
    const lanes = [...this.#lanes.values()];
    const longest = lanes.reduce((a, b) => (b.length > a.length ? b : a), lane);
    if (longest.length <= lane.length + 1) throw this.options.tooMany();
    const last = longest.pop();
    last?.cancel?.();
    last?.refuse(this.options.tooMany());
    this.#waiting -= 1;
  }

  #mayStart(keys: Keys): boolean {
    const { atOnce, atOncePerKey } = this.options;
    if (this.#running >= atOnce) return false;
    return keys.every((key) => (this.#runningOf.get(key) ?? 0) < atOncePerKey);
  }

  #begin(keys: Keys): void {
    this.#running += 1;
    for (const key of keys) this.#runningOf.set(key, (this.#runningOf.get(key) ?? 0) + 1);
  }

  #end(keys: Keys): void {
    this.#running -= 1;
    for (const key of keys) {
      const left = (this.#runningOf.get(key) ?? 1) - 1;
      if (left === 0) this.#runningOf.delete(key);
      else this.#runningOf.set(key, left);
    }
    // Each key may have held up another work.
    while (this.#startNext());
  }

  /** @returns whether a waiting work could be started */
  #startNext(): boolean {
    for (const [key, lane] of this.#lanes) {
      // A network is not held up by one of its users.
      const at = lane.findIndex(({ keys }) => this.#mayStart(keys));
      const [next] = at === -1 ? [] : lane.splice(at, 1);
      if (!next) continue;
      this.#lanes.delete(key);
      if (lane.length > 0) this.#lanes.set(key, lane);
      this.#waiting -= 1;
      this.#begin(next.keys);
      next.cancel?.();
      next.start();
      return true;
    }
    return false;
  }
}
