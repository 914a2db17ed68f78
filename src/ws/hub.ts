import type { Bus, BusEvent } from '../bus/bus.ts';
import type { Logger } from '../log.ts';
import type { MessageReader } from '../services/message-reader.ts';
import { Persistent } from '../services/persistent.ts';
import type { RoomState, RoomStates } from '../services/room-states.ts';
import { isForAll, type Room } from '../types/room.ts';
import { encode, fullMessage } from './frames.ts';
import { LiveRoom } from './live-room.ts';
import type { RoomEvent } from './stay.ts';
import { type Publish, publishTo } from './topics.ts';

interface HubParts {
  messages: MessageReader;
  states: RoomStates;
  publish: Publish;
  log: Logger;
}

/** A statement whose answer was lost may still be at work; then its rooms are looked at once more, in milliseconds. */
const LOOK_AGAIN_MS = 2000;

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
  /** Those of which something may have been missed. */
  readonly #doubted = new Set<LiveRoom>();
  readonly #comparison: Persistent;
  readonly #unsubscribe: () => void;

  constructor(
    private readonly parts: HubParts,
    private readonly bus: Bus,
  ) {
    this.#comparison = new Persistent('looking at the rooms', () => this.#compare(), parts.log);
    this.#unsubscribe = bus.subscribe((event) => this.#hear(event));
  }

  /** The number of rooms that are open. */
  get size(): number {
    return this.#rooms.size;
  }

  /** A room of this name (lower case) that is open already, so that it need not be looked up. */
  find(name: string): Room | undefined {
    return this.bus.isWhole ? this.#rooms.get(name)?.room : undefined;
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
      await live.log.loaded;
      return live;
    } catch (error) {
      this.release(live);
      throw error;
    }
  }

  /** Lets go of a room that {@link open} returned. */
  release(live: LiveRoom): void {
    live.holders -= 1;
    if (live.holders > 0) return;
    live.log.close();
    if (this.#rooms.get(live.name) === live) this.#rooms.delete(live.name);
  }

  close(): void {
    this.#unsubscribe();
    this.#comparison.close();
    this.#rooms.clear();
  }

  #hear(event: BusEvent): void {
    switch (event.kind) {
      case 'messages': {
        const live = this.#rooms.get(event.room.name);
        // Of the same name there may have been another room before.
        if (live?.room.id === event.room.id) {
          for (const message of event.messages) live.log.take(message);
        } else if (event.room.direct) {
          // It comes to its people whether or not one of them has joined it.
          for (const message of event.messages) {
            publishTo(event.room, this.parts.publish, () => fullMessage(message));
          }
        }
        return;
      }
      case 'doubt':
        if (event.rooms) this.#readOn(event.rooms);
        else this.#doubtAll();
        return;
      case 'lost':
        this.#doubtAll();
        return;
      case 'ephemeral': {
        const { room, frame, except } = event;
        const live = this.#rooms.get(room.name);
        if (live?.room.id === room.id) live.show(frame, except);
        else if (room.direct) publishTo(room, this.parts.publish, () => encode(frame), except);
        return;
      }
      case 'room':
      case 'place':
      case 'gone':
        this.changes += 1;
        this.#change(event);
    }
  }

  #change(event: RoomEvent): void {
    const live = this.#rooms.get(event.room.name);
    // Of the same name there may have been another room before.
    if (live?.room.id !== event.room.id) return;
    live.hear(event);
    if (event.kind !== 'gone') return;
    live.log.close();
    this.#rooms.delete(live.name);
  }

  #readOn(rooms: string[]): void {
    const look = () => {
      for (const room of rooms) this.#rooms.get(room)?.log.readOn();
    };
    look();
    setTimeout(look, LOOK_AGAIN_MS).unref();
  }

  #doubtAll(): void {
    for (const live of this.#rooms.values()) this.#doubted.add(live);
    this.#comparison.ask();
  }

  /** Makes up for whatever the bus did not bring about the rooms that are open. */
  async #compare(): Promise<void> {
    const lives = [...this.#doubted].map((live) => ({ live, heard: live.heard }));
    this.#doubted.clear();
    const asked = new Map(lives.map(({ live }) => [live.room.id, live.userIds()]));
    try {
      const found = await this.parts.states.of(asked);
      for (const { live, heard } of lives) this.#correct(live, heard, found.get(live.room.id));
    } catch (error) {
      for (const { live } of lives) this.#doubted.add(live);
      throw error;
    }
  }

  /** @param heard how much the room had heard when it was looked at */
  #correct(live: LiveRoom, heard: number, state: RoomState | undefined): void {
    if (this.#rooms.get(live.name) !== live) return;
    if (live.heard !== heard) {
      // What was found may be older than what was heard meanwhile.
      this.#doubted.add(live);
      this.#comparison.ask();
      return;
    }
    if (!state) {
      this.#hear({ kind: 'gone', room: live.room });
      return;
    }
    const { room, rev, places } = state;
    if (rev > live.log.rev) live.log.readOn();
    if (isForAll(room) && Bun.deepEquals(room, live.room)) return;
    const members = [...places].flatMap(([id, { isMember }]) => (isMember ? [id] : []));
    this.#hear({ kind: 'room', room, members });
    for (const [userId, place] of places) this.#hear({ kind: 'place', room, userId, place });
  }
}
