import type { Server } from 'bun';
import { Elysia } from 'elysia';
import { MemoryBus } from './bus/memory.ts';
import { RedisLink } from './bus/redis-link.ts';
import { RedisStreams } from './bus/redis-streams.ts';
import type { Settings } from './config.ts';
import type { OpenDatabase } from './db/index.ts';
import { ChatError } from './errors.ts';
import type { Logger } from './log.ts';
import { credentialOf } from './plugins/auth.ts';
import { browsers, checkOrigin } from './plugins/browsers.ts';
import { docs } from './plugins/docs.ts';
import { requestLimit } from './plugins/limits.ts';
import { createMetrics } from './plugins/metrics.ts';
import { problems } from './plugins/problems.ts';
import { origins } from './plugins/proxies.ts';
import { requestLog } from './plugins/request-log.ts';
import { eventRoutes } from './routes/events.ts';
import { messageChangeRoutes } from './routes/message-changes.ts';
import { messageRoutes } from './routes/messages.ts';
import { notificationRoutes } from './routes/notifications.ts';
import { opsRoutes } from './routes/ops.ts';
import { ownRoomRoutes } from './routes/own-rooms.ts';
import { pageRoutes } from './routes/pages.ts';
import { roomPeopleRoutes } from './routes/room-people.ts';
import { roomRoutes } from './routes/rooms.ts';
import { searchRoutes } from './routes/search.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { userRoutes } from './routes/users.ts';
import { AuthService } from './services/auth.service.ts';
import { ChatService } from './services/chat.service.ts';
import { DirectRooms } from './services/direct-rooms.ts';
import { ForeignKeySet } from './services/foreign-keys.ts';
import { Ingest } from './services/ingest.ts';
import { Limits } from './services/limits.ts';
import { MessageChanges } from './services/message-changes.ts';
import { MessageReader } from './services/message-reader.ts';
import { NotificationService } from './services/notification.service.ts';
import { ReadPositions } from './services/read-positions.ts';
import { RoomService } from './services/room.service.ts';
import { RoomPeople } from './services/room-people.ts';
import { RoomStates } from './services/room-states.ts';
import { Search } from './services/search.ts';
import { tokenSecret } from './services/secret.ts';
import { Tokens } from './services/tokens.ts';
import { UserService } from './services/user.service.ts';
import { Announcer } from './ws/announcer.ts';
import { Attendance } from './ws/attendance.ts';
import { Gateway, type SocketData, TIMING, type Timing } from './ws/gateway.ts';
import { Hub } from './ws/hub.ts';
import { Notifier } from './ws/notifier.ts';
import { Presence } from './ws/presence.ts';
import type { Publish } from './ws/topics.ts';

export interface AppParts {
  settings: Settings;
  database: OpenDatabase;
  log: Logger;
  /** How long the server waits for its clients; for tests that cannot wait a minute. */
  timing?: Timing;
}

