import { expect } from 'bun:test';
import { eventsOf, type StreamEvent } from './event-stream.ts';
import { parseServerFrame } from './server-frame.ts';

interface Stored {
  id: number;
  seq: number;
  rev: number;
  deletedAt?: string;
}

/** The messages that a connection of protocol 0 received: the `seq`s of earlier ones, and of those that came live. */
interface Shown {
  room: string;
  before: number[];
  live: number[];
}

/** Two users that write to each other, and have joined no direct room. */
const PAIR = ['eve', 'fay'] as const;
const SAY_EVERY_MS = 250;
const AGAIN_MS = 50;

/**
 * Clients that only receive messages, in ways that have no `rev` to resume from or need no join: protocol 0,
 * Server-Sent Events, direct rooms. Each reconnects whenever its connection is lost.
 */
export class Observers {
  readonly #breaches: string[] = [];
  readonly #shown: Shown[] = [];
  /** By room: each message of the stream as it was shown last. */
  readonly #streamed = new Map<string, Map<number, Stored>>();
  readonly #lastIds = new Map<string, string>();
  /** The `rev`s that came to the last connection of each of the two, by the name of the direct room. */
  readonly #came = new Map<string, Map<string, number[]>>();
  readonly #sockets = new Set<WebSocket>();
  readonly #over = new AbortController();
  readonly #running: Promise<void>[];
  #said = 0;
  #isSilent = false;

