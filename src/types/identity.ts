import { ChatError } from '../errors.ts';

/** As much of a user as never changes. */
export interface Person {
  id: number;
  /** As first registered. */
  username: string;
}

/** A user, and what decides who may be it. */
export interface Standing extends Person {
  /** It has a password, or a valid token has named it; otherwise it is a guest, whose name is free. */
  isAccount: boolean;
  hasPassword: boolean;
  isBanned: boolean;
  /** Of the last token that it has shown. */
  role: Role;
  /** Tokens issued until then are over; in milliseconds since 1970, 0 for never. */
  tokensEndedAt: number;
  /** Rises with each change of the above. */
  version: number;
}

/** What a token may say of its user; notices go to roles. */
export const roles = ['user', 'admin'] as const;
export type Role = (typeof roles)[number];

/** What a verified token says. Times are in milliseconds since 1970. */
export interface Token {
  /** Its `sub`. */
  username: string;
  role: Role;
  issuedAt?: number | undefined;
  expiresAt?: number | undefined;
  /** Patterns of the rooms that it may enter; without them it may enter any. */
  rooms?: string[] | undefined;
  /** Signed by the keys of `AUTH_JWKS_URL`. */
  isForeign: boolean;
}

/** Who asks: nobody in particular, a user who has shown a token, or the holder of `API_KEY`. */
export type Identity =
  | { kind: 'guest' }
  | { kind: 'user'; user: Standing; token: Token }
  | { kind: 'key' };

/** What to say to whoever needs a token and has none that is good. */
export const HOW_TO_SIGN_IN = 'sign in with POST /sessions and send its token';

export function banned(): ChatError {
  return new ChatError('banned', 'This user is banned from the server.');
}

/**
 * The reason why someone of this identity may not be this user, as the user now stands. Its
 * message is short enough for the close of a WebSocket: 123 bytes.
 */
export function refusal(identity: Identity, user: Standing): ChatError | undefined {
  if (user.isBanned) return banned();
  if (identity.kind === 'key') return;
  if (identity.kind === 'guest') {
    if (!user.isAccount) return;
    return new ChatError('unauthorized', `This name is an account’s; ${HOW_TO_SIGN_IN}.`);
  }
  const { isForeign, issuedAt = 0, expiresAt = Infinity } = identity.token;
  if (expiresAt <= Date.now()) {
    return new ChatError('unauthorized', `The token has expired; ${HOW_TO_SIGN_IN}.`);
  }
  // A token that does not say when it was issued counts as old.
  if (issuedAt <= user.tokensEndedAt && user.tokensEndedAt > 0) {
    return new ChatError('unauthorized', `The token has been ended; ${HOW_TO_SIGN_IN}.`);
  }
  if (isForeign && user.hasPassword) {
    return new ChatError(
      'unauthorized',
      'This account has a password here, and takes only tokens of POST /sessions.',
    );
  }
}

/** An admin by role, or the holder of `API_KEY`. */
export function isAdmin(identity: Identity): boolean {
  return identity.kind === 'key' || (identity.kind === 'user' && identity.token.role === 'admin');
}

/** @throws {ChatError} `unauthorized` or `forbidden` for all but admins */
export function checkAdmin(identity: Identity): void {
  if (isAdmin(identity)) return;
  throw identity.kind === 'guest'
    ? new ChatError('unauthorized', 'This needs the token of an admin, or API_KEY.')
    : new ChatError('forbidden', 'This is for admins.');
}

/** @throws {ChatError} `unauthorized` for guests */
export function checkSignedIn(identity: Identity): void {
  if (identity.kind === 'guest') {
    throw new ChatError('unauthorized', `A token is needed here; ${HOW_TO_SIGN_IN}.`);
  }
}

/** @throws {ChatError} `forbidden` when the token is not for this room (its name in lower case) */
export function checkRoom(identity: Identity, room: string): void {
  if (identity.kind !== 'user' || !identity.token.rooms) return;
  if (!identity.token.rooms.some((pattern) => matches(pattern, room))) {
    throw new ChatError('forbidden', `This token is not for the room "${room}".`);
  }
}

/** A `*` stands for any characters, none included. */
function matches(pattern: string, room: string): boolean {
  // Part by part rather than as a regular expression, which a long pattern could make slow.
  const [first = '', ...rest] = pattern.toLowerCase().split('*');
  if (rest.length === 0) return room === first;
  const last = rest.pop() as string;
  if (!room.startsWith(first) || !room.endsWith(last)) return false;
  let from = first.length;
  for (const part of rest) {
    const at = room.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return from + last.length <= room.length;
}
