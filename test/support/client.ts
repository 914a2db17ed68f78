import type { ServerFrame } from '../../src/protocol/frames.ts';
import { parseServerFrame } from './server-frame.ts';

type Basic = Extract<ServerFrame, { type: 'message'; timestamp: string }>;
type Full = Extract<ServerFrame, { type: 'message'; createdAt: string }>;
/** A message of either protocol: the fields of both are there. */
type Message = Pick<Basic, keyof Basic & keyof Full> & Partial<Basic & Full>;
type FrameOf<T extends ServerFrame['type']> = T extends 'message'
  ? Message
  : Extract<ServerFrame, { type: T }>;

/** How long a test waits for a frame that should come, in milliseconds; then it has failed. */
const PATIENCE_MS = 8000;

/** A raw WebSocket client that keeps its frames until they are asked for. */
export class Client {
  /** The frames in the order in which they came, read or not. */
  readonly received: ServerFrame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #read = 0;
  #wake: () => void = () => {};

  private constructor(readonly socket: WebSocket) {
    socket.onmessage = ({ data }) => {
      this.received.push(parseServerFrame(data));
      this.#wake();
    };
    this.closed = new Promise((done) => {
      socket.onclose = ({ code, reason }) => done({ code, reason });
    });
  }

  static connect(url: string, init?: ConstructorParameters<typeof WebSocket>[1]): Promise<Client> {
    const socket = new WebSocket(url, init);
    const client = new Client(socket);
    return new Promise((done, failed) => {
      socket.onopen = () => done(client);
      socket.onerror = () => failed(new Error(`cannot connect to ${url}`));
    });
  }

  /** Sends a frame, or any text or bytes as they are. */
  send(frame: object | string | Uint8Array<ArrayBuffer>): void {
    const isRaw = typeof frame === 'string' || frame instanceof Uint8Array;
    this.socket.send(isRaw ? frame : JSON.stringify(frame));
  }

  /** The next frame that was not read yet. */
  async next(): Promise<ServerFrame> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const frame = this.received[this.#read];
      if (frame) {
        this.#read += 1;
        return frame;
      }
      await new Promise<void>((done, failed) => {
        this.#wake = done;
        deadline.onabort = () =>
          failed(new Error(`no frame came; before: ${JSON.stringify(this.received.slice(-5))}`));
      });
    }
  }

  /** The next frame, which must be of this type. */
  async expect<T extends ServerFrame['type']>(type: T): Promise<FrameOf<T>> {
    const frame = await this.next();
    if (frame.type !== type) throw new Error(`expected ${type}, got ${JSON.stringify(frame)}`);
    return frame as FrameOf<T>;
  }

  /** Reads on to the first frame that matches. */
  async until(matches: (frame: ServerFrame) => boolean): Promise<ServerFrame> {
    for (;;) {
      const frame = await this.next();
      if (matches(frame)) return frame;
    }
  }

  /** Reads on to the first frame of this type. */
  async untilType<T extends ServerFrame['type']>(type: T): Promise<FrameOf<T>> {
    return (await this.until((frame) => frame.type === type)) as FrameOf<T>;
  }

  /**
   * Returns once the server has taken everything sent before, with the frames that came meanwhile:
   * leaving a room that one is not in is refused in its turn, so nothing else is on its way then.
   */
  async settle(): Promise<ServerFrame[]> {
    const id = crypto.randomUUID();
    this.send({ type: 'leave', room: `no-room-${id}`, id });
    const frames: ServerFrame[] = [];
    for (;;) {
      const frame = await this.next();
      if (frame.type === 'error' && frame.id === id) return frames;
      frames.push(frame);
    }
  }

  /** Drops all received frames, for clients that stay long. */
  forget(): void {
    this.received.length = 0;
    this.#read = 0;
  }

  /** Closes and waits until the server has closed too. */
  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }
}
