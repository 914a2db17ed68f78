import type { Bus, BusListener, PeopleOfRoom } from '../bus/bus.ts';
import { remove } from '../lib/arrays.ts';
import type { Cancel, Clock } from '../lib/clock.ts';
import { SmallMap } from '../lib/small-map.ts';
import { isInScope, type Person, type Scope } from '../protocol/identity.ts';
import type { RoomRef } from '../protocol/room.ts';

/** A user in a room, and the servers that the user is connected to. */
interface PresentUser {
  person: Person;
  servers: string[];
}

interface PresentRoom {
  room: RoomRef;
  people: SmallMap<number, PresentUser>;
}

export interface PresenceEvents {
  /** The user is in the room now, and was not before on any server. */
  onEnter(room: RoomRef, person: Person): void;
  /** The user is no longer in the room on any server. */
  onLeave(room: RoomRef, person: Person): void;
  /** The user's server was lost, and no other server knows when the user was last seen. */
  onLost(person: Person, lastSeen: Date): void;
}

interface PresenceParts {
  bus: Bus;
  clock: Clock;
  /** The users on this server. */
  local(): PeopleOfRoom[];
  /** Seconds that users of a lost server stay present, its lease included. */
  grace: number;
  events: PresenceEvents;
}

/** The shortest time between snapshots, in milliseconds, however many servers ask. */
const SNAPSHOT_EVERY_MS = 100;

/**
 * The users in each room over all servers: each once. Every server publishes the comings and goings of its
 * own users and takes in those of the others, so that each server knows all.
 */
export class Presence {
  readonly #rooms = new Map<number, PresentRoom>();
  /** The number of rooms that each user is in. */
  readonly #online = new Map<number, number>();
  /** The known servers, and whether each has published a snapshot. */
  readonly #servers = new Map<string, 'partly' | 'wholly'>();
  readonly #unsubscribe: () => void;
  #cancelPublish: Cancel | undefined;
  #snapshotAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  #onServer: (() => void) | undefined;

  constructor(private readonly parts: PresenceParts) {
    this.#unsubscribe = parts.bus.subscribe(this.#listener());
  }

  /** The number of users in the room. */
  count({ id }: RoomRef): number {
    return this.#rooms.get(id)?.people.size ?? 0;
  }

  /** The names of some users in the room. */
  some({ id }: RoomRef, limit: number): string[] {
    const people = this.#rooms.get(id)?.people.values().take(limit) ?? [];
    return Array.from(people, ({ person }) => person.username);
  }

