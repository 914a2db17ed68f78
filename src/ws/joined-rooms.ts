import type { Author } from '../chat/chat.service.ts';
import { ChatError, type Disconnect } from '../errors.ts';
import type { LocalPresence } from '../live/local-presence.ts';
import { topics } from '../live/publisher.ts';
import { type LiveRoom, Subscription } from '../live/room.ts';
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

interface JoinedRoomsParts {
  protocol: 0 | 1;
  outbound: Pick<Outbound, 'subscribe' | 'unsubscribe'>;
  presence: LocalPresence;
  /** The user of the connection, with the identity of its latest token. */
  author(): Author;
  /** The connection may no longer be in a room. */
  onEvict(reason: ChatError): void;
}

/** The rooms that a connection is in, by their names. */
export class JoinedRooms {
  readonly #subscriptions = new Map<string, Subscription>();
  /** The topics that the connection is subscribed to, by room. */
  readonly #topics = new Map<string, string>();

  constructor(private readonly parts: JoinedRoomsParts) {}

  get(name: string): Subscription | undefined {
    return this.#subscriptions.get(name);
  }

  get names(): string[] {
    return [...this.#subscriptions.keys()];
  }

  get all(): Subscription[] {
    return [...this.#subscriptions.values()];
  }

  /** @throws {ChatError} `overloaded` when the connection is in as many rooms as it may be */
  checkCount(name: string): void {
    if (this.#subscriptions.has(name) || this.#subscriptions.size < MAX_ROOMS) return;
    const most = `A connection may be in at most ${MAX_ROOMS} rooms`;
    throw new ChatError('overloaded', `${most}; leave one, or open another connection.`);
  }

  /** Subscribes to the changes of a room; the frames of the room come from {@link listen} on. */
  enter(live: LiveRoom, membership: Membership): void {
    const known = this.#subscriptions.get(live.name);
    if (known?.live === live) return;
    // Another room has this name now.
    if (known) this.leave(known);
    const { author, outbound, presence } = this.parts;
    const subscription: Subscription = new Subscription({
      live,
      membership,
      principal: author,
      onRevoked: (reason) => this.#evict(subscription, reason),
      outbound: {
        pause: () => this.#withTopic(live, (topic) => outbound.unsubscribe(topic)),
        resume: () => this.#withTopic(live, (topic) => outbound.subscribe(topic)),
      },
    });
    this.#subscriptions.set(live.name, subscription);
    presence.connect(live.room, author().user);
  }

  /** @param isBatched whether changes that were committed together come together */
  listen(live: LiveRoom, isBatched: boolean): void {
    const topic = this.#topicOf(live, isBatched);
    if (topic === undefined || topic === this.#topics.get(live.name)) return;
    this.#withTopic(live, (before) => this.parts.outbound.unsubscribe(before));
    this.#topics.set(live.name, topic);
    this.parts.outbound.subscribe(topic);
  }

  leave(subscription: Subscription): void {
    this.#exit(subscription);
    this.parts.presence.leave(subscription.live.room, this.parts.author().user);
  }

  /** Leaves a room without a reply, as if the connection had been lost at `at`. */
  drop(subscription: Subscription, at: Date): void {
    this.#exit(subscription);
    this.parts.presence.drop(subscription.live.room, this.parts.author().user, at);
  }

  #evict(subscription: Subscription, reason: ChatError): void {
    this.#exit(subscription);
    this.parts.onEvict(reason);
    this.parts.presence.leave(subscription.live.room, this.parts.author().user);
  }

  #exit(subscription: Subscription): void {
    subscription.end();
    const { live } = subscription;
    this.#subscriptions.delete(live.name);
    this.#withTopic(live, (topic) => this.parts.outbound.unsubscribe(topic));
    this.#topics.delete(live.name);
  }

  #withTopic({ name }: LiveRoom, use: (topic: string) => void): void {
    const topic = this.#topics.get(name);
    if (topic !== undefined) use(topic);
  }

  /** The topic of a room; a direct room has none, since its frames come on the user's own topic. */
  #topicOf({ room }: LiveRoom, isBatched: boolean): string | undefined {
    if (room.direct) return undefined;
    if (this.parts.protocol === 0) return topics.basic(room.id);
    return isBatched ? topics.batched(room.id) : topics.full(room.id);
  }
}
