import { RedisStreams } from '../../src/bus/redis/streams.ts';
import { readSettings } from '../../src/config.ts';
import { createCore } from '../../src/core.ts';
import { ServerRoll } from '../../src/db/roll.ts';
import { Limits } from '../../src/limits/limits.ts';
import type { Logger } from '../../src/log.ts';
import type { Token } from '../../src/protocol/identity.ts';
import { ensureDefaultRoom } from '../../src/rooms/room.service.ts';
import type { Tokens } from '../../src/users/auth/tokens.ts';
import { TIMING } from '../../src/ws/gateway.ts';
import type { DatabaseLine, SimulatedDatabase } from './database.ts';
import type { RedisLine, SimulatedRedis } from './redis.ts';
import { type Line, Sockets } from './sockets.ts';
import { Process, type World } from './world.ts';

const settings = {
  ...readSettings({ MESSAGE_RATE: '0', REQUEST_RATE: '0', MAX_CONNECTIONS_PER_IP: '0' }),
  databaseUrl: 'postgres://simulated/db',
  redisUrl: 'redis://simulated',
};

/** Tokens without signatures: they are their claims. */
const tokens = {
  read: async (text: string): Promise<Token> => JSON.parse(text),
} as unknown as Tokens;

type Core = ReturnType<typeof createCore>;

interface ServerParts {
  world: World;
  database: SimulatedDatabase;
  redis: SimulatedRedis;
  onSent(server: Server, line: Line, text: string): void;
}

/** A server process, which is started, paused, killed and stopped, with its connections to everything else. */
export class Server {
  readonly redisLine: RedisLine = { state: 'open', delay: 2 };
  readonly databaseLine: DatabaseLine = { state: 'open', delay: 2, quickSince: 0 };
  process: Process;
  sockets: Sockets | undefined;
  core: Core | undefined;
  #streams: RedisStreams | undefined;
  #isStopping = false;
  /** The time of the last end of a pause. */
  resumedAt = 0;
  #troubles = 0;
  #calmSince = 0;

  constructor(
    private readonly parts: ServerParts,
    readonly name: string,
  ) {
    this.process = new Process(parts.world, name);
  }

  /** Whether clients can connect. */
  get isServing(): boolean {
    const { process, sockets } = this;
    return process.isAlive && !process.isPaused && sockets !== undefined && !this.#isStopping;
  }

  async start(): Promise<void> {
    const { world, redis } = this.parts;
    const process = new Process(world, this.name);
    this.process = process;
    const { clock } = process;
    const { ids } = world;
    const log = this.#log();
    const database = this.parts.database.open(process, this.databaseLine);
    const { cluster } = await ensureDefaultRoom(database.db);
    const connect = () => redis.connect(process, this.redisLine);
    const roll = new ServerRoll(database.db);
    const url = settings.redisUrl;
    const streams = new RedisStreams({ roll, clock, ids, log, connect, url, cluster });
    const limits = new Limits({ clock }, settings);
    const sockets = new Sockets(world, process, (line, text) =>
      this.parts.onSent(this, line, text),
    );
    const core = createCore({
      ...{ settings, database, bus: streams, limits, tokens, timing: TIMING, clock, ids, log },
      server: () => sockets,
    });
    await core.live.greet(await streams.start());
    sockets.handlers = core.gateway.handlers();
    this.core = core;
    this.sockets = sockets;
    this.#streams = streams;
    world.story.tell(this.name, 'serves');
  }

  /** The time since which it runs, and reaches the database without delay; Infinity while it does not. */
  get calmSince(): number {
    return this.#troubles > 0 ? Number.POSITIVE_INFINITY : this.#calmSince;
  }

  trouble(): void {
    this.#troubles += 1;
  }

  calm(): void {
    this.#troubles -= 1;
    this.#calmSince = this.parts.world.time;
  }

  pause(): void {
    this.parts.world.story.tell(this.name, 'is paused');
    this.process.pause();
  }

  resume(): void {
    this.parts.world.story.tell(this.name, 'goes on');
    this.resumedAt = this.parts.world.time;
    this.process.resume();
  }

  /** Kills the process; statements that it has sent to the database may be carried out. */
  kill(): void {
    this.parts.world.story.tell(this.name, 'is killed');
    this.process.kill();
    this.sockets?.abandon();
    this.#forget();
  }

  /** The clean stop of `app.ts`. */
  async stop(): Promise<void> {
    const { core, sockets, process } = this;
    const streams = this.#streams;
    if (!core || !sockets) return;
    this.parts.world.story.tell(this.name, 'stops');
    this.#isStopping = true;
    await core.gateway.drain();
    await core.chat.close();
    await core.gateway.close();
    core.live.close();
    await streams?.close();
    core.answers.close();
    await core.roomManager.close();
    core.users.close();
    await core.lastSeen.close();
    if (this.process !== process) return;
    process.kill();
    this.#forget();
    this.parts.world.story.tell(this.name, 'has stopped');
  }

  #forget(): void {
    const { database, redis } = this.parts;
    this.sockets = undefined;
    this.core = undefined;
    this.#isStopping = false;
    database.cut((session) => session.process === this.process);
    for (const connection of [...redis.connections]) {
      if (connection.isOver(this.redisLine)) connection.end('its server has ended');
    }
  }

  /** A fault of the program in the log is a breach. */
  #log(): Logger {
    const { story } = this.parts.world;
    const tell = (level: string) => (fields: unknown, message?: string) => {
      const text = typeof fields === 'string' ? fields : `${message} ${JSON.stringify(fields)}`;
      story.tell(this.name, `${level}: ${text}`);
      if (/a frame failed|could not be handled|post was refused/.test(text)) story.accuse(text);
    };
    const levels = { error: tell('error'), warn: tell('warn'), info: () => {}, debug: () => {} };
    return levels as unknown as Logger;
  }
}
