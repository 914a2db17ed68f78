import type { Server, ServerWebSocket, WebSocketHandler } from 'bun';
import { closeCodes } from '../errors.ts';
import { MAX_FRAME_BYTES } from '../types/websocket.ts';
import { Connection, type ConnectionParts } from './connection.ts';

/** What Bun keeps with each WebSocket. */
export interface SocketData {
  connection?: Connection;
}

type Ws = ServerWebSocket<SocketData>;

/** How long stopping waits for clients to take the goodbye, in milliseconds. */
const GOODBYE_MS = 500;

/**
 * The door `/ws`. Bun's own handlers are used rather than Elysia's `.ws`, which parses frames by
 * guessing, lets them overtake each other, and makes a wrapper with a dozen closures for each.
 */
export class Gateway {
  readonly #open = new Set<Ws>();
  #emptied: (() => void) | undefined;

  constructor(
    private readonly parts: ConnectionParts,
    private readonly settings: { compression: boolean },
  ) {}

  /** For the options of `Bun.serve`. */
  readonly websocket: WebSocketHandler<SocketData> = {
    maxPayloadLength: MAX_FRAME_BYTES,
    // Of these 46 s uWebSockets.js keeps 16 as a margin: it pings after 30 s of silence and drops
    // the peer 16 s later. Its timers tick every 4 s.
    idleTimeout: 46,
    sendPings: true,
    open: (ws) => {
      this.#open.add(ws);
      ws.data.connection = new Connection(this.#socket(ws), this.parts);
    },
    message: (ws, raw) => ws.data.connection?.receive(raw),
    close: (ws) => {
      this.#open.delete(ws);
      ws.data.connection?.closed();
      if (this.#open.size === 0) this.#emptied?.();
    },
  };

  /** @returns whether the request asked for a WebSocket and now has one */
  upgrade(request: Request, server: Server<SocketData>): boolean {
    return server.upgrade(request, { data: {} });
  }

  /** Says goodbye to all; returns when they are gone, or after half a second. */
  async close(): Promise<void> {
    if (this.#open.size === 0) return;
    const emptied = new Promise<void>((done) => {
      this.#emptied = done;
    });
    for (const ws of this.#open) ws.close(closeCodes.restart, 'The server is restarting');
    await Promise.race([emptied, Bun.sleep(GOODBYE_MS)]);
  }

  #socket(ws: Ws) {
    const compress = this.settings.compression;
    return {
      send: (frames: string[]) =>
        ws.cork(() => {
          for (const frame of frames) ws.sendText(frame, compress);
        }),
      subscribe: (topic: string) => ws.subscribe(topic),
      unsubscribe: (topic: string) => ws.unsubscribe(topic),
    };
  }
}
