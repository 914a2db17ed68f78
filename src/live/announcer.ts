import type { Clock } from '../lib/clock.ts';
import type { RoomRef } from '../protocol/room.ts';
import { encode, systemFrame } from './encode.ts';
import { type Publish, topics } from './publisher.ts';

/** In a room with more people, joins and leaves are gathered into counts. */
const GATHER_ABOVE = 100;
const GATHER_MS = 1000;

interface Gathered {
  room: RoomRef;
  joined: Crowd;
  left: Crowd;
}

/** How many users did the same thing, and the latest of them. */
interface Crowd {
  count: number;
  username: string;
}

const NOBODY: Crowd = { count: 0, username: '' };

/** Announces joins and leaves to a room; in a crowded one gathered, so that ten thousand joins are a few frames. */
export class Announcer {
  readonly #gathered = new Map<number, Gathered>();

  constructor(private readonly parts: { publish: Publish; clock: Clock }) {}

  /** @param userCount the users in the room, including this one */
  joined(room: RoomRef, username: string, userCount: number): void {
    if (userCount > GATHER_ABOVE) this.#gather(room, 'joined', username);
    else this.#announce(room, username, 'online');
  }

  /** @param userCount the users in the room before, including this one */
  left(room: RoomRef, username: string, userCount: number): void {
    if (userCount > GATHER_ABOVE) this.#gather(room, 'left', username);
    else this.#announce(room, username, 'offline');
  }

  #announce({ id, name: room }: RoomRef, username: string, status: 'online' | 'offline'): void {
    const event = status === 'online' ? 'joined' : 'left';
    const content = `${username} ${event} the chat`;
    const { publish, clock } = this.parts;
    const timestamp = clock.timestamp();
    publish(topics.basic(id), () => systemFrame({ room, content, event, username, timestamp }));
    const presence = { type: 'presence', room, username, status, timestamp } as const;
    for (const topic of [topics.full(id), topics.batched(id)])
      publish(topic, () => encode(presence));
  }

  #gather(room: RoomRef, event: 'joined' | 'left', username: string): void {
    let gathered = this.#gathered.get(room.id);
    if (!gathered) {
      gathered = { room, joined: NOBODY, left: NOBODY };
      this.#gathered.set(room.id, gathered);
      this.#flushLater(gathered);
    }
    gathered[event] = { count: gathered[event].count + 1, username };
  }

  #flushLater(gathered: Gathered): void {
    this.parts.clock.timer(GATHER_MS, () => this.#flush(gathered));
  }

  /** Sends one frame a second about the more frequent kind of event; the other kind comes next. */
  #flush(gathered: Gathered): void {
    const { id, name: room } = gathered.room;
    const event = gathered.joined.count >= gathered.left.count ? 'joined' : 'left';
    const { count, username } = gathered[event];
    const content = `${count === 1 ? username : `${count} people`} ${event} the chat`;
    const { publish, clock } = this.parts;
    const timestamp = clock.timestamp();
    const frame = { room, content, event, timestamp, ...(count === 1 && { username }) } as const;
    publish(topics.basic(id), () => systemFrame(frame));
    gathered[event] = NOBODY;
    if (gathered.joined.count + gathered.left.count > 0) this.#flushLater(gathered);
    else this.#gathered.delete(id);
  }
}
