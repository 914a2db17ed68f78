import type { SimulatedDatabase } from './database.ts';
import type { SimulatedRedis } from './redis.ts';
import type { Server } from './server.ts';
import type { World } from './world.ts';

interface FaultParts {
  world: World;
  servers: Server[];
  redis: SimulatedRedis;
  database: SimulatedDatabase;
}

/** How long a fault lasts at most, in milliseconds. */
const MOST_MS = 12_000;

/** Breaks one thing after the other, and mends it; everything is whole again after {@link Faults.end}. */
export class Faults {
  readonly #mends = new Map<object, () => void>();
  /** How often each fault happened. */
  readonly counts = new Map<string, number>();

  /** A server hears the others, and they do not hear it. */
  onMute: (server: Server) => void = () => {};
  /** Another session holds the row of a room. */
  onLocked: (room: string) => void = () => {};
  /** The rooms, as of a moment ago. */
  rooms = new Map<string, { id: number }>();

  constructor(private readonly parts: FaultParts) {}

  /** Begins a fault that ends by itself. */
  begin(): void {
    const [name, begin] = this.parts.world.pick(Object.entries(this.#all));
    begin();
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** Begins a fault of the bus. */
  beginOfBus(): void {
    const kinds = ['cutRedisLine', 'muteServer', 'restartRedis', 'fillRedis'] as const;
    this.#all[this.parts.world.pick(kinds)]();
  }

  /** Breaks the connections of a server to Redis, and lets none be made for a while. */
  cutRedis({ redisLine, name }: Server, ms?: number): void {
    const mend = () => this.#open(redisLine);
    if (!this.#break(redisLine, `no line from ${name} to Redis`, mend, [], ms)) return;
    redisLine.state = 'cut';
    for (const connection of [...this.parts.redis.connections]) {
      if (connection.isOver(redisLine)) connection.end('cut');
    }
  }

  /** Ends all faults. */
  end(): void {
    this.parts.database.rightSnares.clear();
    for (const mend of [...this.#mends.values()]) mend();
  }

  /** Breaks a part that is whole, and mends it later. */
  #break(
    what: object,
    story: string,
    mend: () => void,
    of: Server[] = [],
    lasts?: number,
  ): boolean {
    if (this.#mends.has(what)) return false;
    for (const server of of) server.trouble();
    const { world } = this.parts;
    const usual = () => (world.once(3) ? world.between(10, 900) : world.between(900, MOST_MS));
    const ms = lasts ?? usual();
    world.story.tell('fault', `${story} for ${ms} ms`);
    const end = () => {
      if (!this.#mends.delete(what)) return;
      world.story.tell('fault', `${story}: over`);
      mend();
      for (const server of of) server.calm();
    };
    this.#mends.set(what, end);
    world.after(ms, end);
    return true;
  }

  get #server(): Server {
    return this.parts.world.pick(this.parts.servers);
  }

  #readyToEnd(server: Server): boolean {
    const others = this.parts.servers.filter((other) => other !== server && other.isServing);
    return server.isServing && others.length > 0;
  }

  #bringBack(server: Server): () => void {
    return () => {
      void server.start().catch((error) => {
        this.parts.world.story.tell(server.name, `cannot start: ${error.message}`);
        server.process.kill();
        this.parts.world.after(500, this.#bringBack(server));
      });
    };
  }

  readonly #all = {
    killServer: () => {
      const server = this.#server;
      if (!this.#readyToEnd(server)) return;
      if (!this.#break(server, `${server.name} is down`, this.#bringBack(server))) return;
      server.kill();
    },
    stopServer: () => {
      const server = this.#server;
      if (!this.#readyToEnd(server)) return;
      const back = () => {
        if (server.process.isAlive) server.kill();
        this.#bringBack(server)();
      };
      if (this.#break(server, `${server.name} restarts`, back)) void server.stop();
    },
    pauseServer: () => {
      const server = this.#server;
      if (!server.isServing) return;
      const resume = () => server.resume();
      if (this.#break(server, `${server.name} is paused`, resume, [server])) server.pause();
    },
    cutRedisLine: () => this.cutRedis(this.#server),
    holdRedisLine: () => {
      const { redisLine, name } = this.#server;
      const mend = () => this.#open(redisLine);
      if (this.#break(redisLine, `the line from ${name} to Redis hangs`, mend)) {
        redisLine.state = 'held';
      }
    },
    muteServer: () => {
      const server = this.#server;
      const { redisLine, name } = server;
      const mend = () => {
        redisLine.isMute = false;
        this.#open(redisLine);
      };
      if (!this.#break(redisLine, `${name} hears, and cannot publish`, mend)) return;
      redisLine.isMute = true;
      this.onMute(server);
    },
    slowRedisLine: () => {
      const { redisLine, name } = this.#server;
      const mend = () => {
        redisLine.delay = 2;
      };
      if (this.#break(redisLine, `the line from ${name} to Redis is slow`, mend)) {
        redisLine.delay = this.parts.world.between(20, 400);
      }
    },
    restartRedis: () => {
      const { redis, world } = this.parts;
      const isEmptied = world.once(2);
      const story = `Redis is down${isEmptied ? ', and loses what it had,' : ''}`;
      if (this.#break(redis, story, () => redis.start())) redis.stop(isEmptied);
    },
    hangRedis: () => {
      const { redis } = this.parts;
      if (this.#break(redis, 'Redis hangs', () => redis.resume())) redis.isHanging = true;
    },
    fillRedis: () => {
      const { redis } = this.parts;
      const mend = () => {
        redis.isReadOnly = false;
      };
      if (this.#break(redis, 'Redis takes no writes', mend)) redis.isReadOnly = true;
    },
    cutDatabaseLine: () => {
      const server = this.#server;
      const { databaseLine, name } = server;
      const mend = () => {
        databaseLine.state = 'open';
      };
      if (!this.#break(databaseLine, `no line from ${name} to Postgres`, mend, [server])) return;
      databaseLine.state = 'cut';
      this.parts.database.cut((session) => session.process === server.process);
    },
    /** Only statements on their way are lost: the next ones pass. */
    loseAnswers: () => {
      const server = this.#server;
      this.parts.world.story.tell('fault', `the connections of ${server.name} to Postgres break`);
      this.parts.database.cut((session) => session.process === server.process);
    },
    loseCommit: () => {
      const server = this.#server;
      this.parts.world.story.tell('fault', `the next commit of ${server.name} gets no answer`);
      this.parts.database.snares.add(server.process);
    },
    loseRight: () => {
      const server = this.#server;
      const { name, process } = server;
      this.parts.world.story.tell('fault', `the next change of a right at ${name} gets no answer`);
      this.parts.database.rightSnares.add(process);
    },
    holdDatabaseLine: () => {
      const server = this.#server;
      const { databaseLine, name } = server;
      const mend = () => {
        databaseLine.state = 'open';
        this.parts.database.wake();
      };
      if (this.#break(databaseLine, `the line from ${name} to Postgres hangs`, mend, [server])) {
        databaseLine.state = 'held';
      }
    },
    slowDatabase: () => {
      const server = this.#server;
      const { databaseLine, name } = server;
      const mend = () => {
        databaseLine.delay = 2;
        databaseLine.quickSince = this.parts.world.time;
      };
      if (this.#break(databaseLine, `the line from ${name} to Postgres is slow`, mend, [server])) {
        databaseLine.delay = this.parts.world.between(20, 200);
        databaseLine.quickSince = Number.POSITIVE_INFINITY;
      }
    },
    restartDatabase: () => {
      const { database, servers, world } = this.parts;
      const mend = () => {
        database.isUp = true;
      };
      if (!this.#break(database, 'Postgres is down', mend, servers, world.between(10, 5000)))
        return;
      database.isUp = false;
      database.cut();
    },
    lockRoom: () => {
      const { database, world } = this.parts;
      const [name, { id }] = world.pick([...this.rooms]);
      const mend = () => {
        database.held.clear();
        database.wake();
      };
      const ms = world.between(10, world.pick([900, 4000, 12_000]));
      const story = `another session holds the room ${name}`;
      if (!this.#break(database.held, story, mend, [], ms)) return;
      database.held.add(id);
      this.onLocked(name);
    },
    breakClients: () => {
      const server = this.#server;
      this.parts.world.story.tell('fault', `clients of ${server.name} lose their lines`);
      for (const line of [...(server.sockets?.open ?? [])]) {
        if (this.parts.world.once(2)) line.break(this.parts.world.once(3));
      }
    },
    holdClients: () => {
      const server = this.#server;
      const lines = [...(server.sockets?.open ?? [])];
      const mend = () => {
        for (const line of lines) line.release();
      };
      const story = `clients of ${server.name} read nothing`;
      if (lines.length > 0 && this.#break(lines, story, mend))
        for (const line of lines) line.hold();
    },
  };

  #open(line: Server['redisLine']): void {
    line.state = 'open';
    for (const connection of this.parts.redis.connections) connection.flush();
  }
}
