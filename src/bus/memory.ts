import type { Bus, BusEvent } from './bus.ts';

/** The bus of a server on its own: an event is with every listener when `publish` returns. */
export class MemoryBus implements Bus {
  readonly #listeners = new Set<(event: BusEvent) => void>();

  publish(event: BusEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  subscribe(listener: (event: BusEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
