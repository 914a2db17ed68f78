import type { ChatClient } from './chat.ts';
import { ChatError } from './error.ts';
import { notified } from './inbox.ts';
import type { Link } from './link.ts';
import type { ChatOptions } from './options.ts';
import { lazy } from './part.ts';
import type { ServerFrame, ServerFrameOf } from './protocol.ts';
import { quiet } from './quiet.ts';
import type { Room } from './room.ts';
import type { RoomOptions } from './room-types.ts';

/** After how long a request without an answer is lost, in milliseconds; the server answers within 5 s. */
const ANSWER_MS = 15_000;

/** The codes of an `error` to a user who may no longer be in some room; it does not name the room. */
const PUT_OUT = ['banned', 'forbidden', 'not_found', 'unauthorized'];

const restore = lazy(() => import('./restore.ts'));
const history = lazy(() => import('./history.ts'));

/** Clients whose outbox is kept. */
const kept = new WeakSet<ChatClient>();
/** By room: the lowest `since` of later calls, so that calling again and again costs nothing. */
const wanted = new WeakMap<Room, number>();
/** By client: the link on which its notifications were loaded. */
const loadedWith = new WeakMap<ChatClient, Link>();

/**
 * Sets up what a client needs beside its rooms: the store of its outbox; a room, since the first join
 * tells the server who the user is; notifications, where the application subscribes to them; the names of
 * direct rooms. A failure is repaired on the next connection.
 *
 * @param base the address of the server
 */
export async function begin(
  chat: ChatClient,
  { outbox, home = 'general' }: ChatOptions,
  base: string,
): Promise<void> {
  // Without a username the server tells whose outbox it is.
  if (chat.username && !kept.has(chat)) {
    const { keep } = await restore();
    if (!kept.has(chat)) void keep(chat, base, outbox);
    kept.add(chat);
  }
  const isNamed = chat.rooms.some(({ name }) => name);
  const isListening = chat.has('notification') || chat.notifications.has('change');
  const { isOpen, link } = chat.connection;
  if (isOpen && !isNamed && (chat.rooms[0] || isListening)) chat.room(home);
  if (!chat.isJoined || !link) return;
  if (chat.notifications.has('change') && loadedWith.get(chat) !== link) {
    loadedWith.set(chat, link);
    chat.notifications.load();
  }
  if (chat.rooms.every(({ name }) => name)) return;
  // If that fails, the first message brings the name.
  const rooms = await (await chat.api).myRooms().catch(() => []);
  for (const room of rooms) named(chat, room.with, room.name);
}

/** Applies the options of a later call of `chat.room` to a room that is open already. */
export function extend(room: Room, { since }: RoomOptions = {}): void {
  if (typeof since !== 'number' || (wanted.get(room) ?? since + 1) <= since) return;
  wanted.set(room, since);
  history()
    .then(({ loadSince }) => loadSince(room, since))
    .catch(() => wanted.delete(room));
}

/** Handles a message of a room that is not open here, which may be a direct room without a name yet. */
function foundDirect(chat: ChatClient, { username, to, room }: ServerFrameOf<'message'>): void {
  named(chat, username === chat.username ? to : username, room);
}

/** Gives a direct room its name. */
function named(chat: ChatClient, username: string | undefined, room: string): void {
  chat.rooms.find(({ to }) => to && to === username?.toLowerCase())?.named(room);
}

/** Handles a frame that is for the user rather than for a room. */
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
      // Joining each room again shows which one it is.
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
      if (chat.requests.isOverdue(chat.platform.now() - ANSWER_MS)) {
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

/** Sends a fresh token. If it comes too late, the next connection begins with it. */
async function refreshToken(chat: ChatClient): Promise<void> {
  await chat.token.fetch(true);
  const { value } = chat.token;
  const ignore = () => {};
  if (value) chat.ask({ type: 'auth', token: value }, ignore, ignore);
}
