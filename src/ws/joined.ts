import { ChatError } from '../errors.ts';
import type { Person } from '../types/identity.ts';
import { isSameName, parseRoomName } from '../types/text.ts';
import type { Conversation, Speaker } from './conversation.ts';
import type { LiveRoom } from './live-room.ts';
import type { Stay } from './stay.ts';
import { topics } from './topics.ts';

/** Until its first `join` a client is nobody; from then on it is one user who speaks one protocol. */
export type State = { joined: false } | Joined;
export interface Joined extends Speaker {
  joined: true;
  conversation: Conversation;
  /** Nothing of the user's comes any more. */
  stopListening(): void;
}

/** What the client subscribes to for a room; a direct one comes with all else that is the user's. */
export function topicOf({ protocol }: Joined, { name, room }: LiveRoom): string | undefined {
  if (room.direct) return undefined;
  return protocol === 0 ? topics.basic(name) : topics.full(name);
}

/** The client’s stay in a room. @throws {ChatError} `not_joined` */
export function stayIn(rooms: Map<string, Stay>, raw: string): Stay {
  const stay = rooms.get(parseRoomName(raw));
  if (!stay) throw notJoined(raw);
  return stay;
}

/** @throws {ChatError} `conflict` when a later join would be someone else, or speak otherwise */
export function checkSameAs({ user, protocol }: Joined, username: string, asked: 0 | 1): void {
  if (!isSameName(username, user.username)) throw new ChatError('conflict', notYou(user));
  if (asked !== protocol) {
    throw new ChatError('conflict', `This connection speaks protocol ${protocol}; open another`);
  }
}

/** @throws {ChatError} `unknown_type` for a frame that protocol 0 does not have */
export function checkFull({ protocol }: Joined, type: string): void {
  if (protocol === 1) return;
  const remedy = 'join with "protocol": 1';
  throw new ChatError('unknown_type', `There is no "${type}" in protocol 0; ${remedy}`);
}

export function notYou({ username }: Person): string {
  return `This connection joined as "${username}"; open another one for another user`;
}

export function notJoined(room?: string): ChatError {
  const where = room === undefined ? 'a room' : 'this room';
  return new ChatError('not_joined', `Join ${where} first: {"type":"join","username":"ana"}`);
}
