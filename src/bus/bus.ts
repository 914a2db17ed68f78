import type { Person, Standing } from '../types/identity.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Place, Room } from '../types/room.ts';
import type { EphemeralFrame, PersonalFrame } from '../types/websocket.ts';

/** Notifications that were stored just now: of messages, or those with ids in a range. */
export interface Notified {
  /** Whose they are; undefined when it may be anyone. */
  userIds?: number[];
  messageIds?: number[];
  ids?: [from: number, to: number];
}

/** What every server must hear of, in the order in which it was published by each. Plain JSON. */
export type BusEvent =
  /** New or changed messages of a room, committed, by rising `rev`. */
  | { kind: 'messages'; room: Room; messages: StoredMessage[] }
  /**
   * These rooms may have changes that were never published: ask the database. Without `rooms` it is
   * anything at all that may have been missed.
   */
  | { kind: 'doubt'; rooms?: string[] }
  /** Shown now or never; `except` is the id of a user who need not see it. */
  | { kind: 'ephemeral'; room: Room; frame: EphemeralFrame; except?: number }
  /** There are notifications to be shown to those who are here. */
  | { kind: 'notified'; notified: Notified }
  /** Shown now or never, to some users on all their connections. */
  | { kind: 'personal'; userIds: number[]; frame: PersonalFrame }
  /** A user stands otherwise: has become an account, is banned, had its tokens ended. */
  | { kind: 'standing'; user: Standing }
  /** A room has changed; if it is private now, with the ids of those who may be in it. */
  | { kind: 'room'; room: Room; members: number[] }
  /** A user stands otherwise in a room. */
  | { kind: 'place'; room: Room; userId: number; place: Place }
  /** A room has been deleted. */
  | { kind: 'gone'; room: Room }
  /** A user has come into a room on a server, or is there no longer. */
  | { kind: 'entered' | 'left'; server: string; room: string; person: Person }
  /** All who are on a server, which may ask the others for the same. */
  | { kind: 'here'; server: string; people: [room: string, person: Person][]; isAsking: boolean }
  /**
   * A server has stopped, or has given no sign of life for `silent` milliseconds and may not have published
   * all that it committed.
   */
  | { kind: 'lost'; server: string; silent: number };

/** Carries what was committed to whoever shows it or acts on it. */
export interface Bus {
  /** Names this server among those that share the bus. */
  readonly server: string;
  /** Other servers may be on it. */
  readonly isShared: boolean;
  /** All that others publish comes through. When it does again, a `doubt` about everything comes first. */
  readonly isWhole: boolean;
  /** An event is with every listener of this server when it returns. */
  publish(event: BusEvent): void;
  /** @returns the function that ends the subscription */
  subscribe(listener: (event: BusEvent) => void): () => void;
}
