import type { ServerWebSocket, WebSocketHandler } from 'bun';
import type { PubSubServer } from '../../src/live/publisher.ts';
import type { Identity } from '../../src/protocol/identity.ts';
import type { SocketData } from '../../src/ws/gateway.ts';
import type { Process, World } from './world.ts';

type Ws = ServerWebSocket<SocketData>;

/** The client's end of a connection. */
export interface ClientEnd {
  onFrame(text: string): void;
  onClose(code: number): void;
}

/** How much may wait to be sent to one client before the runtime closes it, in bytes. */
const RUNTIME_LIMIT_BYTES = 4 * 1024 * 1024;
const ABNORMAL = 1006;
/** How long a server may list a user whose connection is silent: a minute, and the grace period, in milliseconds. */
const UNNOTICED_MS = 60_000 + 5000;

/** The sockets of a server, as `Bun.serve` has them for a gateway. */
export class Sockets implements PubSubServer {
  readonly #topics = new Map<string, Set<Line>>();
  readonly open = new Set<Line>();
  handlers: WebSocketHandler<SocketData> | undefined;

  constructor(
    readonly world: World,
    readonly process: Process,
    /** Looks at every frame that the server sends, as it leaves. */
    readonly onSent: (line: Line, text: string) => void,
  ) {}

  subscriberCount(topic: string): number {
    return this.#topics.get(topic)?.size ?? 0;
  }

  publish(topic: string, text: string): number {
    for (const line of this.#topics.get(topic) ?? []) line.toClient(text);
    return text.length;
  }

  subscribe(line: Line, topic: string): void {
    const lines = this.#topics.get(topic) ?? new Set();
    this.#topics.set(topic, lines.add(line));
  }

  unsubscribe(line: Line, topic: string): void {
    const lines = this.#topics.get(topic);
    if (lines?.delete(line) && lines.size === 0) this.#topics.delete(topic);
  }

  /** Opens a connection. */
  connect(identity: Identity, address: string, client: ClientEnd): Line {
    const line = new Line(this, identity, address, client);
    this.open.add(line);
    this.handlers?.open?.(line.ws);
    return line;
  }

  /** The process has ended: each client notices, sooner or later. */
  abandon(): void {
    for (const line of [...this.open]) line.break(this.world.once(3));
  }
}

/** A connection between a client and a server: frames arrive in order, later, or not at all. */
export class Line {
  readonly #subscriptions = new Set<string>();
  /** Since then nothing arrives any more, in either direction, and neither side notices. */
  #silentSince: number | undefined;
  /** The client has stopped reading. */
  #isHeld = false;
  /** The time of the last release. */
  healthySince = 0;
  #isOpenAtServer = true;
  #isOpenAtClient = true;
  #toClientAt = 0;
  #toServerAt = 0;
  #held: { bytes: number; arrive: () => void }[] = [];
  readonly ws: Ws;
  readonly world: World;

