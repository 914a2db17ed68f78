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

/**
 * Sends personal frames to the users' connections of protocol 1. Connections with a token that is limited to some
 * rooms have a topic of their own, with the frames of these rooms and of no room.
 */
export class Personal {
  /** The connected readers with limited tokens, by user id and by topic. */
  readonly #limited = new Map<number, Map<string, { reader: Reader; connections: number }>>();

  constructor(private readonly publish: Publish) {}

  /** The topic of a reader's connections. */
  topicOf({ id, scope }: Reader): string {
    return scope === undefined ? topics.user(id) : `${topics.user(id)} ${JSON.stringify(scope)}`;
  }

  /** Registers a connection of a reader. @returns the function to be called when it is closed */
  listen(reader: Reader): () => void {
    const { id, scope } = reader;
    if (scope === undefined) return () => {};
    const readers = this.#limited.get(id) ?? new Map();
    this.#limited.set(id, readers);
    const topic = this.topicOf(reader);
    const entry = readers.get(topic) ?? { reader, connections: 0 };
    readers.set(topic, entry);
    entry.connections += 1;
    return () => {
      entry.connections -= 1;
      if (entry.connections > 0) return;
      readers.delete(topic);
      if (readers.size === 0 && this.#limited.get(id) === readers) this.#limited.delete(id);
    };
  }

  /** Publishes a frame of a room to a user. */
  toUser(id: number, room: string, render: () => string): void {
    this.publish(topics.user(id), render);
    for (const [topic, { reader }] of this.#limited.get(id) ?? []) {
      if (isInScope(reader.scope, room)) this.publish(topic, render);
    }
  }

  /** Publishes a frame to one reader only. */
  toReader(reader: Reader, render: () => string): void {
    this.publish(this.topicOf(reader), render);
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
