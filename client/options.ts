import type { Backoff } from './backoff.ts';
import type { WebSocketConstructor } from './link.ts';
import type { Platform } from './platform.ts';
import type { OutboxStore } from './store/store.ts';
import type { TokenSource } from './token.ts';

/** How a client is to be; everything may be left out. */
export interface ChatOptions {
  /** The user's name. Default: the one that the token says. */
  username?: string;
  /** A token of an account, or a function that fetches one. Default: none, for guests. */
  token?: TokenSource;
  /**
   * Where unsent messages survive the end of the page. Default: true, which is IndexedDB in browsers
   * and only memory elsewhere. With false it is only memory everywhere.
   */
  outbox?: boolean | OutboxStore;
  /** Whether all tabs of an origin share one connection; needs `username`. Default: false. */
  shareTabs?: boolean;
  /** What carries frames. Default: `auto`, which is WebSocket, and SSE with REST where it is blocked. */
  transport?: 'auto' | 'websocket' | 'sse';
  /** Messages of a room that are kept in memory, beside those that `history` loads. Default: 1000. */
  keep?: number;
  /**
   * Messages that may be on their way at once, without each waiting for the ack before it. Where the
   * server's `MESSAGE_RATE` is 0 it may be `Infinity`. Default: 20.
   */
  burst?: number;
  /** How long to wait between tries to connect. Default: `{ first: 500, most: 30000 }`, in milliseconds. */
  backoff?: Backoff;
  /** The room that is entered when no other is, but direct messages or notifications are wanted. Default: `general`. */
  home?: string;
  /** Default: the one that is there. Node 20 needs one of a package. */
  WebSocket?: WebSocketConstructor;
  /** Clock, timers and chance, for tests. Default: the real ones. */
  platform?: Platform;
}