  constructor(
    readonly sockets: Sockets,
    identity: Identity,
    address: string,
    private readonly client: ClientEnd,
  ) {
    this.world = sockets.world;
    this.healthySince = this.world.time;
    const line = this;
    const ws = {
      data: { identity, address, isSilent: false, isLeaving: false },
      get subscriptions() {
        return [...line.#subscriptions];
      },
      cork: (run: () => void) => run(),
      sendText: (text: string) => this.toClient(text),
      ping: () => this.#ping(),
      close: (code: number) => this.#closeByServer(code),
      terminate: () => this.#closeByServer(ABNORMAL),
      getBufferedAmount: () => this.#held.reduce((sum, { bytes }) => sum + bytes, 0),
      subscribe: (topic: string) => {
        this.#subscriptions.add(topic);
        sockets.subscribe(this, topic);
      },
      unsubscribe: (topic: string) => {
        this.#subscriptions.delete(topic);
        sockets.unsubscribe(this, topic);
      },
    };
    this.ws = ws as unknown as Ws;
  }

  /** Whether frames arrive. */
  get isHealthy(): boolean {
    return this.#isOpenAtClient && this.#isOpenAtServer && !this.isSilent && !this.#isHeld;
  }

  /** Whether no frame that is sent from now on arrives. */
  get isSilent(): boolean {
    return this.#silentSince !== undefined;
  }

  /** Whether the server may still take a silent connection for one of a present user. */
  get isUnnoticed(): boolean {
    const { world, process } = this.sockets;
    if (this.#silentSince === undefined || !process.isAlive) return false;
    return world.time - this.#silentSince < UNNOTICED_MS;
  }

  toClient(text: string): void {
    if (!this.#isOpenAtServer) return;
    this.sockets.onSent(this, text);
    this.#arrive(text.length, () => this.client.onFrame(text));
    if (this.ws.getBufferedAmount() > RUNTIME_LIMIT_BYTES) this.#closeByServer(ABNORMAL);
  }

  /** The client sends a frame. */
  send(text: string): void {
    if (!this.#isOpenAtClient) return;
    this.#toServerAt = Math.max(this.#toServerAt, this.world.time + this.world.delay(5));
    this.#atServer(this.#toServerAt - this.world.time, () => {
      this.sockets.handlers?.message?.(this.ws, text);
    });
  }

  /** The client closes the connection. */
  close(): void {
    if (!this.#isOpenAtClient) return;
    this.#isOpenAtClient = false;
    this.#toServerAt = Math.max(this.#toServerAt, this.world.time + this.world.delay(5));
    this.#atServer(this.#toServerAt - this.world.time, () => this.#closedAtServer());
  }

  /** The connection breaks. @param isSilent whether neither side notices */
  break(isSilent: boolean): void {
    if (isSilent) {
      this.#silentSince ??= this.world.time;
      return;
    }
    this.close();
    this.client.onClose(ABNORMAL);
  }

  /** The client stops reading. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.healthySince = this.world.time;
    for (const { arrive } of this.#held.splice(0)) arrive();
    this.sockets.process.deliver(() => this.sockets.handlers?.drain?.(this.ws));
  }

  /** Delivers an event to the client, after all earlier ones. */
  #arrive(bytes: number, run: () => void): void {
    const arrive = () => {
      this.#toClientAt = Math.max(this.#toClientAt, this.world.time + this.world.delay(5));
      this.world.after(this.#toClientAt - this.world.time, () => {
        if (!this.isSilent && this.#isOpenAtClient) run();
      });
    };
    if (this.#isHeld) this.#held.push({ bytes, arrive });
    else arrive();
  }

  #atServer(ms: number, run: () => void): void {
    this.world.after(ms, () => {
      if (this.isSilent) return;
      this.sockets.process.deliver(() => {
        if (this.#isOpenAtServer) run();
      });
    });
  }

  /** A client that is reached answers, whether its program is busy or not. */
  #ping(): void {
    this.#arrive(2, () => {
      this.#atServer(this.world.delay(5), () =>
        this.sockets.handlers?.pong?.(this.ws, Buffer.alloc(0)),
      );
    });
  }

  #closeByServer(code: number): void {
    if (!this.#isOpenAtServer) return;
    this.#arrive(4, () => {
      this.#isOpenAtClient = false;
      this.client.onClose(code);
    });
    // The runtime calls the handler after the one that closes.
    this.#atServer(0, () => this.#closedAtServer());
    if (this.isSilent) this.sockets.process.deliver(() => this.#closedAtServer());
  }

  #closedAtServer(): void {
    if (!this.#isOpenAtServer) return;
    this.#isOpenAtServer = false;
    for (const topic of this.#subscriptions) this.sockets.unsubscribe(this, topic);
    this.#subscriptions.clear();
    this.sockets.open.delete(this);
    this.sockets.handlers?.close?.(this.ws, 1000, '');
  }
}
