import { toChatError } from '../../src/db/failures.ts';
import type { Identity } from '../../src/protocol/identity.ts';
import type { Client } from './client.ts';
import type { Library } from './library.ts';
import { Resuming } from './resuming.ts';
import type { Server } from './server.ts';
import type { World } from './world.ts';

/** The rooms that operators rule. */
export const rooms = ['general', 'tea', 'den'];
/** The room without bans and mutes: whoever may enter it need not be looked up while it is public. */
export const UNMODERATED = 'den';
/** A room that is left alone. */
export const LOUNGE = 'lounge';
export const allRooms = [...rooms, LOUNGE];
const emoji = ['👍', '🎉', '😄'];
const operator: Identity = { kind: 'key' };

type Right = 'private' | 'member' | 'ban' | 'mute' | 'server ban' | 'delete';

interface WorkloadParts {
  world: World;
  servers: Server[];
  clients: Client[];
  libraries: Library[];
}

/** The actions of the users and the operators, in turn. */
export class Workload {
  #count = 0;
  #isRunning = false;

  constructor(private readonly parts: WorkloadParts) {}

  /** A content that no message has yet. */
  nextContent(): string {
    this.#count += 1;
    return `m${this.#count}`;
  }

  start(): void {
    this.#isRunning = true;
    this.#next();
  }

  stop(): void {
    this.#isRunning = false;
  }

  /** Calm and busy times come in turn. */
  #next(): void {
    const { world } = this.parts;
    const wait = world.once(30) ? world.between(1000, 5000) : world.between(5, 700);
    world.after(wait, () => {
      if (!this.#isRunning) return;
      this.#next();
      const turn = world.integer(5);
      if (turn === 0) this.operate();
      else if (turn === 1) this.#askLibrary();
      else this.#act(world.pick(this.parts.clients));
    });
  }

  #askLibrary(): void {
    const { world, libraries } = this.parts;
    const library = world.pick(libraries);
    this.#count += 1;
    if (world.once(15)) library.line?.break(world.once(2));
    else library.act(`m${this.#count}`);
  }

  #act(client: Client): void {
    const { world } = this.parts;
    if (!client.isConnected) return;
    if (world.once(25)) {
      client.leaveFor(world.pick([100, 3000, 9000]));
      if (client instanceof Resuming && world.once(3)) client.forget();
    } else if (client instanceof Resuming) this.#talk(client);
    else if (world.once(2)) {
      this.#count += 1;
      client.ask({ type: 'message', content: `m${this.#count}`, id: world.uuid() });
    }
  }

  #talk(client: Resuming): void {
    const { world } = this.parts;
    const room = world.pick([...client.views.keys()]);
    const known = client.known(room);
    const message = known.length > 0 ? world.pick(known.slice(-8)) : undefined;
    const own = known.filter(({ username }) => username === client.person.name).at(-1);
    const id = world.uuid();
    this.#count += 1;
    const content = `m${this.#count}`;
    switch (world.integer(12)) {
      case 0:
        if (own) client.ask({ type: 'edit', id, messageId: own.id, content });
        return;
      case 1:
        if (own) client.ask({ type: 'delete', id, messageId: own.id });
        return;
      case 2:
      case 3: {
        if (!message) return;
        const remove = world.once(3) ? { remove: true } : {};
        const what = { messageId: message.id, emoji: world.pick(emoji), ...remove };
        client.ask({ type: 'react', id, ...what });
        return;
      }
      case 4:
        if (message) client.ask({ type: 'read', id, room, seq: message.seq });
        return;
      case 5: {
        const others = this.parts.clients.filter(({ person }) => person !== client.person);
        client.post({ to: world.pick(others).person.name }, content);
        return;
      }
      case 6:
        if (client.views.get(room)?.state === 'live') client.ask({ type: 'typing', id, room });
        return;
      case 7:
        // Several at once share a statement.
        for (let n = 0; n < 5; n++) client.post({ room }, `${content}.${n}`);
        return;
      default:
        client.post({ room }, content, world.once(3) ? `${content}, corrected` : undefined);
    }
  }

  /** Operators change rights of a room, over REST: most often one, now and then several at once at different servers. */
  operate(): void {
    const { world } = this.parts;
    const room = world.pick(rooms);
    const { name } = world.pick(this.parts.clients).person;
    const count = world.once(3) ? world.between(2, 4) : 1;
    for (let n = 0; n < count; n++) this.#change(room, name);
  }

  #change(room: string, name: string): void {
    const { world } = this.parts;
    const usual = ['private', 'member', 'ban', 'mute'] as const;
    const some = room === UNMODERATED ? (['private', 'member'] as const) : usual;
    const kind = world.once(8) ? world.pick(['server ban', 'delete'] as const) : world.pick(some);
    this.set(kind, room, name, world.once(2));
  }

  /** An operator sets a right, or takes it, at one of the servers. */
  set(
    kind: Right,
    room: string,
    name: string,
    isOn: boolean,
    server = this.parts.world.pick(this.parts.servers),
  ): void {
    const { core } = server;
    if (!server.isServing || !core) return;
    const changes = {
      private: () => core.roomManager.update(operator, room, { private: isOn }),
      member: () => core.members.setMember(operator, room, name, isOn),
      ban: () => core.members.setBan(operator, room, name, isOn),
      mute: () => core.members.setMute(operator, room, name, isOn),
      'server ban': () => core.accounts.setBan(operator, name, isOn),
      delete: () => core.roomManager.remove(operator, room),
    };
    this.#rule(server, `${kind} ${isOn} in ${room} for ${name}`, changes[kind]);
  }

  /** Everyone may do everything again, so that there is something to see. */
  async pardon(): Promise<void> {
    const { clients, servers } = this.parts;
    const [server] = servers as [Server];
    const { core } = server;
    if (!core) return;
    for (const room of rooms) {
      for (const name of new Set(clients.map(({ person }) => person.name))) {
        this.#rule(server, `pardon ${name} in ${room}`, async () => {
          await core.members.setBan(operator, room, name, false);
          await core.members.setMute(operator, room, name, false);
          await core.accounts.setBan(operator, name, false);
        });
      }
    }
  }

  #rule(server: Server, what: string, run: () => Promise<unknown>): void {
    const { story } = this.parts.world;
    story.tell('operator', `at ${server.name}: ${what}`);
    server.process.deliver(async () => {
      try {
        await run();
        story.tell('operator', `at ${server.name}: done: ${what}`);
      } catch (error) {
        const { code, message } = toChatError(error);
        story.tell('operator', `at ${server.name}: ${code}: ${what}`);
        if (code === 'internal') story.accuse(`${what}: ${(error as Error).message ?? message}`);
      }
    });
  }
}
