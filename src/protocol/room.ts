import { ChatError } from '../errors.ts';
import { type Identity, isAdmin, type Person } from './identity.ts';

/** The state of a room that decides the rights in it. */
export interface Room {
  id: number;
  name: string;
  /** Names the history of the room. */
  epoch: string;
  /** Rises by one with each change of the room or of a membership in it; of two copies the newer one counts. */
  version: number;
  topic: string | null;
  /** Visible only to its owner and its members. */
  isPrivate: boolean;
  /** A user's id; null for a room without an owner. */
  ownerId: number | null;
  /** Whether the room has ever had bans or mutes. */
  isModerated: boolean;
  /** The two users of a direct room, or the one user of a notebook; null for any other room. */
  direct: Person[] | null;
}

/** The other user of a direct room; in a notebook, its one user. */
export function partnerIn(direct: Person[], userId: number): Person | undefined {
  return direct.find(({ id }) => id !== userId) ?? direct[0];
}

/** A reference to a room: its id, which never changes, and its name, which another room may get after its deletion. */
export type RoomRef = Pick<Room, 'id' | 'name'>;

/** The flags of a user in a room, as of a version of the room. */
export interface Membership {
  isMember: boolean;
  isBanned: boolean;
  isMuted: boolean;
  version: number;
}

/** The membership of users without a row. */
export const NO_MEMBERSHIP: Membership = {
  isMember: false,
  isBanned: false,
  isMuted: false,
  version: 0,
};

/** The identity of a request, and the user that it acts as, if any. */
export interface Principal {
  identity: Identity;
  user?: Person | undefined;
  /** The client's address, for limits per address. */
  address?: string | undefined;
}

/** `read` includes entering; `manage` is for the owner and for admins. */
export type Permission = 'read' | 'write' | 'manage';

/** An identity as the user of its token. */
export function principalOf(identity: Identity): Principal {
  return identity.kind === 'user' ? { identity, user: identity.user } : { identity };
}

/** Whether every user has the same rights in this room. */
export function isUnrestricted(room: Room): boolean {
  return !room.isPrivate && !room.isModerated;
}

/** The reason why a principal lacks a permission in a room; undefined when it has it. */
export function refusalIn(
  room: Room,
  membership: Membership,
  { identity, user }: Principal,
  permission: Permission,
): ChatError | undefined {
  // A direct room is only for its two users, admins not included.
  if (room.direct && !room.direct.some(({ id }) => id === user?.id)) return noSuchRoom(room.name);
  const rules = !room.direct && (isAdmin(identity) || isOwner(room, identity));
  if (room.isPrivate && !rules && !membership.isMember) return noSuchRoom(room.name);
  if (permission === 'manage') return rules ? undefined : notYours(identity);
  if (!user) return;
  if (membership.isBanned)
    return new ChatError('banned', `You are banned from the room "${room.name}".`);
  if (permission === 'write' && membership.isMuted) {
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

/** The same error for a room that does not exist and for one that is private. */
export function noSuchRoom(name: string): ChatError {
  return new ChatError('not_found', `There is no room "${name}"`);
}
