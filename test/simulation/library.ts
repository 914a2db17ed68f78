import { ChatClient, type Room, type WebSocketLike } from '../../client/index.ts';
import { load } from '../../client/lazy.ts';
import type { Server } from './server.ts';
import type { Line } from './sockets.ts';
import { describeStored, type Stored } from './truth.ts';
import { describe } from './view.ts';
import { EPOCH_MS, type World } from './world.ts';

/** The parts that a page loads later; here they are loaded at the start, since loading uses the real clock. */
export async function loadLibrary(): Promise<void> {
  await Promise.all(Object.values(load).map((part) => part()));
}

/** A guest in a room with our client library, over simulated sockets and time. */
export class Library {
  readonly chat: ChatClient;
  readonly room: Room;
  line: Line | undefined;
  readonly #heard = new Set<number>();
  /** Messages that were posted and neither stored nor refused. */
  readonly #unsettled = new Set<string>();
  /** The ids of stored messages. */
  readonly #stored: number[] = [];

  constructor(
    private readonly world: World,
    readonly name: string,
    readonly username: string,
    roomName: string,
    servers: Server[],
  ) {
    const platform = {
      now: () => EPOCH_MS + world.time,
      random: () => world.integer(1_000_000) / 1_000_000,
      after: (ms: number, run: () => void) => world.after(ms, run),
      onWake: () => () => {},
    };
    const connect = (socket: Socket) => {
      const server = world.pick(servers);
      if (!server.isServing || !server.sockets) return;
      const address = `10.0.1.${name.slice(1)}`;
      world.story.tell(name, `${username} connects to ${server.name}`);
      this.line = server.sockets.connect({ kind: 'guest' }, address, socket);
      return this.line;
    };
    const told = (what: string) => world.story.tell(name, what);
    this.chat = new ChatClient('https://simulated', {
      username,
      platform,
      outbox: false,
      burst: Number.POSITIVE_INFINITY,
      transport: 'websocket',
      WebSocket: class extends Socket {
        constructor() {
          super(world, connect, told);
        }
      },
    });
    this.room = this.chat.room(roomName, { since: 0 });
    this.room.on('message', ({ id = 0, seq }) => {
      if (this.#heard.has(id)) this.accuse(`is told twice of the message ${seq}`);
      this.#heard.add(id);
    });
    this.chat.on('error', (error) => {
      world.story.tell(name, `error ${error.code}: ${error.message}`);
      if (error.code === 'protocol') this.accuse(error.message);
    });
    this.room.on('error', () => {});
  }

  accuse(what: string): void {
    this.world.story.accuse(`the library of ${this.username}: ${what}`, this.name);
  }

  /** Posts or changes a message. */
  act(content: string): void {
    const { world, room } = this;
    const own = room.messages.findLast(({ username }) => username === this.username);
    const known = room.messages.slice(-5);
    const action = world.integer(8);
    // An edit may be refused: the message was changed meanwhile, or is not there any more.
    if (action === 0 && own?.id) return void room.edit(own, content).catch(() => {});
    if (action === 1 && own?.id) return void room.delete(own).catch(() => {});
    if (action === 2 && known.length > 0) {
      return void room.react(world.pick(known), '👍', { remove: world.once(3) }).catch(() => {});
    }
    world.story.tell(this.name, `says ${content}`);
    this.#unsettled.add(content);
    room.send(content).then(
      ({ id = 0 }) => {
        this.#unsettled.delete(content);
        this.#stored.push(id);
      },
      (error) => this.accuse(`"${content}" was refused: ${error.message}`),
    );
  }

  /** The checks at a quiet point. */
  check(stored: Stored[]): void {
    const { room } = this;
    if (room.status.state !== 'live')
      this.accuse(`is ${room.status.state}, ${JSON.stringify(this.chat.status)}`);
    for (const content of this.#unsettled) this.accuse(`does not know what became of "${content}"`);
    const ids = new Set(stored.map(({ id }) => id));
    for (const id of this.#stored) {
      if (!ids.has(id)) this.accuse(`was told that the message ${id} is stored, which is not`);
    }
    const is = room.messages.map(describe);
    const should = stored.map(describeStored);
    for (let n = 0; n < Math.max(is.length, should.length); n++) {
      if (is[n] === should[n]) continue;
      this.accuse(`shows "${is[n]}" and not "${should[n]}"`);
      break;
    }
  }
}

/** The part of a WebSocket that the library needs, over a simulated connection. */
class Socket implements WebSocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  #line: Line | undefined;

  constructor(
    world: World,
    connect: (socket: Socket) => Line | undefined,
    private readonly tell: (what: string) => void,
  ) {
    world.after(world.delay(10), () => {
      this.#line = connect(this);
      if (this.#line) this.onopen?.({} as never);
      else this.onClose(1006);
    });
  }

  onFrame(data: string): void {
    this.tell(`gets ${data.slice(0, 400)}`);
    this.onmessage?.({ data } as never);
  }

  onClose(code: number): void {
    this.tell(`is closed with ${code}`);
    this.onclose?.({ code, reason: '' } as never);
  }

  send(text: string): void {
    this.tell(`sends ${text}`);
    this.#line?.send(text);
  }

  close(): void {
    this.#line?.close();
  }
}
