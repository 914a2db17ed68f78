import type { Bus, BusEvent } from '../bus/bus.ts';
import { rootMessage } from '../db/index.ts';
import type { Logger } from '../log.ts';
import type { ChatService } from '../services/chat.service.ts';
import type { Room } from '../services/room.service.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { ServerFrame } from '../types/websocket.ts';

/** Sends a text to all who subscribe to a topic. */
export type Publish = (topic: string, text: string) => void;

/** What a newcomer is shown. */
const RECENT_MESSAGES = 10;
const PAGE = 100;
const RETRY_MS = 500;

/**
 * The rooms that someone on this server is in. It takes what was committed from the bus alone and
 * hands it to each room's topic strictly by `rev`; what the bus did not bring, the database does.
 */
export class Hub {
  readonly #rooms = new Map<string, LiveRoom>();
  readonly #unsubscribe: () => void;

  constructor(
    private readonly parts: { chat: ChatService; publish: Publish; log: Logger },
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((event) => this.#hear(event));
  }

  /**
   * Holds a room open. When it returns, `recent` and the topic meet without a hole: whoever sends
   * the one and subscribes to the other in one synchronous step misses nothing and repeats nothing.
   */
  async open(room: Room): Promise<LiveRoom> {
    let live = this.#rooms.get(room.name);
    if (!live) {
      live = new LiveRoom(room, this.parts);
      this.#rooms.set(room.name, live);
    }
    live.holders += 1;
    try {
      await live.loaded;
      return live;
    } catch (error) {
      this.release(live);
      throw error;
    }
  }

  /** Lets go of a room that {@link open} returned. */
  release(live: LiveRoom): void {
    live.holders -= 1;
    if (live.holders === 0 && this.#rooms.get(live.name) === live) this.#rooms.delete(live.name);
  }

  close(): void {
    this.#unsubscribe();
    this.#rooms.clear();
  }

  #hear(event: BusEvent): void {
    if (event.kind === 'messages') {
      for (const message of event.messages) this.#rooms.get(message.room)?.take(message);
    } else {
      for (const room of event.rooms) this.#rooms.get(room)?.readOn();
    }
  }
}

/** One room with its newest messages, ready to be sent. */
export class LiveRoom {
  readonly name: string;
  readonly topic: string;
  /** Rejects when the database did not answer. */
  readonly loaded: Promise<void>;
  /** The connections that hold the room open. */
  holders = 0;
  /** Frames of the newest messages, oldest first. */
  readonly recent: string[] = [];

  #rev: number | undefined;
  /** What came ahead of its turn, by `rev`. */
  readonly #waiting = new Map<number, StoredMessage>();
  #reading = false;
  #readAgain = false;

  constructor(
    readonly room: Room,
    private readonly parts: { chat: ChatService; publish: Publish; log: Logger },
  ) {
    this.name = room.name;
    this.topic = `room:${room.name}`;
    this.loaded = this.#load();
  }

  /** Takes a committed message, in whatever order it comes and however often. */
  take(message: StoredMessage): void {
    if (this.#rev !== undefined && message.rev <= this.#rev) return;
    this.#waiting.set(message.rev, message);
    this.#release();
  }

  /** Reads from the database what is not here yet, until it has answered. */
  readOn(): void {
    this.#readAgain = true;
    if (!this.#reading && this.#rev !== undefined) void this.#read();
  }

  async #load(): Promise<void> {
    const newest = await this.parts.chat.page(this.room, { limit: RECENT_MESSAGES });
    this.recent.push(...newest.map(toFrame));
    this.#rev = newest.at(-1)?.rev ?? 0;
    for (const rev of this.#waiting.keys()) if (rev <= this.#rev) this.#waiting.delete(rev);
    this.#release();
    if (this.#readAgain) this.readOn();
  }

  #release(): void {
    if (this.#rev === undefined) return;
    for (;;) {
      const next = this.#waiting.get(this.#rev + 1);
      if (!next) break;
      this.#waiting.delete(next.rev);
      this.#rev = next.rev;
      const frame = toFrame(next);
      this.recent.push(frame);
      if (this.recent.length > RECENT_MESSAGES) this.recent.shift();
      this.parts.publish(this.topic, frame);
    }
    if (this.#waiting.size > 0) this.readOn();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    while (this.#readAgain && this.holders > 0) {
      this.#readAgain = false;
      try {
        const page = await this.parts.chat.page(this.room, { after: this.#rev ?? 0, limit: PAGE });
        if (page.length === PAGE) this.#readAgain = true;
        for (const message of page) this.take(message);
      } catch (error) {
        this.parts.log.warn({ room: this.name, reason: rootMessage(error) }, 'reading on failed');
        this.#readAgain = true;
        await Bun.sleep(RETRY_MS);
      }
    }
    this.#reading = false;
  }
}

function toFrame({ id, room, seq, username, content, createdAt }: StoredMessage): string {
  const frame: ServerFrame = {
    type: 'message',
    id,
    room,
    seq,
    username,
    content,
    timestamp: createdAt,
  };
  return JSON.stringify(frame);
}
