import type { Backoff } from './backoff.ts';
import type { WebSocketConstructor } from './link.ts';
import type { Platform } from './platform.ts';
import type { OutboxStore } from './store/store.ts';
import type { TokenSource } from './token.ts';

/** The options of a client, all optional. Example: `new ChatClient(url, { username: 'ana', keep: 100 })`. */
export interface ChatOptions {
  /** The user's name: `'ana'`. Default: the subject of the token. */
  username?: string;
  /**
   * The token of an account, or a function that fetches one, called again when it expires:
   * `async () => (await fetch('/my/token')).text()`. Default: none, which is a guest.
   */
  token?: TokenSource;
  /**
   * The store of unsent messages: `true` is IndexedDB in browsers and memory elsewhere, `false` is memory,
   * or an {@link OutboxStore}. Default: `true`.
   */
  outbox?: boolean | OutboxStore;
  /** Whether all tabs of an origin share one connection; needs `username`. Default: `false`. */
  shareTabs?: boolean;
  /** The transport: `'websocket'`, `'sse'` with REST, or `'auto'`, which is SSE where WebSockets are blocked. Default: `'auto'`. */
  transport?: 'auto' | 'websocket' | 'sse';
  /** How many messages of a room are kept in memory, not counting those that `history` loads. Default: 1000. */
  keep?: number;
  /**
   * How many messages may wait for their acks at once; `Infinity` where the server has no rate limit
   * (`MESSAGE_RATE=0`). Default: 20.
   */
  burst?: number;
  /** The waits between attempts to connect, in milliseconds. Default: `{ first: 500, most: 30_000 }`. */
  backoff?: Backoff;
  /** The room that is entered where only direct messages or notifications are used. Default: `'general'`. */
  home?: string;
  /** The WebSocket class. Default: the global one; Node 20 needs that of a package, such as `ws`. */
  WebSocket?: WebSocketConstructor;
  /** The clock, the timers and the random numbers, for tests. Default: those of the runtime. */
  platform?: Platform;
}
