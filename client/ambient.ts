import type { ChatClient } from './chat.ts';
import { ChatError } from './error.ts';
import type { Feed } from './feed.ts';
import type { Link } from './link.ts';
import type { ChatMessage } from './messages.ts';
import type { Notifications } from './notifications.ts';
import type { ChatOptions } from './options.ts';
import { lazy } from './part.ts';
import type { Notification, ServerFrame, StoredMessage } from './protocol.ts';
import { quiet } from './quiet.ts';
import type { Room } from './room.ts';
import type { RoomOptions } from './room-types.ts';

/*
 * What is around the messages: who is there, who types, what is read, what waits elsewhere. It is
 * loaded once a connection stands, and keeps what it knows of a room on the room itself.
 */

type FrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>;

/** What the answer to a `join` says of who is there and what is read. */
type Entered = Pick<FrameOf<'joined'>, 'users' | 'userCount' | 'unread' | 'lastRead'>;

/** How often the others are told that the user is typing, and after how long without it somebody is not, in milliseconds.2. */
const TYPING_MS = 3000;
const LAPSE_MS = 5000;
/** The server answers within 5 s; what is not answered after so long is lost, in milliseconds. */
const ANSWER_MS = 15_000;
/** What `unread` counts to. */
const MAX_UNREAD = 100;
/** Notifications that are kept, and that the server returns at once. */
const MAX_NOTIFICATIONS = 100;
const NOTIFICATIONS_PAGE = 50;

/** When each of a room's typists was last seen typing; and the user, under the name `''`. */
const typing = new WeakMap<Feed, Map<string, number>>();

/** A page of a `join` came. */
export function entered(room: Feed, page: Entered, isNew: boolean): void {
  if (isNew) room.lastRead = 0;
  if (room.lastRead <= page.lastRead) {
    room.lastRead = page.lastRead;
    room.unread = page.unread;
  } else room.host.connection.send({ type: 'read', room: room.name, seq: room.lastRead });
  if (room.users.join() !== page.users.join()) room.users = page.users;
  room.userCount = page.userCount;
  room.changed();
}

/** A message came, or what was done to one. @param before what was known of it */
export function heard(room: Feed, message: ChatMessage, before?: StoredMessage): void {
  const { username, seq = 0, deletedAt } = message;
  stopTyping(room, username);
  if (username === room.host.username) readTo(room, seq);
  else if (seq > room.lastRead) {
    if (!before && !deletedAt) room.unread = Math.min(MAX_UNREAD, room.unread + 1);
    if (before && deletedAt && !before.deletedAt) room.unread = Math.max(0, room.unread - 1);
  }
  room.changed();
}

/** Something that is not stored came. */
export function shown(room: Feed, frame: ServerFrame): void {
  switch (frame.type) {
    case 'presence':
      presence(room, frame.username, frame.status === 'online');
      break;
    case 'typing':
      timesOf(room).set(frame.username, room.host.platform.now());
      room.host.platform.after(LAPSE_MS, () => refresh(room));
      refresh(room);
      break;
    case 'read':
      if (frame.username === room.host.username) readTo(room, frame.seq);
      else room.partnerRead = Math.max(room.partnerRead, frame.seq);
  }
  room.emit(frame.type as 'event', frame as never);
  room.changed();
}

/** The user has read up to a message. */
export function read(room: Feed, seq = room.list.newest): void {
  if (seq > room.lastRead) room.host.connection.send({ type: 'read', room: room.name, seq });
  readTo(room, seq);
}

/** The user is typing. */
export function type(room: Feed): void {
  const now = room.host.platform.now();
  const times = timesOf(room);
  if (!room.isLive || now - (times.get('') ?? 0) < TYPING_MS) return;
  times.set('', now);
  room.host.connection.send({ type: 'typing', room: room.name });
}

/** Shows something to the others. */
export function event(room: Feed, name: string, data: unknown): Promise<void> {
  const lost = new ChatError('unavailable', 'Not in the room at the moment');
  const shown = new Promise<void>((done, fail) => {
    if (!room.isLive) return fail(lost);
    const frame = { type: 'event', room: room.name, name, data } as const;
    room.host.ask(frame, done, (error) => fail(error ?? lost));
  });
  return quiet(shown);
}

/** Notifications came. */
export function notified(to: Notifications, more: Notification[], unread: number): void {
  const byId = new Map([...to.items, ...more].map((item) => [item.id, item]));
  to.items = [...byId.values()].sort((a, b) => b.id - a.id).slice(0, MAX_NOTIFICATIONS);
  to.unread = unread;
  to.changed();
}

/** Loads the newest notifications that are not read. */
export function loadNotifications(to: Notifications): Promise<void> {
  const load = async () => {
    const before = new Set(to.items);
    const items = await (await to.host.api).notifications();
    const isAll = items.length < NOTIFICATIONS_PAGE;
    // The others have been read elsewhere.
    if (isAll) to.items = to.items.filter((item) => !before.has(item));
    notified(to, items, Math.max(to.unread, items.length));
    if (isAll) to.unread = to.items.length;
  };
  return quiet(load());
}

/** The user has read a notification. */
export function readNotification(to: Notifications, id: number): Promise<void> {
  const read = async () => {
    await (await to.host.api).readNotification(id);
    const items = to.items.filter((item) => item.id !== id);
    to.unread -= to.items.length - items.length;
    to.items = items;
    to.changed();
  };
  return quiet(read());
}

