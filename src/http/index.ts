import { Elysia } from 'elysia';
import type { ChatService } from '../chat/chat.service.ts';
import type { EphemeralEvents } from '../chat/ephemeral-events.ts';
import type { ReadCursors } from '../chat/read-cursors.ts';
import type { MessageReader } from '../chat/reader.ts';
import type { Search } from '../chat/search.ts';
import type { Settings } from '../config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Limits } from '../limits/limits.ts';
import type { Live } from '../live/live.ts';
import type { Logger } from '../log.ts';
import type { NotificationService } from '../notifications/notification.service.ts';
import type { Members } from '../rooms/members.ts';
import type { RoomService } from '../rooms/room.service.ts';
import type { RoomManager } from '../rooms/room-manager.ts';
import type { AccountService } from '../users/auth/account.service.ts';
import type { AuthService } from '../users/auth/auth.service.ts';
import type { UserService } from '../users/user.service.ts';
import { browsers } from './plugins/browsers.ts';
import { docs } from './plugins/docs.ts';
import { frontDoor, requestLimit } from './plugins/front-door.ts';
import { problems, type Route } from './plugins/problems.ts';
import { origins } from './plugins/proxies.ts';
import { requestLog } from './plugins/request-log.ts';
import { clientRoutes, testerRoutes } from './routes/built.ts';
import { eventRoutes } from './routes/events.ts';
import { memberRoutes } from './routes/members.ts';
import { messageChangeRoutes } from './routes/message-changes.ts';
import { messageRoutes } from './routes/messages.ts';
import { notificationRoutes } from './routes/notifications.ts';
import { opsRoutes } from './routes/ops.ts';
import { ownRoomRoutes } from './routes/own-rooms.ts';
import { pageRoutes } from './routes/pages.ts';
import { roomRoutes } from './routes/rooms.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { userRoutes } from './routes/users.ts';
import { type UpgradeParts, webSocketDoor, webSocketRoute } from './routes/websocket.ts';
import { wsInfoRoutes } from './routes/ws-info.ts';

export interface HttpParts {
  settings: Settings;
  accounts: AccountService;
  auth: AuthService;
  chat: ChatService;
  clock: Clock;
  cursors: ReadCursors;
  events: EphemeralEvents;
  limits: Limits;
  live: Live;
  log: Logger;
  members: Members;
  messages: MessageReader;
  notifications: NotificationService;
  rooms: RoomService;
  roomManager: RoomManager;
  search: Search;
  users: UserService;
  /** Turns a request into a WebSocket; false for a request that is no handshake. */
  upgrade: UpgradeParts['upgrade'];
  /** The metrics in Prometheus' text format. */
  metrics(): Promise<string>;
  /** Whether the other servers are reached; undefined without Redis. */
  isConnected: (() => boolean) | undefined;
  /** Returns when the database answers. */
  ping(): Promise<void>;
  isStopping(): boolean;
  /** How long an event stream may be quiet, in milliseconds, before a comment keeps it open. */
  quiet: number;
}

/** Composes all routes, in the order in which the plugins act on them. */
export async function http(parts: HttpParts) {
  const { settings, log } = parts;
  const { presence, hub } = parts.live;
  const all = { ...parts, origins: origins(settings.trustProxy), presence, hub };
  const { auth, limits, upgrade } = parts;
  const door = { auth, limits, upgrade, allowedOrigins: settings.allowedOrigins };
  const routes: Route[] = [];
  const root = new Elysia({ normalize: false, strictPath: true });
  const app = root
    .wrap(frontDoor({ ...parts, connect: webSocketDoor(door) }, () => root.server) as never)
    .use(problems(log, routes))
    .use(browsers(settings))
    .use(requestLimit(parts.limits, settings.trustProxy))
    .use(requestLog(log))
    // `?before=&after=` sets neither.
    .onTransform(({ query }) => {
      // An empty token, though, is a bad one.
      for (const [name, value] of Object.entries(query)) {
        if (value === '' && name !== 'token') delete query[name];
      }
    })
    .use(clientRoutes())
    .use(testerRoutes())
    .use(await pageRoutes())
    .use(messageRoutes(all))
    .use(messageChangeRoutes(all))
    .use(notificationRoutes(all))
    .use(userRoutes(all))
    .use(sessionRoutes(all))
    .use(roomRoutes(all))
    .use(ownRoomRoutes(all))
    .use(memberRoutes(all))
    .use(eventRoutes(all))
    .use(wsInfoRoutes(all))
    .use(opsRoutes(all))
    .use(webSocketRoute({ ...all, ...door }));
  routes.push(...app.routes);
  return app.use(docs(app));
}
