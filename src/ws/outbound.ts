import type { Disconnect } from '../errors.ts';

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
