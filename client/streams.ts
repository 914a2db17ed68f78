import type { Method, RequestOptions } from './rest.ts';
import { readEvents, type StreamEvent } from './sse.ts';

/** @throws {ChatError} */
export type Request = (method: Method, path: string, options?: RequestOptions) => Promise<Response>;

/** The link of the streams. */
export interface StreamsHost {
  readonly request: Request;
  /** @param text JSON of a frame */
  received(text: string): void;
  /** The stream of the shown room is over. */
  ended(reason: unknown): void;
}

/**
 * Rooms as Server-Sent Events. Browsers allow six connections to a server, so one room streams: the one
 * that was entered, read or written in last. The others are read when it is known that they have changed.
 */
export class Streams {
  /** How far each room was read: `rev@epoch`. */
  readonly #places = new Map<string, string>();
  /** The room that streams. */
  #shown = '';
  #stream = new AbortController();

  constructor(private readonly host: StreamsHost) {}

  enter(room: string, place: string): void {
    this.#places.set(room, place);
    this.show(room);
  }

  leave(room: string): void {
    this.#places.delete(room);
    if (this.#shown === room) this.close();
  }

  close(): void {
    this.#stream.abort();
  }

  /** Streams a room that was entered, in place of the one before. */
  show(room: string): void {
    if (!this.#places.has(room) || (this.#shown === room && !this.#stream.signal.aborted)) return;
    this.close();
    this.#shown = room;
    this.#stream = new AbortController();
    const { signal } = this.#stream;
    this.#read(room, signal).then(
      () => signal.aborted || this.host.ended('the stream ended'),
      (error) => signal.aborted || this.host.ended(error),
    );
  }

  /** Reads the rooms that have changed. @param revs by room; missing for those that are not the user's own */
  async catchUp(revs: Map<string, number>): Promise<void> {
    for (const [room, place] of this.#places) {
      const rev = revs.get(room) ?? Number.parseInt(await this.startOf(room), 10);
      if (Number.parseInt(place, 10) >= rev) continue;
      const end = new AbortController();
      await this.#read(room, end.signal, rev);
      end.abort();
    }
  }

  /**
   * Where a stream begins that is to go on from a place: there, if the room still has the same history.
   *
   * @param from without it, the stream begins with what is new
   */
  async startOf(room: string, from?: string): Promise<string> {
    const end = new AbortController();
    try {
      const stream = await this.#open(room, from, end.signal);
      const { value } = await stream.next();
      return value ? value.id : '0@';
    } finally {
      end.abort();
    }
  }

  /** Passes on what is new in a room. @param until the `rev` with which that is enough */
  async #read(room: string, signal: AbortSignal, until = Number.POSITIVE_INFINITY): Promise<void> {
    for await (const { id, data } of await this.#open(room, this.#places.get(room), signal)) {
      if (signal.aborted) return;
      if (data) this.host.received(data);
      if (data && id) this.#places.set(room, id);
      if (Number.parseInt(id, 10) >= until) return;
    }
  }

  async #open(
    room: string,
    from: string | undefined,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<StreamEvent, void>> {
    // Without an epoch there is only a number to go on from.
    const isPlace = from !== undefined && !from.endsWith('@');
    const since = from === undefined || isPlace ? undefined : Number.parseInt(from, 10);
    const headers = isPlace ? { 'last-event-id': from } : undefined;
    const options = { query: { room, since }, headers, signal };
    return readEvents(await this.host.request('GET', '/events', options));
  }
}