/** What the server says to a user that it has put out of a room, without naming the room. */
const PUT_OUT = ['banned', 'forbidden', 'not_found', 'unauthorized'];

const restore = lazy(() => import('./restore.ts'));
const older = lazy(() => import('./older.ts'));

/** Clients whose outbox is kept. */
const kept = new WeakSet<ChatClient>();
/** By client: the link with which its notifications were loaded. */
const loadedWith = new WeakMap<ChatClient, Link>();

/**
 * Sees to what a client needs beside its rooms: its outbox is kept; nobody is anyone before entering a
 * room; notifications that somebody looks at are loaded with every connection; direct rooms have their
 * names from the server. What fails is tried again with the next connection.
 *
 * @param base the address of the server
 */
export async function begin(
  chat: ChatClient,
  { outbox, home = 'general' }: ChatOptions,
  base: string,
): Promise<void> {
  // Whose it is may be for the server to say.
  if (chat.username && !kept.has(chat)) {
    const { keep } = await restore();
    if (!kept.has(chat)) void keep(chat, base, outbox);
    kept.add(chat);
  }
  const isNamed = chat.rooms.some(({ name }) => name);
  const isListening = chat.has('notification') || chat.notifications.has('change');
  if (!isNamed && (chat.rooms[0] || isListening)) chat.room(home);
  const { link } = chat.connection;
  if (!chat.isJoined || !link) return;
  if (chat.notifications.has('change') && loadedWith.get(chat) !== link) {
    loadedWith.set(chat, link);
    chat.notifications.load();
  }
  if (chat.rooms.every(({ name }) => name)) return;
  // Where that fails, the first message brings the name.
  const rooms = await (await chat.api).myRooms().catch(() => []);
  for (const room of rooms) named(chat, room.with, room.name);
}

/** A room that is open already is asked for with options of its own. */
export function extend(room: Room, { since }: RoomOptions): void {
  if (typeof since === 'number') quiet(older().then(({ loadSince }) => loadSince(room, since)));
}

/** A message came to a room that is not open here; it may be a direct one that has no name yet. */
function foundDirect(chat: ChatClient, { username, to, room }: FrameOf<'message'>): void {
  named(chat, username === chat.username ? to : username, room);
}

/** A direct room has its name. */
function named(chat: ChatClient, username: string | undefined, room: string): void {
  chat.rooms.find(({ to }) => to && to === username?.toLowerCase())?.named(room);
}

/** Something came that is for the user wherever it is. */
export function personal(chat: ChatClient, frame: ServerFrame): void {
  switch (frame.type) {
    case 'notification': {
      const { type: _, unread, ...notification } = frame;
      const isKnown = chat.notifications.items.some(({ id }) => id === notification.id);
      notified(chat.notifications, [notification], unread);
      if (!isKnown) chat.emit('notification', notification);
      return;
    }
    case 'error':
      // Which room it is shows when each is entered again.
      if (PUT_OUT.includes(frame.code)) for (const room of chat.rooms) room.resume();
      chat.report(new ChatError(frame.code, frame.content, frame.retryAfter));
      return;
    case 'draining': {
      const { connection, platform } = chat;
      const { link } = connection;
      platform.after(frame.reconnectIn, () => {
        if (connection.link === link) connection.again('restarting', 0);
      });
      return;
    }
    case 'pong':
      if (chat.questions.isOverdue(chat.platform.now() - ANSWER_MS)) {
        chat.connection.again('no answer');
      }
      return;
    case 'expiring':
      void quiet(refreshToken(chat));
      return;
    case 'message':
      foundDirect(chat, frame);
  }
}

/** Shows the server a fresh token. Where none is had in time, the next connection begins with it. */
async function refreshToken(chat: ChatClient): Promise<void> {
  await chat.token.fetch(true);
  const { value } = chat.token;
  const ignore = () => {};
  if (value) chat.ask({ type: 'auth', token: value }, ignore, ignore);
}

function presence(room: Feed, username: string, isOnline: boolean): void {
  if (!isOnline) stopTyping(room, username);
  if (room.users.includes(username) === isOnline) return;
  const others = room.users.filter((name) => name !== username);
  room.users = isOnline ? [...others, username] : others;
  room.userCount += isOnline ? 1 : -1;
}

function readTo(room: Feed, seq: number): void {
  if (seq <= room.lastRead) return;
  room.lastRead = seq;
  room.unread = unreadAfter(room, seq);
  room.changed();
}

function unreadAfter({ list, host }: Feed, seq: number): number {
  const isUnread = ({ username, deletedAt, ...message }: StoredMessage) =>
    message.seq > seq && username !== host.username && !deletedAt;
  return Math.min(MAX_UNREAD, list.sorted.filter(isUnread).length);
}

function stopTyping(room: Feed, username: string): void {
  if (timesOf(room).delete(username)) refresh(room);
}

function timesOf(room: Feed): Map<string, number> {
  const times = typing.get(room) ?? new Map();
  typing.set(room, times);
  return times;
}

function refresh(room: Feed): void {
  const since = room.host.platform.now() - LAPSE_MS;
  const typists = [...timesOf(room)].flatMap(([name, at]) => (name && at > since ? name : []));
  if (typists.join() === room.typists.join()) return;
  room.typists = typists;
  room.changed();
}