  /** The sorted names of the users in the room, or in any room in scope. */
  usernames(scope: Scope, room?: RoomRef): string[] {
    const rooms = room ? [this.#rooms.get(room.id)] : this.#inScope(scope);
    const names = rooms.flatMap((found) =>
      Array.from(found?.people.values() ?? [], ({ person }) => person.username),
    );
    return [...new Set(names)].sort();
  }

  /** Whether a user is in any of the rooms in scope. */
  isOnline(userId: number, scope: Scope): boolean {
    if (!this.#online.has(userId)) return false;
    return scope === undefined || this.#inScope(scope).some(({ people }) => people.get(userId));
  }

  /** The number of users in any room. */
  get size(): number {
    return this.#online.size;
  }

  /** Returns when each of these servers has published a snapshot. */
  async complete(servers: string[]): Promise<void> {
    while (servers.some((server) => this.#servers.get(server) !== 'wholly')) {
      await new Promise<void>((done) => {
        this.#onServer = done;
      });
    }
  }

  close(): void {
    this.#cancelPublish?.();
    this.#unsubscribe();
  }

  #listener(): BusListener {
    const { bus } = this.parts;
    return {
      'presence.entered': ({ server, room, person }) => {
        if (!this.#servers.has(server)) this.#servers.set(server, 'partly');
        this.#add(server, room, person);
      },
      'presence.left': ({ server, room, person }) => void this.#remove(server, room, person),
      'presence.snapshot': ({ server, rooms, isAsking }) => {
        // The users of this server are known already, one event at a time.
        if (server === bus.server) return;
        this.#replace(server, rooms);
        if (isAsking) this.#publishSoon(false);
      },
      'server.lost': ({ server, silent }) => this.#lose(server, silent),
      resync: ({ roomIds }) => {
        // Other servers may have missed events of this one, and this one events of theirs.
        if (!roomIds && bus.isShared) this.#publishSoon(true);
      },
    };
  }

  #inScope(scope: Scope): PresentRoom[] {
    return [...this.#rooms.values()].filter(({ room }) => isInScope(scope, room.name));
  }

  #add(server: string, room: RoomRef, person: Person): void {
    const present = this.#rooms.get(room.id) ?? {
      room,
      people: new SmallMap<number, PresentUser>(),
    };
    this.#rooms.set(room.id, present);
    const user = present.people.get(person.id);
    if (user) {
      if (!user.servers.includes(server)) user.servers.push(server);
    } else {
      present.people.add(person.id, { person, servers: [server] });
      this.#online.set(person.id, (this.#online.get(person.id) ?? 0) + 1);
      this.parts.events.onEnter(room, person);
    }
  }

  /** @returns whether the user has left the room on all servers */
  #remove(server: string, room: RoomRef, { id }: Person): boolean {
    const people = this.#rooms.get(room.id)?.people;
    const user = people?.get(id);
    if (!people || !user || !remove(user.servers, server) || user.servers.length > 0) return false;
    people.delete(id);
    if (people.size === 0) this.#rooms.delete(room.id);
    const left = (this.#online.get(id) ?? 1) - 1;
    if (left > 0) this.#online.set(id, left);
    else this.#online.delete(id);
    this.parts.events.onLeave(room, user.person);
    return true;
  }

  #replace(server: string, rooms: PeopleOfRoom[]): void {
    this.#servers.set(server, 'wholly');
    this.#onServer?.();
    const present = new Set<string>();
    for (const { room, people } of rooms) {
      for (const person of people) {
        this.#add(server, room, person);
        present.add(`${person.id} ${room.id}`);
      }
    }
    for (const [room, person] of this.#of(server)) {
      if (!present.has(`${person.id} ${room.id}`)) this.#remove(server, room, person);
    }
  }

  /** The users of a lost server may reconnect elsewhere while their grace lasts. */
  #lose(server: string, silent: number): void {
    // A server that stops announces it, and then its lease lapses too.
    if (!this.#servers.delete(server)) return;
    const lastSeen = new Date(this.parts.clock.now() - silent);
    const remaining = this.parts.grace * 1000 - silent;
    const forget = () => this.#forget(server, lastSeen);
    if (remaining > 0) this.parts.clock.timer(remaining, forget);
    else forget();
  }

  #forget(server: string, lastSeen: Date): void {
    // The server was only cut off, and is back.
    if (this.#servers.has(server)) return;
    for (const [room, person] of this.#of(server)) {
      if (this.#remove(server, room, person)) this.parts.events.onLost(person, lastSeen);
    }
  }

  #of(server: string): [RoomRef, Person][] {
    return [...this.#rooms.values()].flatMap(({ room, people }) =>
      [...people.values()]
        .filter(({ servers }) => servers.includes(server))
        .map(({ person }): [RoomRef, Person] => [room, person]),
    );
  }

  #publishSoon(isAsking: boolean): void {
    this.#isAsking ||= isAsking;
    const { clock } = this.parts;
    const wait = this.#snapshotAt + SNAPSHOT_EVERY_MS - clock.monotonic();
    this.#cancelPublish ??= clock.timer(Math.max(0, wait), () => this.#publish());
  }

  #publish(): void {
    const isAsking = this.#isAsking;
    const { bus, clock, local } = this.parts;
    this.#cancelPublish = undefined;
    this.#snapshotAt = clock.monotonic();
    this.#isAsking = false;
    bus.publish({ kind: 'presence.snapshot', server: bus.server, rooms: local(), isAsking });
  }
}
