import type { Feed } from './feed.ts';
import type { Platform } from './platform.ts';

/** Joins that may wait for their answers at once: a server refuses too many frames. */
const MAX_JOINING = 8;

/** Joins rooms in order, a few at a time. */
export class JoinQueue {
  readonly #waiting = new Set<Feed>();
  /** The rooms whose joins wait for an answer on this connection. */
  #entering = new Set<Feed>();

  constructor(
    private readonly platform: Platform,
    private readonly connection: { readonly isOpen: boolean },
  ) {}

  add(...rooms: Feed[]): void {
    for (const room of rooms) if (room.name) this.#waiting.add(room);
    for (const room of this.#waiting) {
      if (!this.connection.isOpen || this.#entering.size >= MAX_JOINING) return;
      this.#waiting.delete(room);
      const entering = this.#entering.add(room);
      room.join((wait) => {
        entering.delete(room);
        if (wait) this.platform.after(wait * 1000, () => this.add(room));
        else this.add();
      });
    }
  }

  /** Forgets the joins of a connection that is gone. */
  lost(): void {
    this.#entering = new Set();
  }
}
