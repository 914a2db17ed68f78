import type { BusEvent } from '../bus/bus.ts';
import type { ChatError } from '../errors.ts';
import { remove } from '../lib/arrays.ts';
import { SmallMap } from '../lib/small-map.ts';
import type { EphemeralFrame } from '../protocol/frames.ts';
import {
  isUnrestricted,
  type Membership,
  type Principal,
  type Room,
  refusalIn,
} from '../protocol/room.ts';
import { encode } from './encode.ts';
import { Feed, type FeedParts } from './feed.ts';
import { Pages } from './pages.ts';

/** The events that may change the rights in a room. */
export type RoomEvent = Extract<
  BusEvent,
  { kind: 'room.updated' | 'membership.updated' | 'room.deleted' }
>;

export interface LiveRoomParts extends FeedParts {
  /** Is called when the last hold of a room is released. */
  onIdle(live: LiveRoom): void;
}

/** A room with subscribers on this server: its feed, and the subscribers. */
export class LiveRoom {
  /** The present state of the room. */
  room: Room;
  readonly name: string;
  readonly epoch: string;
  readonly feed: Feed;
  readonly pages: Pages;
  #refCount = 0;
  #eventListeners: Set<(text: string) => void> | undefined;
  readonly #subscribers = new Subscribers();

  /** @param from as in {@link Feed} */
  constructor(
    private readonly parts: LiveRoomParts,
    room: Room,
    from?: number,
  ) {
    this.room = room;
    this.name = room.name;
    this.epoch = room.epoch;
    this.feed = new Feed(parts, room, from);
    this.pages = new Pages({ room, feed: this.feed, messages: parts.messages });
  }

