import type { Server, ServerWebSocket, WebSocketHandler } from 'bun';
import { closeCodes } from '../errors.ts';
import { MAX_FRAME_BYTES } from '../types/websocket.ts';
import type { Caller } from './admission.ts';
import { Connection, type ConnectionParts, type Socket } from './connection.ts';

/** What Bun keeps with each WebSocket. */
export interface SocketData {
  connection?: Connection;
  caller: Caller;
  /** It counts no more among the connections of its address. */
  release(): void;
  /** Nothing has come since the last ping. */
  isSilent: boolean;
  /** Too slow: it gets what was on its way, then the close. */
  isLeaving: boolean;
}

type Ws = ServerWebSocket<SocketData>;

/** How long the server waits for its clients, in milliseconds. */
export interface Timing {
  /** The time from ping to ping. */
  pingEvery: number;
  /** How long a peer may stay silent after a ping. */
  pongWithin: number;
  /** How long a connection may show no token in `AUTH=required`. */
  tokenWithin: number;
}

/** The first two are together less than the 60 s within which a silent peer is dropped. */
export const TIMING: Timing = { pingEvery: 30_000, pongWithin: 25_000, tokenWithin: 30_000 };

/** Bytes that may wait to be sent to one client. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** How much may be published before every client's unsent bytes are looked at again. */
const LOOK_EVERY_BYTES = 256 * 1024;
/**
 * What the runtime keeps for a client before it closes it, without a code. Well above the other
 * limits together, so that a client is closed with a code and never loses a frame silently.
 */
const RUNTIME_LIMIT_BYTES = 4 * 1024 * 1024;
/** How long a client that is too slow may take to read what was on its way, in milliseconds. */
const LEAVING_MS = 10_000;
/** How long a stop waits for clients to take the goodbye, in milliseconds. */
const GOODBYE_MS = 500;

const RESTARTING = 'The server is restarting';

/** The time in which clients are sent away when the server stops: so much for each, to a maximum. */
const DRAIN_MS_EACH = 10;
const DRAIN_MS = 2500;

/**
 * The door `/ws`. Bun's own handlers are used rather than Elysia's `.ws`, which parses frames by
 * guessing, lets them overtake each other, and makes a wrapper with a dozen closures for each.
 */
export class Gateway {
  readonly #open = new Set<Ws>();
  readonly #heart: ReturnType<typeof setInterval>;
  #publishedBytes = 0;
  #emptied: (() => void) | undefined;

  readonly #parts: ConnectionParts;

  constructor(
    parts: Omit<ConnectionParts, 'tokenWithin'>,
    private readonly settings: { compression: boolean },
    { pingEvery, pongWithin, tokenWithin }: Timing,
  ) {
    this.#parts = { ...parts, tokenWithin };
    this.#heart = setInterval(() => this.#beat(pongWithin), pingEvery);
  }

  /** The number of open WebSockets. */
  get size(): number {
    return this.#open.size;
  }

  /** For the options of `Bun.serve`. */
  handlers(): WebSocketHandler<SocketData> {
    return {
      maxPayloadLength: MAX_FRAME_BYTES,
      perMessageDeflate: this.settings.compression && { compress: 'shared', decompress: 'shared' },
      backpressureLimit: RUNTIME_LIMIT_BYTES,
      closeOnBackpressureLimit: true,
      // The runtime counts what it sends as a sign of life, so a peer that died in a busy room would
      // never be noticed; the heartbeat here counts what comes.
      idleTimeout: 0,
      sendPings: false,
      open: (ws) => {
        this.#open.add(ws);
        ws.data.connection = new Connection(this.#socket(ws), this.#parts, ws.data.caller);
      },
      message: (ws, raw) => {
        ws.data.isSilent = false;
        if (!ws.data.isLeaving) ws.data.connection?.receive(raw);
      },
      drain: (ws) => {
        if (!ws.data.isLeaving || ws.getBufferedAmount() > 0) return;
        ws.close(closeCodes.slow, 'Too slow: reconnect and resume');
      },
      pong: (ws) => {
        ws.data.isSilent = false;
      },
      close: (ws) => {
        this.#open.delete(ws);
        ws.data.release();
        if (!ws.data.isLeaving) ws.data.connection?.closed();
        if (this.#open.size === 0) this.#emptied?.();
      },
    };
  }

  /**
   * @param caller who asks, and from where
   * @throws {ChatError} `rate_limited` when there are too many connections from there
   * @returns whether the request asked for a WebSocket and now has one
   */
  upgrade(request: Request, server: Server<SocketData>, caller: Caller): boolean {
    const release = this.#parts.limits.connect(caller.address);
    const data = { caller, release, isSilent: false, isLeaving: false };
    const isUpgraded = server.upgrade(request, { data });
    if (!isUpgraded) release();
    return isUpgraded;
  }

  /**
   * To be told of everything that is published: no client's unsent bytes grow by more than that, so
   * looking at them now and then is enough, and costs next to nothing.
   */
  published(bytes: number): void {
    this.#publishedBytes += bytes;
    if (this.#publishedBytes < LOOK_EVERY_BYTES) return;
    this.#publishedBytes = 0;
    for (const ws of this.#open) this.#checkPace(ws);
  }

  /**
   * Sends the clients of protocol 1 away, one after the other so that they do not come back all at
   * once; until its turn each is served as ever.
   */
  async drain(): Promise<void> {
    const leaving = [...this.#open].filter(({ data }) => data.connection?.protocol === 1);
    const step = Math.min(DRAIN_MS_EACH, DRAIN_MS / leaving.length);
    for (const [index, ws] of leaving.entries()) {
      const reconnectIn = Math.round((index + 1) * step);
      ws.data.connection?.notify({ type: 'draining', reconnectIn });
    }
    const start = Date.now();
    for (const [index, ws] of leaving.entries()) {
      const wait = start + (index + 1) * step - Date.now();
      if (wait > 0) await Bun.sleep(wait);
      ws.close(closeCodes.restart, RESTARTING);
    }
  }

  /** Closes what is still open; returns when it is gone, or after half a second. */
  async close(): Promise<void> {
    clearInterval(this.#heart);
    if (this.#open.size === 0) return;
    const emptied = new Promise<void>((done) => {
      this.#emptied = done;
    });
    for (const ws of this.#open) ws.close(closeCodes.restart, RESTARTING);
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

  /**
   * Sends away a client that is too slow. The runtime cuts off whoever does not read a close at once,
   * so the close waits until all before it is read; the client is out of its rooms meanwhile.
   */
  #checkPace(ws: Ws): void {
    if (ws.data.isLeaving || ws.getBufferedAmount() <= MAX_UNSENT_BYTES) return;
    ws.data.isLeaving = true;
    for (const topic of ws.subscriptions) ws.unsubscribe(topic);
    ws.data.connection?.closed();
    setTimeout(() => ws.terminate(), LEAVING_MS).unref();
  }

  #socket(ws: Ws): Socket {
    const compress = this.settings.compression;
    return {
      send: (frames) => {
        ws.cork(() => {
          for (const frame of frames) ws.sendText(frame, compress);
        });
        this.#checkPace(ws);
      },
      subscribe: (topic) => void ws.subscribe(topic),
      unsubscribe: (topic) => void ws.unsubscribe(topic),
      close: (code, reason) => ws.close(code, reason),
    };
  }
}
