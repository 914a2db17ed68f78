import type { Load } from '../limits/limits.ts';

/** The most bytes of frames that may wait in the queue. */
const MAX_QUEUED_COST = 4 * 1024 * 1024;
/** The most bytes of messages that may be unsettled at the writer; further frames wait in the queue. */
const MAX_UNSETTLED_COST = 1024 * 1024;

/** Without a limit. */
const UNBOUNDED: Load = { take: () => true, give: () => {} };

/**
 * A queue of what one client sent, handled one item after the other. Some items (messages) only have to be begun
 * before the next one is handled; their cost is counted until they are settled.
 */
export class Inbox<Item> {
  readonly #queue: { item: Item; cost: number }[] = [];
  #queuedCost = 0;
  #unsettledCost = 0;
  #busy = false;
  #isBegun = false;
  #whenSettled: (() => void) | undefined;

  /**
   * @param handle handles one item; a promise, which must not reject, delays the next item
   * @param load the unanswered bytes of the client's network, over all its connections
   */
  constructor(
    private readonly handle: (item: Item) => Promise<void> | undefined,
    private readonly load: Load = UNBOUNDED,
  ) {}

  /** @returns false when the queue is full, and the item was not added */
  push(item: Item, cost: number): boolean {
    if (this.#queuedCost + cost > MAX_QUEUED_COST || !this.load.take(cost)) return false;
    this.#queuedCost += cost;
    this.#queue.push({ item, cost });
    this.#pump();
    return true;
  }

  /**
   * The item that is being handled was begun, and the next one need not wait for it. {@link settle} must be
   * called later with the same cost.
   */
  begin(cost: number): void {
    this.#isBegun = true;
    this.#unsettledCost += cost;
  }

  settle(cost: number): void {
    this.#unsettledCost -= cost;
    this.load.give(cost);
    if (this.#unsettledCost === 0) this.#whenSettled?.();
    this.#pump();
  }

  /** Returns when all items that were begun are settled; to be called while an item is handled. */
  async settled(): Promise<void> {
    if (this.#unsettledCost === 0) return;
    await new Promise<void>((done) => {
      this.#whenSettled = done;
    });
  }

  /** A begun item counts until it is settled. */
  #done(cost: number): void {
    if (!this.#isBegun) this.load.give(cost);
  }

  #pump(): void {
    while (!this.#busy && this.#unsettledCost < MAX_UNSETTLED_COST) {
      const next = this.#queue.shift();
      if (!next) return;
      const { item, cost } = next;
      this.#queuedCost -= cost;
      this.#isBegun = false;
      const effect = this.handle(item);
      if (!effect) {
        this.#done(cost);
        continue;
      }
      this.#busy = true;
      void effect.then(() => {
        this.#done(cost);
        this.#busy = false;
        this.#pump();
      });
    }
  }
}
