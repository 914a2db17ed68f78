import type { Cancel, Clock } from '../lib/clock.ts';
import { SmallMap } from '../lib/small-map.ts';
import type { Person } from '../protocol/identity.ts';
import type { RoomRef } from '../protocol/room.ts';

/** A user in a room, with any number of connections. */
interface Attendee {
  person: Person;
  connections: number;
  /** Cancels the end of the presence; set while no connection is left. */
  endGrace?: Cancel;
  droppedAt?: Date;
}

interface Attendance {
  room: RoomRef;
  people: SmallMap<number, Attendee>;
}

export interface LocalPresenceEvents {
  /** The user's first connection in the room. */
  onEnter(room: RoomRef, person: Person): void;
  /** The grace after the user's last connection in the room is over. */
  onLeave(room: RoomRef, person: Person): void;
  /** The user's last connection in a room ended at this time. */
  onSeen(person: Person, lastSeen: Date): void;
}

/** The users in each room on this server: each once, however many connections the user has there. */
export class LocalPresence {
  readonly #rooms = new Map<number, Attendance>();

  /** @param options `grace`: seconds that a dropped user stays present */
  constructor(
    private readonly options: { clock: Clock; grace: number; events: LocalPresenceEvents },
  ) {}

  /** A connection of this user joins the room. */
  connect(room: RoomRef, person: Person): void {
    const attendance = this.#rooms.get(room.id) ?? {
      room,
      people: new SmallMap<number, Attendee>(),
    };
    this.#rooms.set(room.id, attendance);
    const attendee = attendance.people.get(person.id);
    if (attendee) {
      attendee.connections += 1;
      attendee.endGrace?.();
      delete attendee.endGrace;
      delete attendee.droppedAt;
    } else {
      attendance.people.add(person.id, { person, connections: 1 });
      this.options.events.onEnter(room, person);
    }
  }

  /** A connection of this user leaves the room on request. */
  leave(room: RoomRef, person: Person): void {
    if (this.#disconnect(room, person))
      this.#remove(room, person, new Date(this.options.clock.now()));
  }

  /** A connection of this user was lost at `at`; the user may be back soon. */
  drop(room: RoomRef, person: Person, at: Date): void {
    const attendee = this.#disconnect(room, person);
    if (!attendee) return;
    attendee.droppedAt = at;
    const { clock, grace } = this.options;
    const remaining = at.getTime() + grace * 1000 - clock.now();
    if (remaining <= 0) this.#remove(room, person, at);
    else attendee.endGrace = clock.timer(remaining, () => this.#remove(room, person, at));
  }

  /** The users of each room. */
  all(): { room: RoomRef; people: Person[] }[] {
    return Array.from(this.#rooms.values(), ({ room, people }) => ({
      room,
      people: Array.from(people.values(), ({ person }) => person),
    }));
  }

  /**
   * The server stops: its users were seen until now, or until their connections were lost. They have not
   * left, but reconnect to another server; therefore `onLeave` is not called.
   */
  close(): void {
    for (const { people } of this.#rooms.values()) {
      for (const { person, endGrace, droppedAt } of people.values()) {
        endGrace?.();
        this.options.events.onSeen(person, droppedAt ?? new Date(this.options.clock.now()));
      }
    }
    this.#rooms.clear();
  }

  /** @returns the attendee when this was the last connection of the user in the room */
  #disconnect(room: RoomRef, person: Person): Attendee | undefined {
    const attendee = this.#rooms.get(room.id)?.people.get(person.id);
    if (!attendee || attendee.connections === 0) return;
    attendee.connections -= 1;
    return attendee.connections === 0 ? attendee : undefined;
  }

  #remove(room: RoomRef, person: Person, lastSeen: Date): void {
    const people = this.#rooms.get(room.id)?.people;
    people?.get(person.id)?.endGrace?.();
    people?.delete(person.id);
    if (people?.size === 0) this.#rooms.delete(room.id);
    this.options.events.onLeave(room, person);
    this.options.events.onSeen(person, lastSeen);
  }
}
