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
  /** What happened how often. */
  readonly counts = new Map<string, number>();

  constructor(private readonly parts: FaultParts) {}

  /** Begins a fault that ends by itself. */
  begin(): void {
    const [name, begin] = this.parts.world.pick(Object.entries(this.#all));
    begin();
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** Ends all faults. */
  end(): void {
    for (const mend of [...this.#mends.values()]) mend();
  }

  /** Breaks what is whole, and mends it later. */
  #break(
    what: object,
    story: string,
    mend: () => void,
    of: Server[] = [],
    most = MOST_MS,
  ): boolean {
    if (this.#mends.has(what)) return false;
    for (const server of of) server.trouble();
    const { world } = this.parts;
    const ms = world.once(3) ? world.between(10, 900) : world.between(900, most);
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
    cutRedisLine: () => {
      const { redisLine, name } = this.#server;
      const mend = () => this.#open(redisLine);
      if (!this.#break(redisLine, `no line from ${name} to Redis`, mend)) return;
      redisLine.state = 'cut';
      for (const connection of [...this.parts.redis.connections]) {
        if (connection.isOver(redisLine)) connection.end('cut');
      }
    },
    holdRedisLine: () => {
      const { redisLine, name } = this.#server;
      const mend = () => this.#open(redisLine);
      if (this.#break(redisLine, `the line from ${name} to Redis hangs`, mend)) {
        redisLine.state = 'held';
      }
    },
    muteServer: () => {
      const { redisLine, name } = this.#server;
      const mend = () => {
        redisLine.isMute = false;
        this.#open(redisLine);
      };
      if (this.#break(redisLine, `${name} hears, and cannot publish`, mend))
        redisLine.isMute = true;
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
    /** Only what is on its way is lost: the next statements pass. */
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
      };
      if (this.#break(databaseLine, `the line from ${name} to Postgres is slow`, mend, [server])) {
        databaseLine.delay = this.parts.world.between(20, 200);
      }
    },
    restartDatabase: () => {
      const { database, servers } = this.parts;
      const mend = () => {
        database.isUp = true;
      };
      if (!this.#break(database, 'Postgres is down', mend, servers, 5000)) return;
      database.isUp = false;
      database.cut();
    },
    lockRoom: () => {
      const { database, world } = this.parts;
      const id = world.between(1, 4);
      const mend = () => {
        database.held.clear();
        database.wake();
      };
      if (this.#break(database.held, `another session holds the room ${id}`, mend)) {
        database.held.add(id);
      }
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
