import type { ChatError } from './error.ts';
import type { ChatMessage } from './messages.ts';

/** Whether the user is in a room. */
export type RoomStatus =
  | { readonly state: 'joining' }
  | { readonly state: 'live' }
  | { readonly state: 'failed'; readonly error: ChatError }
  | { readonly state: 'left' };

/** What happens in a room. */
export interface RoomEvents {
  /** Somebody, the user too, has said something: once for each message. */
  message: ChatMessage;
  /** A message was edited, deleted or reacted to. */
  update: ChatMessage;
  presence: { username: string; status: 'online' | 'offline' };
  typing: { username: string };
  /** The user has read up to a `seq` elsewhere, or the other one of a direct room has. */
  read: { username: string; seq: number };
  /** Something that is not stored: a price, the state of a game. */
  event: { username?: string; name: string; data?: unknown; timestamp: string };
  /** The room's history is another one than before: what was shown is gone. */
  reset: undefined;
  error: ChatError;
  /** Something that can be read here has changed. */
  change: undefined;
}

/** What is said: text, or data for programs, or both. */
export interface NewMessage {
  content?: string;
  data?: unknown;
  /** The id of an earlier message of the room. */
  replyTo?: number;
}

export interface RoomOptions {
  /** From where messages are loaded: 0 is from the beginning. Default: the last 10. */
  since?: number | '$';
}
