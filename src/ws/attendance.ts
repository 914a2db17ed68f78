import type { Person } from '../types/identity.ts';

interface Present {
  person: Person;
  connections: number;
  /** Runs while no connection is left, until the user counts as gone. */
  grace?: ReturnType<typeof setTimeout>;
  droppedAt?: Date;
}

export interface AttendanceEvents {
  /** The user's first connection in the room. */
  onEnter(room: string, person: Person): void;
  /** The user's last connection in the room is gone, the grace included; it ended at `lastSeen`. */
  onLeave(room: string, person: Person, lastSeen: Date): void;
}

/** Who is in which room on this server: once per user, however many connections the user has there. */
export class Attendance {
  readonly #rooms = new Map<string, Map<number, Present>>();

  /** @param grace seconds that a dropped user stays present */
  constructor(
    private readonly grace: number,
    private readonly events: AttendanceEvents,
  ) {}

  /** A connection of this user enters the room. */
  enter(room: string, person: Person): void {
    const people = this.#rooms.get(room) ?? new Map<number, Present>();
    this.#rooms.set(room, people);
    const present = people.get(person.id);
    if (present) {
      present.connections += 1;
      clearTimeout(present.grace);
      delete present.grace;
      delete present.droppedAt;
    } else {
      people.set(person.id, { person, connections: 1 });
      this.events.onEnter(room, person);
    }
  }

  /** A connection of this user leaves the room of its own will. */
  leave(room: string, person: Person): void {
    if (this.#disconnect(room, person)) this.#remove(room, person, new Date());
  }

  /** A connection of this user was lost at `at`; the user may be back soon. */
  drop(room: string, person: Person, at: Date): void {
    const present = this.#disconnect(room, person);
    if (!present) return;
    present.droppedAt = at;
    const remaining = at.getTime() + this.grace * 1000 - Date.now();
    if (remaining <= 0) this.#remove(room, person, at);
    else present.grace = setTimeout(() => this.#remove(room, person, at), remaining);
  }

  /** All who are here: each user once for every room. */
  all(): [room: string, person: Person][] {
    return [...this.#rooms].flatMap(([room, people]) =>
      Array.from(people.values(), ({ person }): [string, Person] => [room, person]),
    );
  }

  /** The server stops: all are gone, as of now or of when they dropped. */
  close(): void {
    for (const [room, people] of [...this.#rooms]) {
      for (const { person, droppedAt } of [...people.values()]) {
        this.#remove(room, person, droppedAt ?? new Date());
      }
    }
  }

  /** @returns the user when this was the last connection in the room */
  #disconnect(room: string, person: Person): Present | undefined {
    const present = this.#rooms.get(room)?.get(person.id);
    if (!present || present.connections === 0) return;
    present.connections -= 1;
    return present.connections === 0 ? present : undefined;
  }

  #remove(room: string, person: Person, lastSeen: Date): void {
    const people = this.#rooms.get(room);
    clearTimeout(people?.get(person.id)?.grace);
    people?.delete(person.id);
    if (people?.size === 0) this.#rooms.delete(room);
    this.events.onLeave(room, person, lastSeen);
  }
}
