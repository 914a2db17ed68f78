import type { EphemeralFrame, PersonalFrame } from '../protocol/frames.ts';
import type { Person, UserState } from '../protocol/identity.ts';
import type { StoredMessage } from '../protocol/message.ts';
import type { Membership, Room, RoomRef } from '../protocol/room.ts';

/** Notifications that were stored just now: of messages, or those with ids in a range. */
export interface Notified {
  /** The users that they are for; undefined when these are not known. */
  userIds?: number[];
  messageIds?: number[];
  ids?: [from: number, to: number];
}

export interface PeopleOfRoom {
  room: RoomRef;
  people: Person[];
}

/** An event for all servers, in the order in which each server published. Plain JSON. */
export type BusEvent =
  /** New or changed messages of a room, committed, by rising `rev`. */
  | { kind: 'messages'; room: Room; messages: StoredMessage[] }
  /**
   * These rooms may have changes that were never published: read the database. Without `roomIds`
   * any event may have been missed.
   */
  | { kind: 'resync'; roomIds?: number[] }
  /** Shown now or never; `except` is the id of a user that is left out. */
  | { kind: 'ephemeral'; room: Room; frame: EphemeralFrame; except?: number }
  /** Notifications were stored, to be shown to connected users. */
  | { kind: 'notified'; notified: Notified }
  /** Shown now or never, to some users on all their connections. */
  | { kind: 'personal'; userIds: number[]; frame: PersonalFrame }
  /** The state of a user has changed: an account, a ban, ended tokens. */
  | { kind: 'user.updated'; user: UserState }
  /** A room has changed; its version says when. */
  | { kind: 'room.updated'; room: Room }
  /** The membership of a user in a room has changed; its version says when. */
  | { kind: 'membership.updated'; room: RoomRef; userId: number; membership: Membership }
  /** A room has been deleted. */
  | { kind: 'room.deleted'; room: RoomRef }
  /** A user's first connection has joined a room on a server, or the last one has left it. */
  | {
      kind: 'presence.entered' | 'presence.left';
      server: string;
      room: RoomRef;
      person: Person;
    }
  /** All users on a server, which may ask the others for theirs. */
  | { kind: 'presence.snapshot'; server: string; rooms: PeopleOfRoom[]; isAsking: boolean }
  /**
   * A server has stopped, or has given no sign of life for `silent` milliseconds and may not have published
   * all that it committed.
   */
  | { kind: 'server.lost'; server: string; silent: number };

/** The functions that a part has called for events, by their kinds. */
export type BusListener = {
  [Kind in BusEvent['kind']]?: (event: BusEvent & { kind: Kind }) => void;
};

/** Carries committed changes to the parts that show them or act on them. */
export interface Bus {
  /** Names this server among those that share the bus. */
  readonly server: string;
  /** Whether other servers may be on the bus. */
  readonly isShared: boolean;
  /**
   * Whether all changes that the others had committed less than a second ago have arrived. While it is false, a
   * `resync` about everything comes every two seconds.
   */
  readonly isInSync: boolean;
  /** Every listener of this server has the event when this returns. */
  publish(event: BusEvent): void;
  /** @returns the function that ends the subscription */
  subscribe(listener: BusListener): () => void;
}
