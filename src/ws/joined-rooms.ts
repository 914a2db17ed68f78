import type { Author } from '../chat/chat.service.ts';
import { ChatError, type Disconnect } from '../errors.ts';
import { remove } from '../lib/arrays.ts';
import type { LocalPresence } from '../live/local-presence.ts';
import { topics } from '../live/publisher.ts';
import { type LiveRoom, type RoomReader, Subscription } from '../live/room.ts';
import type { Membership } from '../protocol/room.ts';

/** The frames to a client, and the topics that it is subscribed to. */
export interface Outbound {
  /** Sends frames, in order with all others, at the end of the turn or at the next `flush`. */
  send(...frames: string[]): void;
  flush(): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /** Flushes, then closes the connection. */
  end(reason: Disconnect): void;
}

/** The most rooms that one connection may be in. */
const MAX_ROOMS = 1000;

/** The client of a connection that has joined. */
export interface Joiner {
  readonly protocol: 0 | 1 | undefined;
  /** The user, with the identity of the latest token. */
  readonly author: Author;
  /** The client may no longer be in a room. */
  evicted(reason: ChatError): void;
}

/** The rooms that a connection is in, by their names. */
export class JoinedRooms implements RoomReader {
  /** An array, since most connections are in one room. */
  readonly #subscriptions: Subscription[] = [];

  constructor(
    private readonly joiner: Joiner,
    readonly outbound: Pick<Outbound, 'subscribe' | 'unsubscribe'>,
    private readonly presence: LocalPresence,
  ) {}

  get principal(): Author {
    return this.joiner.author;
  }

  get(name: string): Subscription | undefined {
    return this.#subscriptions.find(({ live }) => live.name === name);
  }

  get names(): string[] {
    return this.#subscriptions.map(({ live }) => live.name);
  }

  /** The name of the room, if there is just one. */
  get onlyName(): string | undefined {
    return this.#subscriptions.length === 1 ? this.#subscriptions[0]?.live.name : undefined;
  }

  get all(): Subscription[] {
    return [...this.#subscriptions];
  }

  /** @throws {ChatError} `overloaded` when the connection is in as many rooms as it may be */
  checkCount(name: string): void {
    if (this.#subscriptions.length < MAX_ROOMS || this.get(name)) return;
    const most = `A connection may be in at most ${MAX_ROOMS} rooms`;
    throw new ChatError('overloaded', `${most}; leave one, or open another connection.`);
  }

  /** Subscribes to the changes of a room; the frames of the room come from {@link listen} on. */
  enter(live: LiveRoom, membership: Membership): void {
    const known = this.get(live.name);
    if (known?.live === live) return;
    // Another room has this name now.
    if (known) this.leave(known);
    this.#subscriptions.push(new Subscription(live, membership, this));
    this.presence.connect(live.room, this.joiner.author.user);
  }

  /** @param isBatched whether changes that were committed together come together */
  listen({ name, room }: LiveRoom, isBatched: boolean): void {
    // The frames of a direct room come on the user's own topic.
    if (!room.direct) this.get(name)?.listen(this.#topicOf(room.id, isBatched));
  }

  leave(subscription: Subscription): void {
    this.#exit(subscription);
    this.presence.leave(subscription.live.room, this.joiner.author.user);
  }

  /** Leaves a room without a reply, as if the connection had been lost at `at`. */
  drop(subscription: Subscription, at: Date): void {
    this.#exit(subscription);
    this.presence.drop(subscription.live.room, this.joiner.author.user, at);
  }

  onRevoked(subscription: Subscription, reason: ChatError): void {
    this.#exit(subscription);
    this.joiner.evicted(reason);
    this.presence.leave(subscription.live.room, this.joiner.author.user);
  }

  #exit(subscription: Subscription): void {
    subscription.end();
    remove(this.#subscriptions, subscription);
  }

  #topicOf(roomId: number, isBatched: boolean): string {
    if (this.joiner.protocol === 0) return topics.basic(roomId);
    return isBatched ? topics.batched(roomId) : topics.full(roomId);
  }
}
