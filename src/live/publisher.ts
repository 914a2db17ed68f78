import { remove } from '../lib/arrays.ts';
import { isInScope, type Scope } from '../protocol/identity.ts';
import type { Room } from '../protocol/room.ts';

/** Sends a text to all subscribers of a topic; without subscribers it is not even rendered. */
export type Publish = (topic: string, render: () => string) => void;

/** The part of `Bun.serve`'s server that publishing needs. */
export interface PubSubServer {
  subscriberCount(topic: string): number;
  publish(topic: string, text: string, compress?: boolean): number;
}

/** Broadcasts to sockets by Bun's native `publish`. */
export class Publisher {
  readonly #listeners = new Set<(bytes: number) => void>();

  /** @param server the listening server; null before it listens, when there can be no subscribers */
  constructor(
    private readonly server: () => PubSubServer | null,
    private readonly compression: boolean,
  ) {}

  readonly publish: Publish = (topic, render) => {
    const server = this.server();
    if (!server?.subscriberCount(topic)) return;
    const text = render();
    server.publish(topic, text, this.compression);
    const bytes = Buffer.byteLength(text);
    for (const listener of this.#listeners) listener(bytes);
  };

  /** Calls the listener after each publish, with the length of the text in bytes. */
  onPublish(listener: (bytes: number) => void): void {
    this.#listeners.add(listener);
  }
}

/**
 * One topic per room and protocol, so that a frame is encoded once for each, and one per user for the frames to
 * the user's connections of protocol 1: see {@link Personal}. Rooms are named by their ids, since another room may
 * get the name of a deleted one.
 */
export const topics = {
  basic: (roomId: number) => `0:${roomId}`,
  full: (roomId: number) => `1:${roomId}`,
  /** Of protocol 1, for connections that get changes in batches. */
  batched: (roomId: number) => `b:${roomId}`,
  user: (id: number) => `u:${id}`,
};

/** A user, within the scope of a token. */
export interface Reader {
  id: number;
  scope: Scope;
}

/** A reader with connections of protocol 1 here. */
export interface Listener extends Reader {
  /** The topic of its frames. */
  topic: string;
  connections: number;
  /** The id of the newest notification that was shown; undefined during its look-up. */
  seen: number | undefined;
}

/**
 * Sends personal frames to the users' connections of protocol 1. Connections with a token that is limited to some
 * rooms have a topic of their own, with the frames of these rooms and of no room.
 */
export class Personal {
  /** By topic. */
  readonly #listeners = new Map<string, Listener>();
  /** Those with limited tokens, by user id. */
  readonly #limited = new Map<number, Listener[]>();

  constructor(private readonly publish: Publish) {}

  /** Registers a connection of a reader, until {@link unlisten}. */
  listen({ id, scope }: Reader): Listener {
    const topic =
      scope === undefined ? topics.user(id) : `${topics.user(id)} ${JSON.stringify(scope)}`;
    const listener = this.#listeners.get(topic) ?? this.#add({ id, scope }, topic);
    listener.connections += 1;
    return listener;
  }

  unlisten(listener: Listener): void {
    listener.connections -= 1;
    if (listener.connections > 0) return;
    const { id, topic } = listener;
    this.#listeners.delete(topic);
    const limited = this.#limited.get(id);
    if (limited && remove(limited, listener) && limited.length === 0) this.#limited.delete(id);
  }

  /** The listeners of some users, or all. */
  of(userIds?: Iterable<number>): Listener[] {
    if (!userIds) return [...this.#listeners.values()];
    return [...userIds].flatMap((id) => {
      const unlimited = this.#listeners.get(topics.user(id));
      return [...(unlimited ? [unlimited] : []), ...(this.#limited.get(id) ?? [])];
    });
  }

  #add({ id, scope }: Reader, topic: string): Listener {
    const listener: Listener = { id, scope, topic, connections: 0, seen: undefined };
    this.#listeners.set(topic, listener);
    if (scope !== undefined) this.#limited.set(id, [...(this.#limited.get(id) ?? []), listener]);
    return listener;
  }

  /** Publishes a frame of a room to a user. */
  toUser(id: number, room: string, render: () => string): void {
    this.publish(topics.user(id), render);
    for (const { scope, topic } of this.#limited.get(id) ?? []) {
      if (isInScope(scope, room)) this.publish(topic, render);
    }
  }

  /** Publishes a frame to one listener only. */
  toListener({ topic }: Listener, render: () => string): void {
    this.publish(topic, render);
  }

  /** Publishes to the subscribers of a room on protocol 1; for a direct room, to its two users wherever they are. */
  toRoom({ id, name, direct }: Room, render: () => string, except?: number): void {
    if (!direct)
      for (const topic of [topics.full(id), topics.batched(id)]) this.publish(topic, render);
    for (const person of direct ?? []) {
      if (person.id !== except) this.toUser(person.id, name, render);
    }
  }
}
