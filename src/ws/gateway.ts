import type { Server, ServerWebSocket, WebSocketHandler } from 'bun';
import { closeCodes } from '../errors.ts';
import { MAX_FRAME_BYTES } from '../types/websocket.ts';
import { Connection, type ConnectionParts } from './connection.ts';

/** What Bun keeps with each WebSocket. */
export interface SocketData {
  connection?: Connection;
  /** Nothing has come since the last ping. */
  isSilent: boolean;
}

/** In milliseconds: the time from ping to ping, and how long a peer may then stay silent. */
export interface Heartbeat {
  every: number;
  patience: number;
}

/** Together less than the 60 s within which a silent peer is dropped. */
const HEARTBEAT: Heartbeat = { every: 30_000, patience: 25_000 };

type Ws = ServerWebSocket<SocketData>;

/** How long stopping waits for clients to take the goodbye, in milliseconds. */
const GOODBYE_MS = 500;

/**
 * The door `/ws`. Bun's own handlers are used rather than Elysia's `.ws`, which parses frames by
 * guessing, lets them overtake each other, and makes a wrapper with a dozen closures for each.
 */
export class Gateway {
  readonly #open = new Set<Ws>();
  readonly #heart: ReturnType<typeof setInterval>;
  #emptied: (() => void) | undefined;

  constructor(
    private readonly parts: ConnectionParts,
    private readonly settings: { compression: boolean },
    heartbeat = HEARTBEAT,
  ) {
    this.#heart = setInterval(() => this.#beat(heartbeat.patience), heartbeat.every);
  }

  /** For the options of `Bun.serve`. */
  handlers(): WebSocketHandler<SocketData> {
    return {
      maxPayloadLength: MAX_FRAME_BYTES,
      perMessageDeflate: this.settings.compression && { compress: 'shared', decompress: 'shared' },
      // The runtime counts what it sends as a sign of life, so a peer that died in a busy room would
      // never be noticed; the heartbeat here counts what comes.
      idleTimeout: 0,
      sendPings: false,
      open: (ws) => {
        this.#open.add(ws);
        ws.data.connection = new Connection(this.#socket(ws), this.parts);
      },
      message: (ws, raw) => {
        ws.data.isSilent = false;
        ws.data.connection?.receive(raw);
      },
      pong: (ws) => {
        ws.data.isSilent = false;
      },
      close: (ws) => {
        this.#open.delete(ws);
        ws.data.connection?.closed();
        if (this.#open.size === 0) this.#emptied?.();
      },
    };
  }

  /** @returns whether the request asked for a WebSocket and now has one */
  upgrade(request: Request, server: Server<SocketData>): boolean {
    return server.upgrade(request, { data: { isSilent: false } });
  }

  /** Says goodbye to all; returns when they are gone, or after half a second. */
  async close(): Promise<void> {
    clearInterval(this.#heart);
    if (this.#open.size === 0) return;
    const emptied = new Promise<void>((done) => {
      this.#emptied = done;
    });
    for (const ws of this.#open) ws.close(closeCodes.restart, 'The server is restarting');
    await Promise.race([emptied, Bun.sleep(GOODBYE_MS)]);
  }

  #beat(patience: number): void {
    const pinged = [...this.#open];
    for (const ws of pinged) {
      ws.data.isSilent = true;
      ws.ping();
    }
    setTimeout(() => {
      for (const ws of pinged) if (ws.data.isSilent) ws.terminate();
    }, patience).unref();
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
