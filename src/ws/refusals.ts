import { ChatError } from '../errors.ts';
import { isSameName } from '../protocol/checks.ts';
import type { Person } from '../protocol/identity.ts';

/** @throws {ChatError} `forbidden` for the name of another user */
export function checkSameUser(user: Person, username: string): void {
  if (!isSameName(username, user.username)) throw new ChatError('forbidden', otherUser(user));
}

export function otherUser({ username }: Person): string {
  return `This connection joined as "${username}"; open another one for another user`;
}

/**
 * @param room the room of the frame, if it names one
 * @param username of the connection, so that the `join` that is proposed is one that it may send
 */
export function notJoined(room?: string, username = 'ana'): ChatError {
  const join = JSON.stringify({ type: 'join', username, room: room?.slice(0, 64) });
  const which = room === undefined ? 'a' : 'this';
  return new ChatError('not_joined', `Join ${which} room first: ${join}`);
}
