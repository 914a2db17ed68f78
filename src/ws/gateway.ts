import type { Server, ServerWebSocket, WebSocketHandler } from 'bun';
import { closeCodes } from '../errors.ts';
import type { Cancel } from '../lib/clock.ts';
import { Rush } from '../lib/rush.ts';
import type { Publisher } from '../live/publisher.ts';
import { MAX_FRAME_BYTES } from '../protocol/frames.ts';
import { type CommandParts, createCommands } from './commands.ts';
import { Connection, type ConnectionParts, type Socket } from './connection.ts';
import type { Handshake } from './credentials.ts';

/** The data that Bun keeps with each WebSocket. */
export interface SocketData extends Handshake {
  /** Undefined until the WebSocket is open. */
  connection: Connection | undefined;
  /** Nothing has arrived since the last ping. */
  isSilent: boolean;
  /** The client is too slow: it gets the frames that are on their way, then the close. */
  isLeaving: boolean;
}

type Ws = ServerWebSocket<SocketData>;

/** How long the server waits for its clients, in milliseconds. */
export interface Timing {
  /** The time from ping to ping. */
  pingEvery: number;
  /** How long a peer may stay silent after a ping. */
  pongWithin: number;
  /** How long a connection may be open without a token in `AUTH=required`. */
  tokenWithin: number;
}

/** The first two are together less than the 60 s within which a silent peer is dropped. */
export const TIMING: Timing = { pingEvery: 30_000, pongWithin: 25_000, tokenWithin: 30_000 };

/** Bytes that may wait to be sent to one client. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** How many bytes may be published before every client's unsent bytes are checked again. */
const LOOK_EVERY_BYTES = 256 * 1024;
/**
 * The unsent bytes past which the runtime closes a client, without a code. Well above the other
 * limits together, so that a client is closed with a code and never loses a frame silently.
 */
const RUNTIME_LIMIT_BYTES = 4 * 1024 * 1024;
/** How long a client that is too slow may take to read the frames on their way, in milliseconds. */
const LEAVING_MS = 10_000;
/** How long a stop waits for clients to take the goodbye, in milliseconds. */
const GOODBYE_MS = 500;

const RESTARTING = 'The server is restarting';

/** How long a stop takes to disconnect its clients: for each client, and at most. */
const DRAIN_MS_EACH = 10;
const DRAIN_MS = 2500;

type GatewayParts = Omit<ConnectionParts, 'tokenWithin' | 'commands' | 'onAck'> &
  CommandParts & { publisher: Publisher; compression: boolean; timing: Timing };

/**
 * The door `/ws`. Bun's own handlers are used rather than Elysia's `.ws`, which parses frames by
 * guessing, lets them overtake each other, and makes a wrapper with a dozen closures for each event.
 */
export class Gateway {
  readonly #open = new Set<Ws>();
  readonly #stopBeating: Cancel;
  #isDraining = false;
  #publishedBytes = 0;
  #emptied: (() => void) | undefined;
  readonly #ackListeners = new Set<(ms: number) => void>();

  readonly #rush: Rush;
  readonly #parts: ConnectionParts;
  readonly #compression: boolean;

