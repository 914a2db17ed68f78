import { MemoryBus } from './bus/memory.ts';
import { RedisLink } from './bus/redis/link.ts';
import { RedisStreams } from './bus/redis/streams.ts';
import type { Settings } from './config.ts';
import { createCore } from './core.ts';
import type { OpenDatabase } from './db/index.ts';
import { ServerRoll } from './db/roll.ts';
import { http } from './http/index.ts';
import { createMetrics } from './http/plugins/metrics.ts';
import { listenError } from './http/port.ts';
import { Ingest } from './ingest/ingest.ts';
import { type Clock, systemClock } from './lib/clock.ts';
import { type Ids, systemIds } from './lib/ids.ts';
import { Limits } from './limits/limits.ts';
import type { Logger } from './log.ts';
import { ensureDefaultRoom } from './rooms/room.service.ts';
import { JwksVerifier } from './users/auth/jwks.ts';
import { tokenSecret } from './users/auth/secret.ts';
import { Tokens } from './users/auth/tokens.ts';
import { TIMING, type Timing } from './ws/gateway.ts';

export interface AppParts {
  settings: Settings;
  database: OpenDatabase;
  log: Logger;
  /** How long the server waits for its clients; tests shorten it. */
  timing?: Timing;
  clock?: Clock;
  ids?: Ids;
}

/** The type of the HTTP API, for clients that derive theirs from it. */
export type App = Awaited<ReturnType<typeof http>>;

/**
 * Constructs each part of the server once, in order.
 *
 * @returns `app`, the routes; `listen`, which serves them and `/ws`, and throws when the port is
 *   in use; `stop`, which finishes accepted work and leaves the database open
 */
export async function createApp({
  settings,
  database,
  log,
  timing = TIMING,
  clock = systemClock,
  ids = systemIds,
}: AppParts) {
  const { db } = database;
  const { redisUrl } = settings;
  const { cluster } = await ensureDefaultRoom(db);

  const streams = redisUrl
    ? new RedisStreams({ roll: new ServerRoll(db), clock, ids, log, url: redisUrl, cluster })
    : undefined;
  const bus = streams ?? new MemoryBus({ ids });
  const counters = redisUrl ? new RedisLink({ clock, url: redisUrl }) : undefined;
  const shared = counters && { redis: counters, cluster };
  const limits = new Limits({ clock, shared }, settings);
  const foreign = settings.foreignKeys && new JwksVerifier({ clock, log }, settings.foreignKeys);
  const tokens = new Tokens({ clock, foreign }, await tokenSecret(db, settings.authSecret));
  const core = createCore({
    ...{ settings, database, bus, limits, tokens, timing, clock, ids, log },
    server: () => app.server,
  });
  const { accounts, answers, auth, chat, cursors, events, gateway, live } = core;
  const { lastSeen, members, messages, notifications, roomManager, rooms, search, users, words } =
    core;
  const ingest = redisUrl
    ? new Ingest({ chat, users, clock, log, url: redisUrl, server: bus.server })
    : undefined;

  const isConnected = streams && (() => streams.isConnected);
  const metrics = createMetrics({ gateway, live, clock, isConnected }, bus);
  const app = await http({
    ...{
      settings,
      accounts,
      auth,
      chat,
      clock,
      cursors,
      events,
      limits,
      live,
      log,
      members,
      messages,
    },
    ...{ notifications, rooms, roomManager, search, users, metrics, isConnected },
    upgrade: (request, handshake) => gateway.upgrade(request, app.server, handshake),
    ping: database.ping,
    isStopping: () => gateway.isDraining,
    quiet: timing.pingEvery / 2,
  });
  words.start();
  if (streams) await live.greet(await streams.start());

  return {
    app,

    /** @returns the address, such as `http://localhost:3000` */
    listen(): string {
      const { host, port } = settings;
      try {
        app.listen({
          port,
          hostname: host,
          // Elysia's default would let a second server share the port.
          reusePort: false,
          // Bun's page for a fault shows source code.
          development: false,
          // Ours is lower, and is answered in our words; the runtime reads no more than is asked for.
          maxRequestBodySize: Number.MAX_SAFE_INTEGER,
          websocket: gateway.handlers(),
        });
      } catch (error) {
        throw listenError(error, settings);
      }
      const isLocal = ['127.0.0.1', '0.0.0.0', '::', '::1'].includes(host);
      return `http://${isLocal ? 'localhost' : host}:${app.server?.port}`;
    },

    async stop(): Promise<void> {
      const { server } = app;
      const stopped = server?.stop();
      await gateway.drain();
      await ingest?.close();
      await chat.close();
      await words.close();
      await gateway.close();
      await server?.stop(true);
      await stopped;
      live.close();
      await streams?.close();
      counters?.close();
      answers.close();
      await roomManager.close();
      users.close();
      await lastSeen.close();
    },
  };
}
