import type { BusEvent } from '../bus/bus.ts';
import type { ChatError } from '../errors.ts';
import { isForAll, noSuchRoom, type Place, refusalIn, type Visitor } from '../types/room.ts';
import type { LiveRoom } from './live-room.ts';

/** What may change who is let into a room. */
export type RoomEvent = Extract<BusEvent, { kind: 'room' | 'place' | 'gone' }>;

/** Someone's stay in a room, over the moment that it is no longer allowed. */
export class Stay {
  readonly #leave: () => void;

  /**
   * @param place how the visitor stood in the room on entering
   * @param visitor who that is now: a fresh token may say something else
   * @param onOut is called when the stay is no longer allowed
   * @param line turns what is published in the room off and on again, where there is a line to turn
   */
  constructor(
    readonly live: LiveRoom,
    private place: Place,
    private readonly visitor: () => Visitor,
    private readonly onOut: (reason: ChatError) => void,
    private readonly line?: { pause(): void; resume(): void },
  ) {
    this.#leave = live.enter(this);
  }

  /** 0 for who is nobody in particular. */
  get userId(): number {
    return this.visitor().user?.id ?? 0;
  }

  /** From now to {@link resume}, in the same synchronous step, what is published passes by. */
  pause(): void {
    this.line?.pause();
  }

  resume(): void {
    this.line?.resume();
  }

  /** @throws {ChatError} `muted` */
  checkMaySpeak(): void {
    if (isForAll(this.live.room)) return;
    const refused = refusalIn(this.live.room, this.place, this.visitor(), 'speak');
    if (refused) throw refused;
  }

  /** Looks again whether the visitor may be here. */
  check(): void {
    const refused = refusalIn(this.live.room, this.place, this.visitor(), 'read');
    if (refused) this.onOut(refused);
  }

  end(): void {
    this.#leave();
  }

  /** Something has changed about the room, or about how this visitor stands in it. */
  hear(event: RoomEvent): void {
    switch (event.kind) {
      case 'gone':
        this.onOut(noSuchRoom(event.room.name));
        return;
      case 'place':
        this.place = event.place;
        break;
      case 'room':
        if (!event.room.isPrivate) return;
        this.place = { ...this.place, isMember: event.members.includes(this.userId) };
        break;
    }
    this.check();
  }
}

/** Those who are in a room on this server. */
export class Company {
  /** By their user's id; 0 for who is nobody in particular. */
  readonly #stays = new Map<number, Set<Stay>>();

  /** @returns the function that ends it */
  enter(stay: Stay): () => void {
    const { userId } = stay;
    const stays = this.#stays.get(userId) ?? new Set();
    this.#stays.set(userId, stays.add(stay));
    return () => {
      if (stays.delete(stay) && stays.size === 0) this.#stays.delete(userId);
    };
  }

  userIds(): number[] {
    return [...this.#stays.keys()];
  }

  of(userId: number): Stay[] {
    return [...(this.#stays.get(userId) ?? [])];
  }

  all(): Stay[] {
    return [...this.#stays.values()].flatMap((stays) => [...stays]);
  }
}
