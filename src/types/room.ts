import { ChatError } from '../errors.ts';
import { type Identity, isAdmin, type Person } from './identity.ts';

/** A room, as far as others need to know it to enter it or to speak there. */
export interface Room {
  id: number;
  name: string;
  /** Names its history. */
  epoch: string;
  topic: string | null;
  /** For its owner and its members; for all others it is not there. */
  isPrivate: boolean;
  /** A user's id; null when nobody owns it. */
  ownerId: number | null;
  /** Someone is or was banned or muted in it. */
  isModerated: boolean;
  /** Its two people, or the one who talks to itself; null for a room that is no direct one. */
  direct: Person[] | null;
}

/** How a user stands in a room. */
export interface Place {
  isMember: boolean;
  isBanned: boolean;
  isMuted: boolean;
}

/** Of whom nothing is known in a room. */
export const NO_PLACE: Place = { isMember: false, isBanned: false, isMuted: false };

/** Who would do something in a room: by which right, and as which user, if as any. */
export interface Visitor {
  identity: Identity;
  user?: Person | undefined;
  /** Where this came from, for what is counted by address. */
  address?: string | undefined;
}

/** `read` goes for entering too; `manage` is for the owner and for admins. */
export type Wish = 'read' | 'speak' | 'manage';

/** Someone of this identity, as the user of the token. */
export function visitorOf(identity: Identity): Visitor {
  return identity.kind === 'user' ? { identity, user: identity.user } : { identity };
}

/** Whether nothing about this room depends on who comes. */
export function isForAll(room: Room): boolean {
  return !room.isPrivate && !room.isModerated;
}

/**
 * The reason why someone may not do something in a room.
 */
export function refusalIn(
  room: Room,
  place: Place,
  { identity, user }: Visitor,
  wish: Wish,
): ChatError | undefined {
  // A direct room is nobody's but its two people's.
  if (room.direct && !room.direct.some(({ id }) => id === user?.id)) return noSuchRoom(room.name);
  const rules = !room.direct && (isAdmin(identity) || isOwner(room, identity));
  if (room.isPrivate && !rules && !place.isMember) return noSuchRoom(room.name);
  if (wish === 'manage') return rules ? undefined : notYours(identity);
  if (!user) return;
  if (place.isBanned)
    return new ChatError('banned', `You are banned from the room "${room.name}".`);
  if (wish === 'speak' && place.isMuted) {
    return new ChatError('muted', `You are muted in the room "${room.name}".`);
  }
}

function isOwner({ ownerId }: Room, identity: Identity): boolean {
  return identity.kind === 'user' && identity.user.id === ownerId;
}

function notYours(identity: Identity): ChatError {
  return identity.kind === 'guest'
    ? new ChatError('unauthorized', 'This needs the token of the room’s owner or of an admin.')
    : new ChatError('forbidden', 'This is for the owner of the room and for admins.');
}

/** What everyone is told to whom a room is not there, whether it is not or is private. */
export function noSuchRoom(name: string): ChatError {
  return new ChatError('not_found', `There is no room "${name}"`);
}
