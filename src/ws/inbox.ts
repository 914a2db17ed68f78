/** Bytes of frames that may wait for the ones before them. */
const MAX_QUEUED_COST = 4 * 1024 * 1024;
/** Bytes of messages that may be with the writer; what comes behind them waits here. */
const MAX_UNSETTLED_COST = 1024 * 1024;

/**
 * What one client sent, taken up one after the other in the order in which it came. Some of it
 * (messages) only has to be begun before the next is taken up; its cost is counted until it is settled.
 */
export class Inbox<Item> {
  readonly #queue: { item: Item; cost: number }[] = [];
  #queuedCost = 0;
  #unsettledCost = 0;
  #busy = false;
  #whenSettled: (() => void) | undefined;

  /**
   * @param handle takes up one item; a promise, which must not reject, holds up the next one
   */
  constructor(private readonly handle: (item: Item) => Promise<void> | undefined) {}

  /** @returns false when too much waits already; then the item is not taken */
  push(item: Item, cost: number): boolean {
    if (this.#queuedCost + cost > MAX_QUEUED_COST) return false;
    this.#queuedCost += cost;
    this.#queue.push({ item, cost });
    this.#pump();
    return true;
  }

  /** Something was begun that the next item need not wait for. It must be told by {@link settle}. */
  begin(cost: number): void {
    this.#unsettledCost += cost;
  }

  settle(cost: number): void {
    this.#unsettledCost -= cost;
    if (this.#unsettledCost === 0) this.#whenSettled?.();
    this.#pump();
  }

  /** Returns when all that was begun is settled. For the item that is being handled. */
  async settled(): Promise<void> {
    if (this.#unsettledCost === 0) return;
    await new Promise<void>((done) => {
      this.#whenSettled = done;
    });
  }

  #pump(): void {
    while (!this.#busy && this.#unsettledCost < MAX_UNSETTLED_COST) {
      const next = this.#queue.shift();
      if (!next) return;
      this.#queuedCost -= next.cost;
      const effect = this.handle(next.item);
      if (!effect) continue;
      this.#busy = true;
      void effect.then(() => {
        this.#busy = false;
        this.#pump();
      });
    }
  }
}
