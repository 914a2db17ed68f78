import type { Feed } from './feed.ts';
import type { Platform } from './platform.ts';

/** Rooms that are entered at the same time: a server refuses too many frames at once. */
const MAX_ENTERING = 8;

/** Rooms enter a connection in the order in which they asked, some at a time. */
export class Entrance {
  readonly #waiting = new Set<Feed>();
  /** Those that are being entered on the open connection. */
  #entering = new Set<Feed>();

  constructor(
    private readonly platform: Platform,
    private readonly connection: { readonly isOpen: boolean },
  ) {}

  add(...rooms: Feed[]): void {
    for (const room of rooms) if (room.name) this.#waiting.add(room);
    for (const room of this.#waiting) {
      if (!this.connection.isOpen || this.#entering.size >= MAX_ENTERING) return;
      this.#waiting.delete(room);
      const entering = this.#entering.add(room);
      room.join((wait) => {
        entering.delete(room);
        if (wait) this.platform.after(wait * 1000, () => this.add(room));
        else this.add();
      });
    }
  }

  /** The connection is gone. */
  lost(): void {
    this.#entering = new Set();
  }
}
