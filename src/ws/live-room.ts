import type { Logger } from '../log.ts';
import type { MessageReader } from '../services/message-reader.ts';
import type { Room } from '../types/room.ts';
import type { EphemeralFrame } from '../types/websocket.ts';
import { encode } from './frames.ts';
import { RoomLog } from './room-log.ts';
import { Company, type RoomEvent, type Stay } from './stay.ts';
import { type Publish, publishTo } from './topics.ts';

/** A room that someone on this server is in: what changes in it, and those who are there. */
export class LiveRoom {
  /** As it is now. */
  room: Room;
  readonly name: string;
  readonly epoch: string;
  readonly log: RoomLog;
  /** The connections that hold the room open. */
  holders = 0;
  /** How often something has changed about the room, or who may be in it. */
  heard = 0;
  readonly #eventListeners = new Set<(text: string) => void>();
  readonly #company = new Company();

  constructor(
    room: Room,
    private readonly parts: { messages: MessageReader; publish: Publish; log: Logger },
  ) {
    this.room = room;
    this.name = room.name;
    this.epoch = room.epoch;
    this.log = new RoomLog(room, parts);
  }

  /** @returns the function that stops the calls, one for each event that is shown and not stored */
  onEvent(listener: (text: string) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  /** The users who are here. */
  userIds(): number[] {
    return this.#company.userIds();
  }

  /** Someone is here now, and hears what changes about the room. @returns the function that ends it */
  enter(stay: Stay): () => void {
    return this.#company.enter(stay);
  }

  /** Takes what has changed about the room, and tells those whom it may concern. */
  hear(event: RoomEvent): void {
    this.heard += 1;
    // Of two changes made at once either may be heard first; a room that was moderated stays so.
    const isModerated = this.room.isModerated || event.room.isModerated;
    this.room = { ...(event.kind === 'room' ? event.room : this.room), isModerated };
    const stays = event.kind === 'place' ? this.#company.of(event.userId) : this.#company.all();
    for (const stay of stays) stay.hear(event);
  }

  /** Shows what is not kept, to those who are here now; one user may be left out. */
  show(frame: EphemeralFrame, except?: number): void {
    const text = encode(frame);
    const left = except === undefined ? [] : this.#company.of(except);
    for (const stay of left) stay.pause();
    publishTo(this.room, this.parts.publish, () => text, except);
    for (const stay of left) stay.resume();
    if (frame.type === 'event') for (const listener of this.#eventListeners) listener(text);
  }
}
