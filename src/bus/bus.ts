import type { StoredMessage } from '../types/rest.ts';

/** What every server must hear of, in the order in which it was published. */
export type BusEvent =
  /** Committed, in the order of the commits; within a room by rising `rev`. */
  | { kind: 'messages'; messages: StoredMessage[] }
  /** These rooms may have changes that were never published: ask the database. */
  | { kind: 'doubt'; rooms: string[] };

/** Carries what was committed to whoever shows it. */
export interface Bus {
  publish(event: BusEvent): void;
  /** @returns the function that ends the subscription */
  subscribe(listener: (event: BusEvent) => void): () => void;
}
