import type { ServerFrame } from '../../src/protocol/frames.ts';
import { parseServerFrame } from './server-frame.ts';

const FIRST_RETRY_MS = 20;
const LONGEST_RETRY_MS = 1000;

/** A client in one room that reconnects by itself, to any server, and resumes. */
export class Roamer {
  /** By `seq`. */
  readonly seen = new Map<number, string>();
  /** The acknowledged content, by `seq`. */
  readonly acked = new Map<number, string>();
  readonly breaches: string[] = [];
  /** How often it had to connect. */
  connects = 0;
  /** The longest time without a message, in milliseconds. */
  longestSilence = 0;
  #heardAt = performance.now();
  #rev = 0;
  #epoch: string | undefined;
  #isLive = false;
  #isOver = false;
  #retry = FIRST_RETRY_MS;
  readonly #unacked = new Map<string, string>();
  #socket: WebSocket | undefined;

  constructor(
    private readonly url: string,
    private readonly username: string,
    private readonly room: string,
  ) {
    this.#connect();
  }

  get rev(): number {
    return this.#rev;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  /** The number of its messages that are not acknowledged yet. */
  get unacked(): number {
    return this.#unacked.size;
  }

  /** Starts to measure the silence. */
  listen(): void {
    this.#heardAt = performance.now();
    this.longestSilence = 0;
  }

  say(content: string): void {
    const id = crypto.randomUUID();
    this.#unacked.set(id, content);
    if (this.#isLive) this.#send({ type: 'message', room: this.room, content, id });
  }

  stop(): void {
    this.#isOver = true;
    this.#socket?.close();
  }

  #connect(): void {
    if (this.#isOver) return;
    this.connects += 1;
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.onopen = () => this.#socket === socket && this.#join();
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#receive(parseServerFrame(data));
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#isLive = false;
      setTimeout(() => this.#leave(socket), this.#retry * (0.5 + Math.random() / 2));
      this.#retry = Math.min(2 * this.#retry, LONGEST_RETRY_MS);
    };
  }

  /** Connects anew, unless it has done so already. */
  #leave(socket: WebSocket | undefined): void {
    if (this.#socket !== socket) return;
    this.#isLive = false;
    this.#connect();
    socket?.close();
  }

  #join(): void {
    const where = { since: this.#rev, ...(this.#epoch && { epoch: this.#epoch }) };
    this.#send({ type: 'join', username: this.username, room: this.room, protocol: 1, ...where });
  }

  #send(frame: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #receive(frame: ServerFrame): void {
    switch (frame.type) {
      case 'joined':
        if (frame.reset) this.breaches.push(`reset at ${this.#rev}`);
        for (const message of frame.messages) this.#take(message);
        this.#rev = frame.rev;
        this.#epoch = frame.epoch;
        if (frame.complete) this.#begin();
        else this.#join();
        return;
      case 'message':
        if (!this.#isLive) return;
        if (!('rev' in frame) || frame.rev !== this.#rev + 1)
          this.breaches.push(`${JSON.stringify(frame)} came after ${this.#rev}`);
        this.#take(frame);
        return;
      case 'ack': {
        const content = this.#unacked.get(frame.id ?? '');
        if (content !== undefined) this.acked.set(frame.seq ?? 0, content);
        this.#unacked.delete(frame.id ?? '');
        return;
      }
      case 'draining': {
        const socket = this.#socket;
        setTimeout(() => this.#leave(socket), frame.reconnectIn);
        return;
      }
      case 'error':
        // Messages that were on their way when the server stopped are sent again.
        if (frame.code !== 'unavailable') this.breaches.push(JSON.stringify(frame));
    }
  }

  #begin(): void {
    this.#isLive = true;
    this.#retry = FIRST_RETRY_MS;
    for (const [id, content] of this.#unacked) {
      this.#send({ type: 'message', room: this.room, content, id });
    }
  }

  #take({ seq, rev = seq, content }: { seq: number; rev?: number; content: string }): void {
    const now = performance.now();
    this.longestSilence = Math.max(this.longestSilence, now - this.#heardAt);
    this.#heardAt = now;
    if (this.seen.has(seq)) this.breaches.push(`${seq} came twice`);
    this.seen.set(seq, content);
    this.#rev = rev;
  }
}
