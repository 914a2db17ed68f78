import type { Client } from './client.ts';
import type { SimulatedDatabase } from './database.ts';
import type { Faults } from './faults.ts';
import { Resuming } from './resuming.ts';
import type { Server } from './server.ts';
import { allRooms, LOUNGE, rooms, UNMODERATED, type Workload } from './workload.ts';
import type { World } from './world.ts';

/** The rights that operators disagree on in each room; users that are banned or put out come back later, and are looked up then. */
const RIGHTS = {
  general: ['mute', 'mute', 'ban', 'server ban'],
  tea: ['mute', 'private', 'member'],
  [UNMODERATED]: ['private'],
} as const;
/** The time before the first room and between rooms, in milliseconds. */
const EVERY_MS = 500;
/** How long it takes until all users that were put out have tried to enter again, in milliseconds. */
export const RULED_MS = 7000;
/** How long a connection may last after its right has ended, in milliseconds. */
const ENDS_MS = 5000;

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
  #guests = 0;

  constructor(private readonly parts: ScheduleParts) {
    this.#resuming = parts.clients.filter((client) => client instanceof Resuming);
    parts.faults.onMute = (server) => {
      this.#ruleUnheard(server);
      this.#correctUnheard(server);
    };
    parts.faults.onLocked = (room) => this.#crowd(room);
  }

  /**
   * The last changes of rights in every room: the last committed ones must hold everywhere. Takes {@link RULED_MS}.
   *
   * @returns whether their commits got no answer
   */
  rule(): boolean {
    const { world } = this.parts;
    const way = world.pick(['lost', 'late', 'late', 'at once'] as const);
    for (const [n, room] of rooms.entries()) {
      const right = world.pick(RIGHTS[room as keyof typeof RIGHTS]);
      const { name } = world.pick(this.parts.clients).person;
      // In a private room without members, no server knows the state of the room.
      if (right === 'private') {
        this.parts.workload.set('member', room, world.pick(this.parts.clients).person.name, true);
      }
      const set = (isOn: boolean, server: Server) =>
        this.parts.workload.set(right, room, name, isOn, server);
      world.after((n + 1) * EVERY_MS, () => this.#ruleIn[way](set));
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

  /** Messages of a server that cannot publish are edited before others have read them; some are for one person. */
  #correctUnheard(server: Server): void {
    const { world, workload } = this.parts;
    for (const client of this.#resuming.filter((client) => client.server === server)) {
      const others = this.#resuming.filter(({ person }) => person !== client.person);
      const live = [...client.views].filter(([, { state }]) => state === 'live');
      const targets = [...live.map(([room]) => ({ room })), { to: world.pick(others).person.name }];
      for (const target of targets) {
        world.after(world.integer(500), () =>
          client.post(target, workload.nextContent(), workload.nextContent()),
        );
      }
    }
  }

  /** A token that one server accepts makes the name of a guest of another one an account: the guest is out. */
  claim(): void {
    const { world, servers } = this.parts;
    const there = world.pick(servers);
    const here = world.pick(servers.filter((server) => server !== there));
    this.#guests += 1;
    const username = `guest${this.#guests}`;
    let isGuest = false;
    let isClaimed = false;
    const claimed = () => {
      isClaimed = true;
    };
    const onFrame = (frame: string) => {
      isGuest ||= frame.includes('"event":"welcome"');
    };
    const onClose = () => {
      isGuest = false;
    };
    const end = { onFrame, onClose };
    const line = here.sockets?.connect({ kind: 'guest' }, '10.0.2.1', end);
    if (!line) return;
    line.send(JSON.stringify({ type: 'join', username, room: LOUNGE }));
    const token = JSON.stringify({ username, role: 'user', isForeign: false });
    world.after(1000, () => {
      // Its answer may be lost, as that of a change of rights.
      there.process.deliver(() => void there.core?.auth.identify(token).then(claimed, () => {}));
    });
    world.after(1000 + ENDS_MS, () => {
      if (isGuest && isClaimed) {
        world.story.accuse(`${username} is an account, and its guest still connected`);
      }
      line.close();
    });
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
