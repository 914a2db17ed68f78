import { ChatError, invalidField } from '../errors.ts';
import { isSameName } from '../protocol/checks.ts';
import type { Person } from '../protocol/identity.ts';

/** @throws {ChatError} `conflict` when a later join names another user or protocol */
export function checkUnchanged(
  { user, protocol }: { user: Person; protocol: 0 | 1 },
  username: string | undefined,
  asked: 0 | 1,
): void {
  if (username !== undefined && !isSameName(username, user.username)) {
    throw new ChatError('conflict', otherUser(user));
  }
  if (asked !== protocol) {
    throw new ChatError(
      'conflict',
      `This connection speaks protocol ${protocol}; open another one for another protocol`,
    );
  }
}

/** @throws {ChatError} `invalid_frame` for a field that protocol 0 does not have */
export function checkFields<Frame extends object>(
  frame: Frame,
  protocol: 0 | 1 | undefined,
  fields: (keyof Frame & string)[],
): void {
  if (protocol === 1) return;
  const field = fields.find((name) => frame[name] !== undefined);
  if (field) throw invalidField(field, 'needs "protocol": 1');
}

/** @throws {ChatError} `forbidden` for the name of another user */
export function checkSameUser(user: Person, username: string): void {
  if (!isSameName(username, user.username)) throw new ChatError('forbidden', otherUser(user));
}

function otherUser({ username }: Person): string {
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
