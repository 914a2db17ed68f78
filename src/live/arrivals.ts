import type { Membership, Principal, Room } from '../protocol/room.ts';
import type { RoomEvent } from './room.ts';

/** The changes of a room that arrived while a reader was entering it, as far as they concern this reader. */
export interface News {
  room?: Room;
  membership?: Membership;
  isDeleted?: true;
}

interface Arrival {
  principal(): Principal;
  /** By the ids of the rooms that have had the name meanwhile. */
  news: Map<number, News>;
}

/** The readers that are entering a room, by its name, since nothing else is known before the look-up. */
export class Arrivals {
  readonly #byName = new Map<string, Set<Arrival>>();

  /** @returns the changes that arrive from now on, and the function that ends this */
  open(name: string, principal: () => Principal): [news: Map<number, News>, close: () => void] {
    const arrival: Arrival = { principal, news: new Map() };
    const all = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, all.add(arrival));
    const close = () => {
      all.delete(arrival);
      if (all.size === 0 && this.#byName.get(name) === all) this.#byName.delete(name);
    };
    return [arrival.news, close];
  }

  handle(event: RoomEvent): void {
    for (const arrival of this.#byName.get(event.room.name) ?? []) note(arrival, event);
  }
}

function note({ principal, news }: Arrival, event: RoomEvent): void {
  const known = news.get(event.room.id) ?? {};
  news.set(event.room.id, known);
  switch (event.kind) {
    case 'room.deleted':
      known.isDeleted = true;
      return;
    case 'room.updated':
      if (!known.room || event.room.version > known.room.version) known.room = event.room;
      return;
    case 'membership.updated':
      if (event.userId !== principal().user?.id) return;
      known.membership = newer(event.membership, known.membership);
  }
}

export function newer(membership: Membership, other: Membership | undefined): Membership {
  return other && other.version > membership.version ? other : membership;
}
