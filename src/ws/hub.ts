import type { Bus, BusEvent } from '../bus/bus.ts';
import type { Logger } from '../log.ts';
import type { MessageReader } from '../services/message-reader.ts';
import type { Room } from '../types/room.ts';
import { fullMessage } from './frames.ts';
import { LiveRoom } from './live-room.ts';
import { type Publish, publishTo } from './topics.ts';

/**
 * The rooms that someone on this server is in. It takes what was committed from the bus alone and
 * hands it to the room; what the bus did not bring, the room reads from the database.
 */
export class Hub {
  readonly #rooms = new Map<string, LiveRoom>();
  /**
   * How often it changed who may be in which room. Whoever looked that up, and finds another number
   * when acting on it, looks again.
   */
  changes = 0;
  readonly #unsubscribe: () => void;

  constructor(
    private readonly parts: { messages: MessageReader; publish: Publish; log: Logger },
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((event) => this.#hear(event));
  }

  /** A room of this name (lower case) that is open already, so that it need not be looked up. */
  find(name: string): Room | undefined {
    return this.#rooms.get(name)?.room;
  }

  /**
   * Holds a room open until {@link release}; when it returns, the room is ready to be read.
   *
   * @param changes what {@link changes} was before the room was looked up
   * @returns undefined when what was looked up may be out of date, and is to be looked up again
   */
  async open(room: Room, changes: number): Promise<LiveRoom | undefined> {
    let live = this.#rooms.get(room.name);
    if (!live) {
      if (changes !== this.changes) return undefined;
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
    switch (event.kind) {
      case 'messages': {
        const live = this.#rooms.get(event.room.name);
        // Of the same name there may have been another room before.
        if (live?.room.id === event.room.id) {
          for (const message of event.messages) live.take(message);
        } else if (event.room.direct) {
          // It comes to its people whether or not one of them has joined it.
          for (const message of event.messages) {
            publishTo(event.room, this.parts.publish, () => fullMessage(message));
          }
        }
        return;
      }
      case 'doubt':
        for (const room of event.rooms) this.#rooms.get(room)?.readOn();
        return;
      case 'ephemeral':
        this.#rooms.get(event.frame.room)?.show(event.frame, event.except);
        return;
      case 'room':
      case 'place':
      case 'gone':
        this.changes += 1;
        this.#rooms.get(event.room.name)?.hear(event);
        // Another of this name is another room.
        if (event.kind === 'gone') this.#rooms.delete(event.room.name);
    }
  }
}
