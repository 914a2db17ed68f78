import type { Bus, BusEvent } from '../bus/bus.ts';
import type { Person } from '../types/identity.ts';
import type { Attendance } from './attendance.ts';

/** Someone who is in a room, and on which servers. */
interface Present {
  person: Person;
  servers: Set<string>;
}

export interface PresenceEvents {
  /** The user is in the room now, and was on no server before. */
  onEnter(room: string, person: Person): void;
  /** The user is in the room on no server any more. */
  onLeave(room: string, person: Person): void;
  /** The user was on a server that is no more; nobody else knows when that was. */
  onLost(person: Person, lastSeen: Date): void;
}

type People = Extract<BusEvent, { kind: 'here' }>['people'];

/** Who is here is told no more often, in milliseconds, however many ask. */
const TELL_EVERY_MS = 100;

/**
 * Who is in which room, on whichever server: once per user. Every server says who comes and goes
 * there, and hears it of all others, so that each knows the whole.
 */
export class Presence {
  readonly #rooms = new Map<string, Map<number, Present>>();
  /** In how many rooms each user is. */
  readonly #online = new Map<number, number>();
  /** The servers of which something was heard, and whether they have said who all is there. */
  readonly #servers = new Map<string, 'partly' | 'wholly'>();
  readonly #unsubscribe: () => void;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  #onServer: (() => void) | undefined;

  /** @param grace seconds that those of a lost server stay present, its lease included */
  constructor(
    private readonly grace: number,
    private readonly attendance: Attendance,
    private readonly bus: Bus,
    private readonly events: PresenceEvents,
  ) {
    this.#unsubscribe = bus.subscribe((event) => this.#hear(event));
  }

  /** The number of people in the room. */
  count(room: string): number {
    return this.#rooms.get(room)?.size ?? 0;
  }

  /** The names of some in the room. */
  some(room: string, limit: number): string[] {
    const people = this.#rooms.get(room)?.values().take(limit) ?? [];
    return Array.from(people, ({ person }) => person.username);
  }

  /** The names of those in the room, or in any room, in their order. */
  usernames(room?: string): string[] {
    const rooms = room === undefined ? [...this.#rooms.values()] : [this.#rooms.get(room)];
    const names = rooms.flatMap((people) =>
      [...(people?.values() ?? [])].map(({ person }) => person.username),
    );
    return [...new Set(names)].sort();
  }

  isOnline(userId: number): boolean {
    return this.#online.has(userId);
  }

  /** The number of users who are in any room. */
  get size(): number {
    return this.#online.size;
  }

  /** Returns when each of these servers has said who is there. */
  async complete(servers: string[]): Promise<void> {
    while (servers.some((server) => this.#servers.get(server) !== 'wholly')) {
      await new Promise<void>((done) => {
        this.#onServer = done;
      });
    }
  }

  close(): void {
    clearTimeout(this.#telling);
    this.#unsubscribe();
  }

  #hear(event: BusEvent): void {
    switch (event.kind) {
      case 'entered':
        if (!this.#servers.has(event.server)) this.#servers.set(event.server, 'partly');
        this.#add(event.server, event.room, event.person);
        return;
      case 'left':
        this.#remove(event.server, event.room, event.person);
        return;
      case 'here':
        // What this server says of itself it has heard bit by bit.
        if (event.server === this.bus.server) return;
        this.#replace(event.server, event.people);
        if (event.isAsking) this.#tellSoon(false);
        return;
      case 'lost':
        this.#lose(event.server, event.silent);
        return;
      case 'doubt':
        // Others may have missed who is here, and we who is there.
        if (!event.rooms && this.bus.isShared) this.#tellSoon(true);
    }
  }

  #add(server: string, room: string, person: Person): void {
    const people = this.#rooms.get(room) ?? new Map<number, Present>();
    this.#rooms.set(room, people);
    const present = people.get(person.id);
    if (present) {
      present.servers.add(server);
    } else {
      people.set(person.id, { person, servers: new Set([server]) });
      this.#online.set(person.id, (this.#online.get(person.id) ?? 0) + 1);
      this.events.onEnter(room, person);
    }
  }

  #remove(server: string, room: string, { id }: Person): boolean {
    const people = this.#rooms.get(room);
    const present = people?.get(id);
    if (!people || !present?.servers.delete(server) || present.servers.size > 0) return false;
    people.delete(id);
    if (people.size === 0) this.#rooms.delete(room);
    const left = (this.#online.get(id) ?? 1) - 1;
    if (left > 0) this.#online.set(id, left);
    else this.#online.delete(id);
    this.events.onLeave(room, present.person);
    return true;
  }

  #replace(server: string, people: People): void {
    this.#servers.set(server, 'wholly');
    this.#onServer?.();
    for (const [room, person] of people) this.#add(server, room, person);
    const there = new Set(people.map(([room, { id }]) => `${id} ${room}`));
    for (const [room, person] of this.#of(server)) {
      if (!there.has(`${person.id} ${room}`)) this.#remove(server, room, person);
    }
  }

  /** Its people were cut off; they may come back elsewhere while their grace lasts. */
  #lose(server: string, silent: number): void {
    // One that has said that it stops lets its lease lapse, too.
    if (!this.#servers.delete(server)) return;
    const lastSeen = new Date(Date.now() - silent);
    const remaining = this.grace * 1000 - silent;
    if (remaining > 0) setTimeout(() => this.#forget(server, lastSeen), remaining).unref();
    else this.#forget(server, lastSeen);
  }

  #forget(server: string, lastSeen: Date): void {
    // It was only cut off, and is back.
    if (this.#servers.has(server)) return;
    for (const [room, person] of this.#of(server)) {
      if (this.#remove(server, room, person)) this.events.onLost(person, lastSeen);
    }
  }

  #of(server: string): People {
    return [...this.#rooms].flatMap(([room, people]) =>
      [...people.values()]
        .filter(({ servers }) => servers.has(server))
        .map(({ person }): [string, Person] => [room, person]),
    );
  }

  #tellSoon(isAsking: boolean): void {
    this.#isAsking ||= isAsking;
    const wait = this.#toldAt + TELL_EVERY_MS - performance.now();
    this.#telling ??= setTimeout(() => this.#tell(), Math.max(0, wait));
  }

  #tell(): void {
    const isAsking = this.#isAsking;
    this.#telling = undefined;
    this.#toldAt = performance.now();
    this.#isAsking = false;
    const people = this.attendance.all();
    this.bus.publish({ kind: 'here', server: this.bus.server, people, isAsking });
  }
}
