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
 * the user's connections of protocol 1: see `Personal`. Rooms are named by their ids, since another room may
 * get the name of a deleted one.
 */
export const topics = {
  basic: (roomId: number) => `0:${roomId}`,
  full: (roomId: number) => `1:${roomId}`,
  /** Of protocol 1, for connections that get changes in batches. */
  batched: (roomId: number) => `b:${roomId}`,
  user: (id: number) => `u:${id}`,
};
