import { ChatError } from './error.ts';
import type { Feed } from './feed.ts';
import type { ChatMessage } from './messages.ts';
import type { ServerFrame, ServerFrameOf, StoredMessage } from './protocol.ts';
import { quiet } from './quiet.ts';

/*
 * What happens in a room beside its messages: presence, typing, read positions, ephemeral events. The
 * state is kept on the room itself.
 */

/** What a `joined` frame says of who is there and what is read. */
type Entered = Pick<ServerFrameOf<'joined'>, 'users' | 'userCount' | 'unread' | 'lastRead'>;

/** How often `typing` is sent while the user types, in milliseconds. */
const TYPING_MS = 3000;
/** After how long without a `typing` frame a user no longer types, in milliseconds. */
const LAPSE_MS = 5000;
/** The highest value of `unread`. */
const MAX_UNREAD = 100;

/** By room: when each user last typed, in milliseconds since 1970; this user's own time is under the name `''`. */
const typing = new WeakMap<Feed, Map<string, number>>();

/** Handles a page of a `joined` frame. */
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

/** Handles a message that is new or has changed. @param before the message before the change */
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

/** Handles an ephemeral frame. */
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

/** Marks messages as read, here and on the server. */
export function read(room: Feed, seq = room.list.newest): void {
  if (seq > room.lastRead) room.host.connection.send({ type: 'read', room: room.name, seq });
  readTo(room, seq);
}

/** Tells the others that the user is typing. */
export function type(room: Feed): void {
  const now = room.host.platform.now();
  const times = timesOf(room);
  if (!room.isLive || now - (times.get('') ?? 0) < TYPING_MS) return;
  times.set('', now);
  room.host.connection.send({ type: 'typing', room: room.name });
}

/** Sends an ephemeral event. */
export function event(room: Feed, name: string, data: unknown): Promise<void> {
  const lost = new ChatError('unavailable', 'Not in the room at the moment');
  const shown = new Promise<void>((done, fail) => {
    if (!room.isLive) return fail(lost);
    const frame = { type: 'event', room: room.name, name, data } as const;
    room.host.ask(frame, done, (error) => fail(error ?? lost));
  });
  return quiet(shown);
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