  constructor({ compression, timing, ...parts }: GatewayParts) {
    const { pingEvery, pongWithin, tokenWithin } = timing;
    this.#compression = compression;
    this.#rush = new Rush(parts.clock);
    const onAck = (ms: number) => {
      for (const listener of this.#ackListeners) listener(ms);
    };
    this.#parts = { ...parts, commands: createCommands(parts), tokenWithin, onAck };
    parts.publisher.onPublish((bytes) => this.#published(bytes));
    this.#stopBeating = parts.clock.every(pingEvery, () => this.#beat(pongWithin));
  }

  /** The server is stopping. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The number of open WebSockets. */
  get size(): number {
    return this.#open.size;
  }

  /** Calls the listener for each stored message, with the milliseconds from its arrival to its ack. */
  onAck(listener: (ms: number) => void): void {
    this.#ackListeners.add(listener);
  }

  /** For the options of `Bun.serve`. */
  handlers(): WebSocketHandler<SocketData> {
    return {
      maxPayloadLength: MAX_FRAME_BYTES,
      perMessageDeflate: this.#compression && { compress: 'shared', decompress: 'shared' },
      backpressureLimit: RUNTIME_LIMIT_BYTES,
      closeOnBackpressureLimit: true,
      // The runtime counts what it sends as a sign of life, so a peer that died in a busy room would
      // never be noticed; this heartbeat counts received frames.
      idleTimeout: 0,
      sendPings: false,
      open: (ws) => {
        this.#open.add(ws);
        this.#rush.arrived(this.#open.size);
        const socket = new ClientSocket(ws, this);
        ws.data.connection = new Connection(this.#parts, socket, ws.data);
      },
      message: (ws, raw) => {
        ws.data.isSilent = false;
        if (!ws.data.isLeaving) ws.data.connection?.receive(raw);
      },
      drain: (ws) => {
        if (!ws.data.isLeaving || ws.getBufferedAmount() > 0) return;
        ws.close(closeCodes.slow.code, 'Too slow: reconnect and resume');
      },
      pong: (ws) => {
        ws.data.isSilent = false;
      },
      close: (ws) => {
        this.#open.delete(ws);
        this.#parts.limits.disconnect(ws.data.address);
        if (!ws.data.isLeaving) ws.data.connection?.closed();
        if (this.#open.size === 0) this.#emptied?.();
      },
    };
  }

  /**
   * @param handshake the identity and the address of the client
   * @throws {ChatError} `rate_limited` when there are too many connections from this address
   * @returns whether the request asked for a WebSocket and now has one
   */
  upgrade(request: Request, server: Server<unknown> | null, handshake: Handshake): boolean {
    if (!server) return false;
    const { limits } = this.#parts;
    limits.connect(handshake.address);
    const data = { ...handshake, connection: undefined, isSilent: false, isLeaving: false };
    const isUpgraded = server.upgrade(request, { data });
    if (!isUpgraded) limits.disconnect(handshake.address);
    return isUpgraded;
  }

  /**
   * Counts everything that is published: no client's unsent bytes grow by more than that, so an
   * occasional check is enough, and costs next to nothing.
   */
  #published(bytes: number): void {
    this.#publishedBytes += bytes;
    if (this.#publishedBytes < LOOK_EVERY_BYTES) return;
    this.#publishedBytes = 0;
    for (const ws of this.#open) this.#checkPace(ws);
  }

  /**
   * Disconnects the clients of protocol 1, one after the other so that they do not come back all at
   * once; until its turn each is served as usual.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    const leaving = [...this.#open].filter(({ data }) => data.connection?.protocol === 1);
    const step = Math.min(DRAIN_MS_EACH, DRAIN_MS / leaving.length);
    for (const [index, ws] of leaving.entries()) {
      const reconnectIn = Math.round((index + 1) * step);
      ws.data.connection?.notify({ type: 'draining', reconnectIn });
    }
    const { clock } = this.#parts;
    const start = clock.monotonic();
    for (const [index, ws] of leaving.entries()) {
      const wait = start + (index + 1) * step - clock.monotonic();
      if (wait > 0) await clock.sleep(wait);
      ws.close(closeCodes.restart.code, RESTARTING);
    }
  }

  /** Closes the remaining connections; returns when all are gone, or after half a second. */
  async close(): Promise<void> {
    this.#stopBeating();
    if (this.#open.size === 0) return;
    const emptied = new Promise<void>((done) => {
      this.#emptied = done;
    });
    for (const ws of this.#open) ws.close(closeCodes.restart.code, RESTARTING);
    await Promise.race([emptied, this.#parts.clock.sleep(GOODBYE_MS)]);
  }

  #beat(patience: number): void {
    const pinged = [...this.#open];
    for (const ws of pinged) {
      ws.data.isSilent = true;
      ws.ping();
    }
    this.#parts.clock.timer(patience, () => {
      for (const ws of pinged) if (ws.data.isSilent) ws.terminate();
    });
  }

  /**
   * Disconnects a client that is too slow. The runtime cuts off clients that do not read a close at once,
   * so the close waits until all before it is read; the client is out of its rooms meanwhile.
   */
  #checkPace(ws: Ws): void {
    if (ws.data.isLeaving || ws.getBufferedAmount() <= MAX_UNSENT_BYTES) return;
    ws.data.isLeaving = true;
    for (const topic of ws.subscriptions) ws.unsubscribe(topic);
    ws.data.connection?.closed();
    this.#parts.clock.timer(LEAVING_MS, () => ws.terminate());
  }

  /** Sends frames to a client, in one write if possible. */
  send(ws: Ws, frames: string[]): void {
    ws.cork(() => {
      for (const frame of frames) ws.sendText(frame, this.#compression);
    });
    this.#checkPace(ws);
  }
}

/** A client's WebSocket, as its connection sees it. */
class ClientSocket implements Socket {
  constructor(
    private readonly ws: Ws,
    private readonly gateway: Gateway,
  ) {}

  send(frames: string[]): void {
    this.gateway.send(this.ws, frames);
  }

  subscribe(topic: string): void {
    this.ws.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.ws.unsubscribe(topic);
  }

  close(code: number, reason: string): void {
    this.ws.close(code, reason);
  }
}
