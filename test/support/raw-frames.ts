import { connect, type Socket } from 'bun';

/** RFC 6455, section 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface RawFrame {
  opcode: number;
  payload: Buffer;
  fin: boolean;
  rsv: number;
}

/** How long a test waits for expected frames, in milliseconds. */
const PATIENCE_MS = 4000;

/** A frame as a client sends it, right or wrong. */
export function rawFrame(
  opcode: number,
  payload: string | Uint8Array = '',
  { fin = true, rsv = 0, isMasked = true } = {},
): Buffer {
  const body = Buffer.from(payload as Uint8Array);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const length = body.length;
  const bit = isMasked ? 0x80 : 0;
  if (length < 126) head.push(bit | length);
  else if (length < 65_536) head.push(bit | 126, length >> 8, length & 255);
  else head.push(bit | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (length >>> shift) & 255));
  if (!isMasked) return Buffer.concat([Buffer.from(head), body]);
  const mask = [0x12, 0x34, 0x56, 0x78];
  return Buffer.concat([
    Buffer.from([...head, ...mask]),
    body.map((byte, n) => byte ^ (mask[n & 3] as number)),
  ]);
}

/** A WebSocket whose bytes are all written by the test. */
export class RawWebSocket {
  /** The bytes that have arrived and were not read yet. */
  readonly #frames: RawFrame[] = [];
  #bytes = Buffer.alloc(0);
  #isClosed = false;
  #wake = () => {};
  handshake = '';
  #socket: Socket | undefined;

  /** @param headers more lines for the handshake */
  static async open(url: string, headers: string[] = []): Promise<RawWebSocket> {
    const { hostname, port } = new URL(url);
    const raw = new RawWebSocket();
    raw.#socket = await connect({
      hostname,
      port: Number(port),
      socket: {
        data: (_, bytes) => raw.#take(bytes),
        close: () => raw.#end(),
        error: () => raw.#end(),
      },
    });
    raw.write(
      [
        'GET /ws HTTP/1.1',
        `Host: ${hostname}:${port}`,
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13',
        ...headers,
        '\r\n',
      ].join('\r\n'),
    );
    await raw.#until(() => raw.handshake !== '' || raw.#isClosed);
    return raw;
  }

  write(bytes: string | Uint8Array): void {
    this.#socket?.write(bytes);
  }

  /** The next frame; undefined when the connection ends first. */
  async next(): Promise<RawFrame | undefined> {
    await this.#until(() => this.#frames.length > 0 || this.#isClosed);
    return this.#frames.shift();
  }

  /** Returns once the server has ended the connection: the code of its close, if it sent one. */
  async ended(): Promise<number | undefined> {
    await this.#until(() => this.#isClosed);
    const close = this.#frames.find(({ opcode }) => opcode === OPCODE.close);
    return close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined;
  }

  destroy(): void {
    this.#socket?.terminate();
  }

  #take(bytes: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    if (this.handshake === '') {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.handshake = this.#bytes.subarray(0, end).toString();
      this.#bytes = this.#bytes.subarray(end + 4);
    }
    while (this.#takeFrame());
    this.#wake();
  }

  #takeFrame(): boolean {
    const bytes = this.#bytes;
    if (bytes.length < 2) return false;
    const [first = 0, second = 0] = bytes;
    const extra = second === 127 ? 8 : second === 126 ? 2 : 0;
    if (bytes.length < 2 + extra) return false;
    const length =
      extra === 0 ? second : extra === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < 2 + extra + length) return false;
    this.#frames.push({
      opcode: first & 15,
      fin: (first & 0x80) !== 0,
      rsv: (first >> 4) & 7,
      payload: Buffer.from(bytes.subarray(2 + extra, 2 + extra + length)),
    });
    this.#bytes = bytes.subarray(2 + extra + length);
    return true;
  }

  #end(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async #until(isSo: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    while (!isSo()) {
      await new Promise<void>((done, failed) => {
        this.#wake = done;
        deadline.onabort = () => failed(new Error('nothing came in time'));
      });
    }
  }
}