  /** @param url of a server that is there, or may be soon; asked anew for each connection */
  constructor(
    private readonly rooms: string[],
    private readonly url: () => string,
  ) {
    this.#running = [
      ...rooms.map((room) => this.#again(() => this.#watch(room))),
      ...rooms.map((room) => this.#again(() => this.#stream(room))),
      ...PAIR.map((name, n) => this.#again(() => this.#write(name, PAIR[1 - n] as string))),
    ];
  }

  /**
   * Returns once all observers have received all messages.
   *
   * @param url of a server
   * @param stored all messages of each room, by `seq`
   */
  async check(url: string, stored: Map<string, Stored[]>): Promise<void> {
    this.#isSilent = true;
    const deadline = performance.now() + 10_000;
    let behind = await this.#behind(url, stored);
    while (behind.length > 0 && performance.now() < deadline) {
      await Bun.sleep(50);
      behind = await this.#behind(url, stored);
    }
    expect(behind).toEqual([]);
    this.#over.abort();
    for (const socket of this.#sockets) socket.close();
    await Promise.all(this.#running);
    expect([...this.#breaches, ...this.#lost(stored)]).toEqual([]);
    // A test without any of these events would prove nothing.
    expect(this.#shown.filter(({ live }) => live.length > 0).length).toBeGreaterThan(0);
    expect(this.#said).toBeGreaterThan(10);
  }

  /** The observers that have not received the newest message yet. */
  async #behind(url: string, stored: Map<string, Stored[]>): Promise<string[]> {
    const behind: string[] = [];
    for (const room of this.rooms) {
      const all = stored.get(room) ?? [];
      const newest = all.findLast(({ deletedAt }) => !deletedAt)?.seq ?? 0;
      const last = this.#shown.findLast((shown) => shown.room === room);
      const seen = Math.max(0, ...(last?.before ?? []), ...(last?.live ?? []));
      if (seen < newest) behind.push(`protocol 0 is at ${seen} of ${newest} in ${room}`);
      const streamed = [...(this.#streamed.get(room)?.values() ?? [])];
      const asSeen = streamed.map(({ id, rev }) => `${id} ${rev}`).sort();
      const asStored = all.map(({ id, rev }) => `${id} ${rev}`).sort();
      if (!Bun.deepEquals(asSeen, asStored)) behind.push(`the stream of ${room} is behind`);
    }
    for (const name of PAIR) {
      const response = await fetch(`${url}/me/rooms?username=${name}`).catch(() => undefined);
      const own: { name: string; rev: number }[] = response?.ok ? await response.json() : [];
      const { name: room, rev = 0 } = own.find((room) => room.name.startsWith('dm:')) ?? {};
      const seen = this.#came
        .get(name)
        ?.get(room ?? '')
        ?.at(-1);
      // A connection that received nothing was opened after the last message.
      if (seen !== undefined && seen < rev) behind.push(`${name} is at ${seen} of ${rev}`);
    }
    return behind;
  }

  /** The messages that a connection of protocol 0 should have been shown, and was not, or twice. */
  #lost(stored: Map<string, Stored[]>): string[] {
    return this.#shown.flatMap(({ room, before, live }) => {
      const seen = new Set([...before, ...live]);
      const [from, to] = [Math.max(0, ...before), Math.max(0, ...live)];
      const missing = (stored.get(room) ?? [])
        .filter(({ seq, deletedAt }) => seq > from && seq < to && !deletedAt && !seen.has(seq))
        .map(({ seq }) => `protocol 0 was not shown ${seq} of ${room}`);
      const twice = seen.size < before.length + live.length ? [`${room}: shown twice`] : [];
      return [...missing, ...twice];
    });
  }

  async #again(run: () => Promise<void>): Promise<void> {
    while (!this.#over.signal.aborted) {
      await run().catch(() => {});
      await Bun.sleep(AGAIN_MS);
    }
  }

  #open(onMessage: (text: string) => void): { socket: WebSocket; closed: Promise<void> } {
    const socket = new WebSocket(`${this.url().replace('http', 'ws')}/ws`);
    this.#sockets.add(socket);
    socket.onmessage = ({ data }) => onMessage(data);
    const closed = new Promise<void>((done) => {
      socket.onclose = () => {
        this.#sockets.delete(socket);
        done();
      };
    });
    return { socket, closed };
  }

  async #watch(room: string): Promise<void> {
    const shown: Shown = { room, before: [], live: [] };
    let isIn = false;
    const { socket, closed } = this.#open((text) => {
      const frame = parseServerFrame(text);
      if (frame.type === 'pong') isIn = true;
      if (frame.type === 'error') socket.close();
      if (frame.type === 'message') (isIn ? shown.live : shown.before).push(frame.seq);
      // The welcome and the earlier messages leave in one write.
      if (frame.type === 'system' && frame.event === 'welcome') {
        this.#shown.push(shown);
        queueMicrotask(() => socket.send('{"type":"ping"}'));
      }
    });
    socket.onopen = () => socket.send(JSON.stringify({ type: 'join', username: 'watcher', room }));
    await closed;
  }

  async #stream(room: string): Promise<void> {
    const lastId = this.#lastIds.get(room);
    const response = await fetch(`${this.url()}/events?room=${room}&since=0`, {
      headers: lastId === undefined ? {} : { 'last-event-id': lastId },
      signal: this.#over.signal,
    });
    if (!response.ok) throw new Error(`events: ${response.status}`);
    const messages = this.#streamed.get(room) ?? new Map<number, Stored>();
    this.#streamed.set(room, messages);
    let rev = Number(lastId?.split('@')[0] ?? 0);
    for await (const { id, data } of eventsOf(response) as AsyncIterable<StreamEvent>) {
      if (id !== undefined) this.#lastIds.set(room, id);
      if (data === undefined) continue;
      const message: Stored & { type: string } = JSON.parse(data);
      if (message.type !== 'message' && message.type !== 'update') continue;
      if (message.rev <= rev) this.#breaches.push(`${room}: ${message.rev} came after ${rev}`);
      rev = message.rev;
      messages.set(message.id, message);
    }
  }

  /** Writes to the other now and then, in a direct room that neither joins. */
  async #write(username: string, to: string): Promise<void> {
    const came = new Map<string, number[]>();
    this.#came.set(username, came);
    const { socket, closed } = this.#open((text) => {
      const frame = parseServerFrame(text);
      const isChange = frame.type === 'message' || frame.type === 'update';
      if (frame.type === 'error' && frame.code !== 'not_found') socket.close();
      if (!isChange || !('rev' in frame) || !frame.room.startsWith('dm:')) return;
      const revs = came.get(frame.room) ?? [];
      came.set(frame.room, revs);
      const before = revs.at(-1);
      if (before !== undefined && frame.rev !== before + 1) {
        this.#breaches.push(`${username}: direct ${frame.rev} came after ${before}`);
      }
      revs.push(frame.rev);
    });
    const join = { type: 'join', username, room: 'lobby', protocol: 1 };
    socket.onopen = () => socket.send(JSON.stringify(join));
    const timer = setInterval(() => {
      if (socket.readyState !== WebSocket.OPEN || this.#isSilent) return;
      this.#said += 1;
      socket.send(JSON.stringify({ type: 'message', to, content: `${this.#said}` }));
    }, SAY_EVERY_MS);
    await closed;
    clearInterval(timer);
  }
}
