import { ChatError } from '../errors.ts';

/** The part of a user that never changes. */
export interface Person {
  id: number;
  /** The name in its first spelling. */
  username: string;
}

/** A user, and what decides which identities may act as it. */
export interface UserState extends Person {
  /** The user has a password, or a valid token has named it; otherwise it is a guest, whose name is free to use. */
  isAccount: boolean;
  hasPassword: boolean;
  isBanned: boolean;
  /** The role of the last token of the user. */
  role: Role;
  /** Tokens issued until then have been ended; in milliseconds since 1970, 0 for never. */
  tokensEndedAt: number;
  /** Rises with each change of the above. */
  version: number;
}

/** The roles that a token may give; notices go to roles. */
export const roles = ['user', 'admin'] as const;
export type Role = (typeof roles)[number];

/** The claims of a verified token. Times are in milliseconds since 1970. */
export interface Token {
  /** Its `sub`. */
  username: string;
  role: Role;
  issuedAt?: number | undefined;
  expiresAt?: number | undefined;
  /** Patterns of the rooms that the token is for; without patterns it is for all. */
  rooms?: string[] | undefined;
  /** Signed by the keys of `AUTH_JWKS_URL`. */
  isForeign: boolean;
}

/** The sender of a request: a guest, a user with a token, or the holder of `API_KEY`. */
export type Identity =
  | { kind: 'guest' }
  | { kind: 'user'; user: UserState; token: Token }
  | { kind: 'key' };

/** The advice in errors for a missing or bad token. */
export const HOW_TO_SIGN_IN = 'sign in with POST /sessions and send its token';

export function banned(): ChatError {
  return new ChatError('banned', 'This user is banned from the server.');
}

/**
 * The reason why an identity may not act as this user, in the user's present state; undefined when it may. The
 * message is short enough for the close of a WebSocket: 123 bytes.
 *
 * @param now milliseconds since 1970
 */
export function refusal(identity: Identity, user: UserState, now: number): ChatError | undefined {
  if (user.isBanned) return banned();
  if (identity.kind === 'key') return;
  if (identity.kind === 'guest') {
    if (!user.isAccount) return;
    return new ChatError('unauthorized', `This name is an account’s; ${HOW_TO_SIGN_IN}.`);
  }
  const { isForeign, issuedAt = 0, expiresAt = Infinity } = identity.token;
  if (expiresAt <= now) {
    return new ChatError('unauthorized', `The token has expired; ${HOW_TO_SIGN_IN}.`);
  }
  // A token without the time of its issue counts as old.
  if (issuedAt <= user.tokensEndedAt && user.tokensEndedAt > 0) {
    return new ChatError('unauthorized', `The token has been ended; ${HOW_TO_SIGN_IN}.`);
  }
  if (isForeign && user.hasPassword) {
    return new ChatError(
      'unauthorized',
      'This account has a password and accepts only tokens of POST /sessions.',
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
    throw new ChatError('unauthorized', `A token is required; ${HOW_TO_SIGN_IN}.`);
  }
}

/** The prefix that the names of direct rooms have, and no others. */
export const DIRECT = 'dm:';

/** The rooms to which a token is limited, as patterns; undefined for one without limits. */
export type Scope = readonly string[] | undefined;

/** The rooms that an identity may see and act in; {@link checkUnlimited} guards everything outside of rooms. */
export function scopeOf(identity: Identity): Scope {
  return identity.kind === 'user' ? identity.token.rooms : undefined;
}

/** @param room its name in lower case */
export function isInScope(scope: Scope, room: string): boolean {
  return scope === undefined || patternsFor(scope, room).some((pattern) => matches(pattern, room));
}

/** Whether a direct room may match. */
export function mayBeDirect(scope: Scope): boolean {
  return scope === undefined || patternsFor(scope, DIRECT).length > 0;
}

/** The patterns that may match a room of this kind; direct rooms need patterns that name them as such. */
function patternsFor(scope: readonly string[], room: string): string[] {
  const patterns = scope.map((pattern) => pattern.toLowerCase());
  return room.startsWith(DIRECT) ? patterns.filter((p) => p.startsWith(DIRECT)) : patterns;
}

/** @throws {ChatError} `forbidden` when the token is not for this room (its name in lower case) */
export function checkRoom(identity: Identity, room: string): void {
  if (isInScope(scopeOf(identity), room)) return;
  throw new ChatError('forbidden', `This token is not for the room "${room}".`);
}

/** @throws {ChatError} `forbidden` when the token is limited to rooms, for actions outside of rooms */
export function checkUnlimited(identity: Identity): void {
  if (scopeOf(identity) === undefined) return;
  throw new ChatError('forbidden', 'This token is limited to some rooms, and does not allow this.');
}

/** A `*` matches any number of characters. */
function matches(pattern: string, room: string): boolean {
  // Part by part rather than as a regular expression, which a long pattern could make slow.
  const [first = '', ...rest] = pattern.split('*');
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
