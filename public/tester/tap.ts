import type { WebSocketConstructor, WebSocketLike } from '../../client/index.ts';
import type { Wire } from './wire.ts';

/** Frames on their way in one direction: in order, however long each is delayed or held. */
class Lane {
  readonly #queue: { due: number; pass: () => void }[] = [];

  constructor(private readonly wire: Wire) {}

  push(pass: () => void): void {
    const { fault } = this.wire;
    this.#queue.push({ due: Date.now() + (fault.kind === 'delay' ? fault.ms : 0), pass });
    this.flush();
  }

  readonly flush = (): void => {
    if (this.wire.fault.kind === 'hold') return;
    for (let [next] = this.#queue; next; [next] = this.#queue) {
      const wait = next.due - Date.now();
      if (wait > 0) return void setTimeout(this.flush, wait);
      this.#queue.shift();
      next.pass();
    }
  };
}

/** A WebSocket for the client that writes all frames down, and does to them what the wire is set to. */
export function tapped(wire: Wire): WebSocketConstructor {
  return class implements WebSocketLike {
    onopen: ((event: never) => void) | null = null;
    onmessage: ((event: never) => void) | null = null;
    onclose: ((event: never) => void) | null = null;
    onerror: ((event: never) => void) | null = null;
    readonly #socket: WebSocket | undefined;
    readonly #in = new Lane(wire);
    readonly #out = new Lane(wire);
    #isOver = false;

    constructor(url: string) {
      wire.note('connect', { url: url.replace(/token=[^&]*/, 'token=…') });
      const end = wire.onFault(({ kind }) => {
        if (kind === 'kill') this.#end(1006, '');
        this.#in.flush();
        this.#out.flush();
        if (this.#isOver) end();
      });
      if (wire.fault.kind === 'kill') {
        queueMicrotask(() => this.#end(1006, ''));
        return;
      }
      const socket = new WebSocket(url);
      socket.onopen = () => this.#open();
      socket.onmessage = ({ data }) => this.#receive(`${data}`);
      socket.onclose = ({ code, reason }) => this.#in.push(() => this.#end(code, reason));
      this.#socket = socket;
    }

    send(text: string): void {
      const { kind } = wire.fault;
      const fate = kind === 'drop' ? 'dropped' : kind === 'hold' ? 'held' : undefined;
      const entry = wire.log('out', text, fate);
      if (fate === 'dropped') return;
      this.#out.push(() => {
        delete entry.fate;
        if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
      });
    }

    close(): void {
      if (!this.#isOver) wire.note('close', { code: 1000 });
      this.#isOver = true;
      this.#socket?.close();
    }

    #open(): void {
      this.#in.push(() => {
        if (this.#isOver) return;
        wire.note('open', {});
        this.onopen?.({} as never);
      });
    }

    #receive(text: string): void {
      const { kind } = wire.fault;
      if (this.#isOver) return;
      const fate = kind === 'drop' ? 'dropped' : kind === 'hold' ? 'held' : undefined;
      const entry = wire.log('in', text, fate);
      if (fate === 'dropped') return void wire.arrived(text, true);
      this.#in.push(() => {
        delete entry.fate;
        if (this.#isOver) return;
        wire.arrived(text, false);
        this.onmessage?.({ data: text } as never);
      });
    }

    #end(code: number, reason: string): void {
      if (this.#isOver) return;
      this.#isOver = true;
      wire.note('close', { code, ...(reason && { reason }) });
      this.#socket?.close();
      this.onclose?.({ code, reason } as never);
    }
  };
}