/** How long a start waits for the other servers to say who is there, in milliseconds. */
const GREETING_MS = 1000;
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
export async function createApp({ settings, database, log, timing = TIMING }: AppParts) {
  const { redisUrl } = settings;
  const redis = redisUrl ? new RedisLink(redisUrl) : undefined;
  const streams = redisUrl && redis ? new RedisStreams(redis, redisUrl, log) : undefined;
  const bus = streams ?? new MemoryBus();
  const limits = new Limits(settings);
  const users = new UserService(database.db, bus, log);
  const foreign = settings.foreignKeys && new ForeignKeySet(settings.foreignKeys, log);
  const tokens = new Tokens(tokenSecret(settings), foreign);
  const auth = new AuthService({ users, tokens, limits, log }, settings);
  const rooms = new RoomService(database.db, bus, limits, log);
  const directRooms = new DirectRooms(database.db, limits);
  const messages = new MessageReader(database.db);
  const chat = new ChatService(database.db, messages, bus, settings, limits, log);
  const changes = new MessageChanges({ chat, messages, rooms });
  const positions = new ReadPositions(database.db, messages, bus);
  const notifications = new NotificationService(database.db, messages, bus);

  let server: Server<SocketData> | undefined;
  let stopping = false;
  let isGone = false;
  const publish: Publish = (topic, render) => {
    if (!server?.subscriberCount(topic)) return;
    const text = render();
    server.publish(topic, text, settings.compression);
    gateway.published(Buffer.byteLength(text));
  };
  const states = new RoomStates(database.db);
  const hub = new Hub({ messages, states, publish, log }, bus);
  const notifier = new Notifier({ notifications, publish, log }, bus);
  const announcer = new Announcer(publish);
  const { server: self } = bus;
  const attendance = new Attendance(settings.presenceGrace, {
    onEnter: (room, person) => bus.publish({ kind: 'entered', server: self, room, person }),
    onLeave: (room, person, lastSeen) => {
      if (!isGone) bus.publish({ kind: 'left', server: self, room, person });
      users.seen(person.id, lastSeen);
    },
  });
  const presence = new Presence(settings.presenceGrace, attendance, bus, {
    onEnter: (room, { username }) => announcer.joined(room, username, presence.count(room)),
    onLeave: (room, { username }) => announcer.left(room, username, presence.count(room) + 1),
    onLost: ({ id }, lastSeen) => users.seen(id, lastSeen),
  });
  const gateway = new Gateway(
    {
      auth,
      chat,
      changes,
      positions,
      users,
      rooms,
      directRooms,
      hub,
      notifier,
      attendance,
      presence,
      limits,
      log,
    },
    settings,
    timing,
  );
  const ingest =
    redisUrl && new Ingest({ chat, users, rooms, directRooms, log }, redisUrl, bus.server);
  const isConnected = streams && (() => streams.isConnected);
  const metrics = createMetrics(
    {
      connections: () => gateway.size,
      rooms: () => hub.size,
      people: () => presence.size,
      isConnected,
    },
    bus,
  );
  const origin = origins(settings.trustProxy);

  // The default room is there before anyone joins, for those who read it over REST.
  const { epoch } = await rooms.findOrCreate();
  if (redis && streams) {
    limits.share(redis, epoch);
    const others = await streams.start(epoch);
    // Whoever joins at once sees who is on the others; one that hangs is not waited for.
    await Promise.race([presence.complete(others), Bun.sleep(GREETING_MS)]);
  }

  const app = new Elysia({ normalize: false })
    .use(problems(log))
    .use(browsers(settings.allowedOrigins))
    .use(requestLimit(limits, settings.trustProxy))
    .use(requestLog(log))
    // `?before=&after=` asks for neither.
    .onTransform(({ query }) => {
      // But an empty token is a bad one.
      for (const [name, value] of Object.entries(query)) {
        if (value === '' && name !== 'token') delete query[name];
      }
    })
    .use(pageRoutes())
    .use(messageRoutes({ auth, origins: origin, chat, messages, users, rooms, directRooms }))
    .use(searchRoutes({ auth, rooms, search: new Search(database.db, messages) }))
    .use(messageChangeRoutes({ auth, origins: origin, changes }))
    .use(notificationRoutes({ auth, notifications }))
    .use(userRoutes({ auth, users, rooms, presence }))
    .use(sessionRoutes({ auth, origins: origin }))
    .use(roomRoutes({ auth, origins: origin, chat, rooms, presence }))
    .use(ownRoomRoutes({ auth, positions }))
    .use(
      roomPeopleRoutes({
        auth,
        people: new RoomPeople({ db: database.db, bus, rooms, users, positions, log }),
      }),
    )
    .use(eventRoutes({ auth, hub, rooms, limits, origins: origin, quiet: timing.pingEvery / 2 }))
    .use(
      opsRoutes({
        settings,
        auth,
        origins: origin,
        metrics,
        isConnected,
        ping: database.ping,
        isStopping: () => stopping,
      }),
    )
    .use(origin)
    .get(
      '/ws',
      async ({ request, origin: { address }, headers, query }) => {
        checkOrigin(request, settings.allowedOrigins);
        // Guests get in, in AUTH=required too: their token may come with the join.
        const identity = await auth.identify(credentialOf(headers, query));
        if (!server || !gateway.upgrade(request, server, { identity, address })) {
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
      if (ingest) await ingest.close();
      await chat.close();
      await gateway.close();
      await server?.stop(true);
      await stopped;
      isGone = true;
      attendance.close();
      presence.close();
      hub.close();
      notifier.close();
      // To the others its people were dropped, and have not left: they are on their way there.
      bus.publish({ kind: 'lost', server: self, silent: 0 });
      await streams?.close();
      await rooms.close();
      await users.close();
    },
  };
}
