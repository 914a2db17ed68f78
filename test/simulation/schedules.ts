import type { Client } from './client.ts';
import type { SimulatedDatabase } from './database.ts';
import type { Faults } from './faults.ts';
import { Resuming } from './resuming.ts';
import type { Server } from './server.ts';
import { allRooms, rooms, UNMODERATED, type Workload } from './workload.ts';
import type { World } from './world.ts';

/** What operators disagree on in each room; all who are banned or put out come back later, and are looked up then. */
const RIGHTS = {
  general: ['mute', 'mute', 'ban', 'server ban'],
  tea: ['mute', 'private', 'member'],
  [UNMODERATED]: ['private'],
} as const;
/** The time between rooms, in milliseconds. */
const EVERY_MS = 700;
/** How long it takes until all who were put out have tried to enter again, in milliseconds. */
export const RULED_MS = 7000;

type SetRight = (isOn: boolean, server: Server) => void;

interface ScheduleParts {
  world: World;
  servers: Server[];
  clients: Client[];
  workload: Workload;
  faults: Faults;
  database: SimulatedDatabase;
}

/** Orders of events that chance alone brings about too seldom, or that later events repair before anyone looks. */
export class Schedules {
  readonly #resuming: Resuming[];

  constructor(private readonly parts: ScheduleParts) {
    this.#resuming = parts.clients.filter((client) => client instanceof Resuming);
    parts.faults.onMute = (server) => this.#ruleUnheard(server);
    parts.faults.onLocked = (room) => this.#crowd(room);
  }

  /**
   * The last changes of rights in every room: what is committed last must hold everywhere. Takes {@link RULED_MS}.
   *
   * @returns whether their commits got no answer
   */
  rule(): boolean {
    const { world } = this.parts;
    const way = world.pick(['lost', 'late', 'late', 'at once'] as const);
    for (const [n, room] of rooms.entries()) {
      const right = world.pick(RIGHTS[room as keyof typeof RIGHTS]);
      const { name } = world.pick(this.parts.clients).person;
      const set = (isOn: boolean, server: Server) =>
        this.parts.workload.set(right, room, name, isOn, server);
      world.after(n * EVERY_MS, () => this.#ruleIn[way](set));
    }
    return way === 'lost';
  }

  readonly #ruleIn = {
    /** Nobody makes the change again. */
    lost: (set: SetRight) => {
      const { world, servers, database } = this.parts;
      const server = world.pick(servers);
      database.rightSnares.add(server.process);
      set(world.once(2), server);
    },
    /** A change that is committed first, or nearly so, is published last. */
    late: (set: SetRight) => {
      const { world, servers } = this.parts;
      const late = world.pick(servers);
      const others = servers.filter((server) => server !== late);
      const isOn = world.once(2);
      this.#stall(late);
      set(!isOn, late);
      world.after(world.between(3, 60), () => set(isOn, world.pick(others)));
    },
    /** Further changes would show that one was missed. */
    'at once': (set: SetRight) => {
      const { world, servers } = this.parts;
      const isOn = world.once(2);
      for (let n = 0; n < 3; n++) {
        world.after(world.integer(8), () => set(isOn === (n === 1), world.pick(servers)));
      }
    },
  };

  /** A server stops between the commit of its next change of a right and its publishing, and goes on a little later. */
  #stall(server: Server): void {
    const { process } = server;
    const { world, database } = this.parts;
    database.stalls.set(process, () => {
      server.pause();
      world.after(world.between(100, 400), () => {
        if (process === server.process) server.resume();
      });
    });
  }

  /** The last change of each room is a reaction, which nobody sends again, and of which nobody hears. */
  loseLastChanges(): void {
    const { world, database, faults, servers } = this.parts;
    // Either its commit gets no answer, or one server cannot publish.
    const cut = world.once(2) ? world.pick(servers) : undefined;
    for (const room of allRooms) {
      const able = this.#resuming.filter(({ server }) => server && (!cut || server === cut));
      const inside = able.filter((client) => client.known(room).length > 0);
      if (inside.length === 0) continue;
      const client = world.pick(inside);
      const { id: messageId } = world.pick(client.known(room));
      if (!cut) database.snares.add((client.server as Server).process);
      client.ask({ type: 'react', id: world.uuid(), messageId, emoji: world.pick(['🍰', '☕']) });
    }
    if (cut) {
      world.after(world.integer(20), () => faults.cutRedis(cut, world.pick([1, 300, 1500, 4000])));
    }
  }

  /** Rights change at a server that cannot publish, and those concerned go on elsewhere. */
  #ruleUnheard(server: Server): void {
    const { world, workload } = this.parts;
    const elsewhere = this.#resuming.filter(
      (client) => client.server !== server && client.isConnected,
    );
    for (const room of rooms) {
      const inside = elsewhere.filter((client) => client.known(room).length > 0);
      if (inside.length === 0) continue;
      const client = world.pick(inside);
      const right = room === UNMODERATED ? 'private' : world.pick(['mute', 'ban'] as const);
      world.after(world.integer(500), () =>
        workload.set(right, room, client.person.name, true, server),
      );
      for (let ms = 2000; ms < 8000; ms += 1000) {
        world.after(ms, () => {
          if (client.views.get(room)?.state === 'live') {
            client.ask({ type: 'typing', id: world.uuid(), room });
          }
        });
      }
    }
  }

  /** Clients say several things at once in a room whose row another session holds. */
  #crowd(room: string): void {
    const { world, workload } = this.parts;
    const inside = this.#resuming.filter((client) => client.views.get(room)?.state === 'live');
    for (const client of inside) {
      for (let n = 0; n < 4; n++) {
        world.after(world.integer(20), () => {
          if (client.views.get(room)?.state === 'live')
            client.post({ room }, workload.nextContent());
        });
      }
    }
  }
}
