import type { Server } from 'bun';
import { Elysia } from 'elysia';
import { MemoryBus } from './bus/memory.ts';
import type { Settings } from './config.ts';
import type { OpenDatabase } from './db/index.ts';
import { ChatError } from './errors.ts';
import type { Logger } from './log.ts';
import { docs } from './plugins/docs.ts';
import { problems } from './plugins/problems.ts';
import { eventRoutes } from './routes/events.ts';
import { messageRoutes } from './routes/messages.ts';
import { opsRoutes } from './routes/ops.ts';
import { pageRoutes } from './routes/pages.ts';
import { roomRoutes } from './routes/rooms.ts';
import { userRoutes } from './routes/users.ts';
import { ChatService } from './services/chat.service.ts';
import { RoomService } from './services/room.service.ts';
import { UserService } from './services/user.service.ts';
import { Announcer } from './ws/announcer.ts';
import { Gateway, HEARTBEAT, type Heartbeat, type SocketData } from './ws/gateway.ts';
import { Hub } from './ws/hub.ts';
import type { Publish } from './ws/live-room.ts';
import { Presence } from './ws/presence.ts';

export interface AppParts {
  settings: Settings;
  database: OpenDatabase;
  log: Logger;
  /** How dead connections are found; for tests that cannot wait a minute. */
  heartbeat?: Heartbeat;
}

/** Bodies past this are refused unread, by the runtime; smaller ones that are too long get a problem+json. */
const MAX_BODY_BYTES = 1024 * 1024;

/** The type of the HTTP API, for clients that derive theirs from it. */
export type App = Awaited<ReturnType<typeof createApp>>['app'];

/**
 * Puts the server together.
 *
 * @returns `app`, the routes; `listen`, which serves them and `/ws`, and throws when the port is
 *   taken; `stop`, which lets what was taken finish and leaves the database open
 */
export async function createApp({ settings, database, log, heartbeat = HEARTBEAT }: AppParts) {
  const bus = new MemoryBus();
  const users = new UserService(database.db, log);
  const rooms = new RoomService(database.db);
  const chat = new ChatService(database.db, bus, settings, log);

  let server: Server<SocketData> | undefined;
  let stopping = false;
  const publish: Publish = (topic, render) => {
    if (!server?.subscriberCount(topic)) return;
    const text = render();
    server.publish(topic, text, settings.compression);
    gateway.published(Buffer.byteLength(text));
  };
  const hub = new Hub({ chat, publish, log }, bus);
  const announcer = new Announcer(publish);
  const presence = new Presence(settings.presenceGrace, {
    onEnter: (room, { username }) => announcer.joined(room, username, presence.count(room)),
    onLeave: (room, { id, username }, lastSeen) => {
      announcer.left(room, username, presence.count(room) + 1);
      users.seen(id, lastSeen);
    },
  });
  const gateway = new Gateway({ chat, users, rooms, hub, presence, log }, settings, heartbeat);

  // The default room is there before anyone joins, for those who read it over REST.
  await rooms.findOrCreate();

  const app = new Elysia({ normalize: false })
    .use(problems(log))
    // `?before=&after=` asks for neither.
    .onTransform(({ query }) => {
      for (const [name, value] of Object.entries(query)) if (value === '') delete query[name];
    })
    .use(pageRoutes())
    .use(messageRoutes({ chat, users, rooms }))
    .use(userRoutes({ users, presence }))
    .use(roomRoutes({ rooms, presence }))
    .use(eventRoutes({ hub, rooms, quiet: heartbeat.every / 2 }))
    .use(opsRoutes({ settings, ping: database.ping, isStopping: () => stopping }))
    .get(
      '/ws',
      ({ request }) => {
        if (!server || !gateway.upgrade(request, server)) {
          throw new ChatError('invalid_frame', 'This is a WebSocket endpoint; see /ws-info');
        }
      },
      { detail: { hide: true } },
    );
  app.use(docs(app));

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
          maxRequestBodySize: MAX_BODY_BYTES,
          websocket: gateway.handlers(),
        });
      } catch (error) {
        throw new Error(`cannot listen on ${host}, port ${port}: ${(error as Error).message}`);
      }
      server = app.server as Server<SocketData>;
      const local = ['127.0.0.1', '0.0.0.0', '::', '::1'].includes(host);
      return `http://${local ? 'localhost' : host}:${server.port}`;
    },

    async stop(): Promise<void> {
      stopping = true;
      const stopped = server?.stop();
      await gateway.drain();
      await chat.close();
      await gateway.close();
      await server?.stop(true);
      await stopped;
      presence.close();
      hub.close();
      await users.close();
    },
  };
}