  /** Keeps the room open until the returned function is called. */
  hold(): () => void {
    this.#refCount += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#release();
    };
  }

  /** Calls the listener for each ephemeral event. @returns the function that stops the calls */
  onEvent(listener: (text: string) => void): () => void {
    this.#eventListeners ??= new Set();
    this.#eventListeners.add(listener);
    return () => this.#eventListeners?.delete(listener);
  }

  /** The ids of the users with a subscription. */
  userIds(): number[] {
    return this.#subscribers.userIds();
  }

  /** Adds a subscription, which keeps the room open until it is removed. */
  add(subscription: Subscription): void {
    this.#refCount += 1;
    this.#subscribers.add(subscription);
  }

  remove(subscription: Subscription): void {
    if (this.#subscribers.remove(subscription)) this.#release();
  }

  /**
   * Takes over a state of the room, unless it is older than the known one.
   *
   * @returns whether the subscribers' memberships must be looked up: an earlier change was missed, or they did
   *   not matter until now
   */
  update(room: Room): boolean {
    const { version, isPrivate } = this.room;
    if (room.version <= version) return false;
    this.room = room;
    return room.version > version + 1 || (room.isPrivate && !isPrivate);
  }

  /**
   * Takes over the membership of a user, unless it is older than the known one.
   *
   * @returns whether an earlier change was missed
   */
  setMembership(userId: number, membership: Membership): boolean {
    const { version, isModerated } = this.room;
    const isRestricting = membership.isBanned || membership.isMuted;
    if (membership.version === version + 1) {
      this.room = { ...this.room, version: version + 1, isModerated: isModerated || isRestricting };
    }
    for (const subscription of this.#subscribers.of(userId)) subscription.setMembership(membership);
    return membership.version > version + 1;
  }

  /** Whether the memberships of all subscribers are known as of this version of the room or a later one, if they matter. */
  isLookedUpSince(version: number): boolean {
    const isKnown = (subscription: Subscription) => subscription.membershipVersion >= version;
    return isUnrestricted(this.room) || this.#subscribers.all().every(isKnown);
  }

  /** Ends all subscriptions, for this reason. */
  evictAll(reason: ChatError): void {
    for (const subscription of this.#subscribers.all()) subscription.revoke(reason);
  }

  /** Shows a frame that is not stored to the present subscribers; one user may be left out. */
  showEphemeral(frame: EphemeralFrame, except?: number): void {
    const text = encode(frame);
    const skipped = except === undefined ? [] : this.#subscribers.of(except);
    for (const subscription of skipped) subscription.pause();
    this.parts.personal.toRoom(this.room, () => text, except);
    for (const subscription of skipped) subscription.resume();
    if (frame.type === 'event') for (const listener of this.#eventListeners ?? []) listener(text);
  }

  #release(): void {
    this.#refCount -= 1;
    if (this.#refCount === 0) this.parts.onIdle(this);
  }
}

/** A reader of rooms. */
export interface RoomReader {
  /** The present principal, which a fresh token may change. */
  readonly principal: Principal;
  /** The reader may no longer be in the room. */
  onRevoked(subscription: Subscription, reason: ChatError): void;
  /** For readers with a socket, which receive the frames of a topic. */
  outbound?: { subscribe(topic: string): void; unsubscribe(topic: string): void };
}

/** The subscription of a reader to a live room, which ends with the right to it. */
export class Subscription {
  #membership: Membership;
  #topic: string | undefined;

  /** @param membership of the reader's principal at the moment of subscribing */
  constructor(
    readonly live: LiveRoom,
    membership: Membership,
    private readonly reader: RoomReader,
  ) {
    this.#membership = membership;
    live.add(this);
  }

  /** The id of the user; 0 for a reader without a user. */
  get userId(): number {
    return this.reader.principal.user?.id ?? 0;
  }

  /** Sends the frames of a topic to the reader's socket, in place of those of the topic before. */
  listen(topic: string): void {
    if (topic === this.#topic) return;
    this.pause();
    this.#topic = topic;
    this.resume();
  }

  get membershipVersion(): number {
    return this.#membership.version;
  }

  /** Stops frames until {@link resume}, which must be called in the same synchronous step. */
  pause(): void {
    if (this.#topic !== undefined) this.reader.outbound?.unsubscribe(this.#topic);
  }

  resume(): void {
    if (this.#topic !== undefined) this.reader.outbound?.subscribe(this.#topic);
  }

  /** @throws {ChatError} `muted` */
  checkMayWrite(): void {
    const refused = refusalIn(this.live.room, this.#membership, this.reader.principal, 'write');
    if (refused) throw refused;
  }

  /** Checks again whether the reader may be here. */
  check(): void {
    const refused = refusalIn(this.live.room, this.#membership, this.reader.principal, 'read');
    if (refused) this.revoke(refused);
  }

  end(): void {
    this.pause();
    this.#topic = undefined;
    this.live.remove(this);
  }

  /** Ends the subscription of a reader that may no longer be here. */
  revoke(reason: ChatError): void {
    this.reader.onRevoked(this, reason);
  }

  /** Takes over the reader's membership, unless it is older than the known one. */
  setMembership(membership: Membership): void {
    if (membership.version < this.#membership.version) return;
    this.#membership = membership;
    this.check();
  }
}

/** The subscriptions of a room on this server. */
class Subscribers {
  /** By user id; 0 for readers without a user. */
  readonly #byUser = new SmallMap<number, Subscription[]>();

  add(subscription: Subscription): void {
    const { userId } = subscription;
    const subscriptions = this.#byUser.get(userId);
    if (subscriptions) subscriptions.push(subscription);
    else this.#byUser.add(userId, [subscription]);
  }

  /** @returns whether it was there */
  remove(subscription: Subscription): boolean {
    const { userId } = subscription;
    const subscriptions = this.#byUser.get(userId);
    if (!subscriptions || !remove(subscriptions, subscription)) return false;
    if (subscriptions.length === 0) this.#byUser.delete(userId);
    return true;
  }

  userIds(): number[] {
    return this.#byUser.keys();
  }

  of(userId: number): Subscription[] {
    return [...(this.#byUser.get(userId) ?? [])];
  }

  all(): Subscription[] {
    return [...this.#byUser.values()].flat();
  }
}
