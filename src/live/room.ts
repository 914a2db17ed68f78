import type { BusEvent } from '../bus/bus.ts';
import type { ChatError } from '../errors.ts';
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

/** A room with subscribers on this server: its feed, and the subscribers. */
export class LiveRoom {
  /** The present state of the room. */
  room: Room;
  readonly name: string;
  readonly epoch: string;
  readonly feed: Feed;
  readonly pages: Pages;
  #refCount = 0;
  readonly #eventListeners = new Set<(text: string) => void>();
  readonly #subscribers = new Subscribers();

  /** @param parts `onIdle` is called when the last hold of the room is released; `from` as in {@link Feed} */
  constructor(
    private readonly parts: FeedParts & {
      room: Room;
      from?: number | undefined;
      onIdle(): void;
    },
  ) {
    const { room, messages } = parts;
    this.room = room;
    this.name = room.name;
    this.epoch = room.epoch;
    this.feed = new Feed(parts);
    this.pages = new Pages({ room, feed: this.feed, messages });
  }

  /** Keeps the room open until the returned function is called. */
  hold(): () => void {
    this.#refCount += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#refCount -= 1;
      if (this.#refCount === 0) this.parts.onIdle();
    };
  }

  /** Calls the listener for each ephemeral event. @returns the function that stops the calls */
  onEvent(listener: (text: string) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  /** The ids of the users with a subscription. */
  userIds(): number[] {
    return this.#subscribers.userIds();
  }

  /** @returns the function that removes the subscription */
  add(subscription: Subscription): () => void {
    return this.#subscribers.add(subscription);
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
    if (frame.type === 'event') for (const listener of this.#eventListeners) listener(text);
  }
}

interface SubscriptionOptions {
  live: LiveRoom;
  /** Of the principal at the moment of subscribing. */
  membership: Membership;
  /** The present principal, which a fresh token may change. */
  principal(): Principal;
  /** The reader may no longer be here. */
  onRevoked(reason: ChatError): void;
  /** Stops and restarts the frames of the room, for readers with a socket. */
  outbound?: { pause(): void; resume(): void };
}

/** The subscription of a reader to a live room, which ends with the right to it. */
export class Subscription {
  readonly live: LiveRoom;
  #membership: Membership;
  readonly #end: (() => void)[];

  constructor(private readonly options: SubscriptionOptions) {
    const { live, membership } = options;
    this.live = live;
    this.#membership = membership;
    this.#end = [live.hold(), live.add(this)];
  }

  /** The id of the user; 0 for a reader without a user. */
  get userId(): number {
    return this.options.principal().user?.id ?? 0;
  }

  get membershipVersion(): number {
    return this.#membership.version;
  }

  /** Stops frames until {@link resume}, which must be called in the same synchronous step. */
  pause(): void {
    this.options.outbound?.pause();
  }

  resume(): void {
    this.options.outbound?.resume();
  }

  /** @throws {ChatError} `muted` */
  checkMayWrite(): void {
    const refused = refusalIn(this.live.room, this.#membership, this.options.principal(), 'write');
    if (refused) throw refused;
  }

  /** Checks again whether the reader may be here. */
  check(): void {
    const refused = refusalIn(this.live.room, this.#membership, this.options.principal(), 'read');
    if (refused) this.options.onRevoked(refused);
  }

  end(): void {
    for (const end of this.#end.splice(0)) end();
  }

  /** Ends the subscription of a reader that may no longer be here. */
  revoke(reason: ChatError): void {
    this.options.onRevoked(reason);
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
  readonly #byUser = new Map<number, Set<Subscription>>();

  /** @returns the function that removes the subscription */
  add(subscription: Subscription): () => void {
    const { userId } = subscription;
    const subscriptions = this.#byUser.get(userId) ?? new Set();
    this.#byUser.set(userId, subscriptions.add(subscription));
    return () => {
      if (subscriptions.delete(subscription) && subscriptions.size === 0) {
        this.#byUser.delete(userId);
      }
    };
  }

  userIds(): number[] {
    return [...this.#byUser.keys()];
  }

  of(userId: number): Subscription[] {
    return [...(this.#byUser.get(userId) ?? [])];
  }

  all(): Subscription[] {
    return [...this.#byUser.values()].flatMap((subscriptions) => [...subscriptions]);
  }
}
