import type { Load } from '../limits/limits.ts';

/** The most bytes of frames that may wait in the queue. */
const MAX_QUEUED_COST = 4 * 1024 * 1024;
/** The most bytes of messages that may be unsettled at the writer; further frames wait in the queue. */
const MAX_UNSETTLED_COST = 1024 * 1024;

/** Handles the items of an {@link Inbox}. */
export interface Handler<Item> {
  /** @returns a promise, which must not reject, when the next item has to wait for this one */
  handle(item: Item): Promise<void> | undefined;
}

/** Without a limit. */
const UNBOUNDED: Load = { take: () => true, give: () => {} };

/**
 * A queue of what one client sent, handled one item after the other. Some items (messages) only have to be begun
 * before the next one is handled; their cost is counted until they are settled.
 */
export class Inbox<Item> {
  /** Undefined while nothing waits, since that is how most connections spend their lives. */
  #queue: { item: Item; cost: number }[] | undefined;
  #queuedCost = 0;
  #unsettledCost = 0;
  #busy = false;
  #isBegun = false;
  #whenSettled: (() => void) | undefined;

  /**
   * @param load the unanswered bytes of the client's network, over all its connections
   */
  constructor(
    private readonly handler: Handler<Item>,
    private readonly load: Load = UNBOUNDED,
  ) {}

  /** @returns false when the queue is full, and the item was not added */
  push(item: Item, cost: number): boolean {
    if (this.#queuedCost + cost > MAX_QUEUED_COST || !this.load.take(cost)) return false;
    if (!this.#queue && this.#isFree) {
      this.#handle(item, cost);
      return true;
    }
    this.#queuedCost += cost;
    this.#queue ??= [];
    this.#queue.push({ item, cost });
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

  /** Whether the next item may be handled now. */
  get #isFree(): boolean {
    return !this.#busy && this.#unsettledCost < MAX_UNSETTLED_COST;
  }

  #pump(): void {
    while (this.#queue && this.#isFree) {
      const next = this.#queue.shift();
      if (this.#queue.length === 0) this.#queue = undefined;
      if (!next) return;
      this.#queuedCost -= next.cost;
      this.#handle(next.item, next.cost);
    }
  }

  #handle(item: Item, cost: number): void {
    this.#isBegun = false;
    const effect = this.handler.handle(item);
    if (!effect) {
      this.#done(cost);
      return;
    }
    this.#busy = true;
    void effect.then(() => {
      this.#done(cost);
      this.#busy = false;
      this.#pump();
    });
  }
}
