import type { Bus } from './bus/bus.ts';
import { ChatService } from './chat/chat.service.ts';
import { EphemeralEvents } from './chat/ephemeral-events.ts';
import { ReadCursors } from './chat/read-cursors.ts';
import { MessageReader } from './chat/reader.ts';
import { Search } from './chat/search.ts';
import { WordIndex } from './chat/word-index.ts';
import type { Settings } from './config.ts';
import type { OpenDatabase } from './db/index.ts';
import { LostAnswers } from './db/lost-answers.ts';
import type { Clock } from './lib/clock.ts';
import type { Ids } from './lib/ids.ts';
import type { Limits } from './limits/limits.ts';
import { Live } from './live/live.ts';
import { Publisher, type PubSubServer } from './live/publisher.ts';
import type { Logger } from './log.ts';
import { NotificationService } from './notifications/notification.service.ts';
import { DirectRooms } from './rooms/direct.ts';
import { Members } from './rooms/members.ts';
import { RoomService } from './rooms/room.service.ts';
import { RoomManager } from './rooms/room-manager.ts';
import { RoomSnapshots } from './rooms/snapshots.ts';
import { AccountService } from './users/auth/account.service.ts';
import { AuthService } from './users/auth/auth.service.ts';
import type { Tokens } from './users/auth/tokens.ts';
import { LastSeen } from './users/last-seen.ts';
import { UserService } from './users/user.service.ts';
import { Gateway, type Timing } from './ws/gateway.ts';

export interface CoreParts {
  settings: Settings;
  database: OpenDatabase;
  bus: Bus;
  limits: Limits;
  tokens: Tokens;
  timing: Timing;
  clock: Clock;
  ids: Ids;
  log: Logger;
  /** The listening server; null before it listens. */
  server: () => PubSubServer | null;
}

/**
 * Constructs the services behind every door, and the door `/ws`: all of a server but its Redis, its port and HTTP. The
 * simulation runs three of these in one process.
 */
export function createCore(parts: CoreParts) {
  const { settings, database, bus, limits, tokens, timing, clock, ids, log } = parts;
  const { db, isAnswering } = database;
  const answers = new LostAnswers(clock);
  const users = new UserService({ db, bus, answers, clock, log });
  const auth = new AuthService({ users, tokens, clock }, settings);
  const accounts = new AccountService({ users, tokens, limits, clock, log });
  const rooms = new RoomService({ db, limits });
  const roomManager = new RoomManager({ db, bus, rooms, limits, answers, clock, log });
  const directRooms = new DirectRooms({ db, bus, limits, ids });
  const members = new Members({ db, bus, rooms, users, answers, log });
  const messages = new MessageReader({ db, clock });
  const words = new WordIndex({ db, clock, log });
  const chat = new ChatService(
    { database, messages, words, rooms, directRooms, users, bus, limits, clock, log },
    settings,
  );
  const events = new EphemeralEvents({ rooms, bus, limits, clock });
  const cursors = new ReadCursors({ db, messages, bus, clock });
  const search = new Search({ db, messages, words });
  const notifications = new NotificationService({ db, messages, bus, clock });

  const lastSeen = new LastSeen({ db, clock, log });
  const publisher = new Publisher(parts.server, settings.compression);
  const { publish } = publisher;
  const snapshots = new RoomSnapshots({ db });
  const live = new Live(
    { messages, snapshots, notifications, lastSeen, bus, publish, clock, log },
    settings,
  );
  const { compression } = settings;
  const gateway = new Gateway({
    ...{ auth, users, rooms, chat, events, cursors, limits, live, isAnswering, clock, log },
    ...{ publisher, compression, timing },
  });
  return {
    accounts,
    answers,
    auth,
    chat,
    cursors,
    events,
    gateway,
    lastSeen,
    live,
    members,
    messages,
    notifications,
    roomManager,
    rooms,
    search,
    users,
    words,
  };
}
