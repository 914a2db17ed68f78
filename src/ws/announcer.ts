import { encode, systemFrame } from './frames.ts';
import { type Publish, topics } from './topics.ts';

/** In a room with more people, who comes and goes is counted instead of named. */
const GATHER_ABOVE = 100;
const GATHER_MS = 1000;

interface Gathered {
  joined: number;
  left: number;
}

/** Tells a room who comes and goes, in a way that ten thousand joins stay a few frames. */
export class Announcer {
  readonly #gathered = new Map<string, Gathered>();

  constructor(private readonly publish: Publish) {}

  /** @param people how many are in the room, this one included */
  joined(room: string, username: string, people: number): void {
    if (people > GATHER_ABOVE) this.#gather(room).joined += 1;
    else this.#announce(room, username, 'online');
  }

  /** @param people how many were in the room, this one included */
  left(room: string, username: string, people: number): void {
    if (people > GATHER_ABOVE) this.#gather(room).left += 1;
    else this.#announce(room, username, 'offline');
  }

  #announce(room: string, username: string, status: 'online' | 'offline'): void {
    const content = `${username} ${status === 'online' ? 'joined' : 'left'} the chat`;
    this.publish(topics.basic(room), () => systemFrame(room, content));
    const timestamp = new Date().toISOString();
    const presence = { type: 'presence', room, username, status, timestamp } as const;
    this.publish(topics.full(room), () => encode(presence));
  }

  #gather(room: string): Gathered {
    let gathered = this.#gathered.get(room);
    if (!gathered) {
      gathered = { joined: 0, left: 0 };
      this.#gathered.set(room, gathered);
      setTimeout(() => this.#flush(room), GATHER_MS).unref();
    }
    return gathered;
  }

  #flush(room: string): void {
    const { joined = 0, left = 0 } = this.#gathered.get(room) ?? {};
    this.#gathered.delete(room);
    const parts = [
      joined > 0 && `${people(joined)} joined the chat`,
      left > 0 && `${people(left)} left the chat`,
    ];
    this.publish(topics.basic(room), () => systemFrame(room, parts.filter(Boolean).join(', ')));
  }
}

function people(count: number): string {
  return count === 1 ? '1 person' : `${count} people`;
}
