import { type Ids, systemIds } from '../lib/ids.ts';
import type { Bus, BusEvent, BusListener } from './bus.ts';

/** The bus of a server on its own. */
export class MemoryBus implements Bus {
  readonly server: string;
  readonly isShared: boolean = false;
  readonly #listeners = new Set<BusListener>();

  constructor({ ids }: { ids: Ids } = { ids: systemIds }) {
    this.server = ids.uuid();
  }

  get isInSync(): boolean {
    return true;
  }

  publish(event: BusEvent): void {
    for (const listener of this.#listeners) {
      const handle = listener[event.kind] as ((event: BusEvent) => void) | undefined;
      handle?.(event);
    }
  }

  subscribe(listener: BusListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
