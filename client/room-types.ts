import type { ChatError } from './error.ts';
import type { ChatMessage } from './messages.ts';

/** The status of a room: `live` once it is entered and complete. */
export type RoomStatus =
  | { readonly state: 'joining' }
  | { readonly state: 'live' }
  | { readonly state: 'failed'; readonly error: ChatError }
  | { readonly state: 'left' };

/** The events of a room. Example: `room.on('message', ({ content }) => …)`. */
export interface RoomEvents {
  /** A new message, of this user or of another one: once for each. */
  message: ChatMessage;
  /** A message was edited, deleted or reacted to. */
  update: ChatMessage;
  /** A user has come or gone. */
  presence: { username: string; status: 'online' | 'offline' };
  /** A user is typing: sent every 3 s while that lasts. */
  typing: { username: string };
  /** The user has read up to a `seq` on another device, or the other user of a direct room has. */
  read: { username: string; seq: number };
  /** An event that is not stored: a price, the state of a game. */
  event: { username?: string; name: string; data?: unknown; timestamp: string };
  /** The room has another history, as after a restored backup: the messages were replaced. */
  reset: undefined;
  /** The room cannot be entered. */
  error: ChatError;
  /** Something that can be read from the room has changed. */
  change: undefined;
}

/** A message to be sent: text, data for programs, or both. Example: `{ content: 'e4', data: { move: 'e2e4' } }`. */
export interface NewMessage {
  /** The text. Default: none. */
  content?: string;
  /** Any JSON. Default: none. */
  data?: unknown;
  /** The id of an earlier message of the room. Default: none. */
  replyTo?: number;
}

/** The options of a room. Example: `chat.room('news', { since: 0 })`. */
export interface RoomOptions {
  /** The `seq` after which messages are loaded: `0` is all, `'$'` only new ones. Default: the last 10 messages. */
  since?: number | '$';
}
