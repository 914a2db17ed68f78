import type { Bus, BusListener } from '../bus/bus.ts';
import { ChatError, Disconnect } from '../errors.ts';
import type { StoredMessage } from '../protocol/message.ts';
import {
  isUnrestricted,
  type Membership,
  noSuchRoom,
  type Principal,
  type Room,
  refusalIn,
} from '../protocol/room.ts';
import type { RoomAccess } from '../rooms/room.service.ts';
import type { RoomSnapshots } from '../rooms/snapshots.ts';
import { Arrivals, newer } from './arrivals.ts';
import { DirectCursors } from './direct-cursors.ts';
import { encode } from './encode.ts';
import type { FeedParts } from './feed.ts';
import { Resync } from './resync.ts';
import { LiveRoom, type LiveRoomParts, type RoomEvent } from './room.ts';

interface HubParts extends FeedParts {
  bus: Bus;
  snapshots: RoomSnapshots;
}

/** The steps by which a reader enters a room. */
export interface Entry<Read, Result> {
  /** The present principal of the reader. */
  principal(): Principal;
  /** Checks that the reader may read the room. @param known the room, if it is at hand */
  authorize(known: Room | undefined): Promise<RoomAccess>;
  /** Reads missing changes from the database, without showing them yet. */
  read(live: LiveRoom): Promise<Read>;
  /**
   * The synchronous step in which the reader gets all changes so far and subscribes to the next ones; if it
   * could wait, a change could be missed in between.
   */
  subscribe(live: LiveRoom, membership: Membership, read: Read): Result;
}

/** How long a direct room without subscribers stays open after its last change, in milliseconds. */
const LINGER_MS = 30_000;

/**
 * The rooms with subscribers on this server. Committed changes come from the bus only and go to their room, which
 * reads those that the bus did not bring from the database.
 */
export class Hub {
  readonly #rooms = new Map<number, LiveRoom>();
  readonly #idByName = new Map<string, number>();
  readonly #arrivals = new Arrivals();
  /** The cursors of users in direct rooms that they have not joined. */
  readonly direct: DirectCursors;
  readonly #resync: Resync;
  readonly #roomParts: LiveRoomParts;
  readonly #unsubscribe: () => void;

  constructor(private readonly parts: HubParts) {
    const { bus } = parts;
    this.#roomParts = { ...parts, onIdle: (live) => this.#remove(live) };
    this.#resync = new Resync(parts, (event) => bus.publish(event));
    this.direct = new DirectCursors(parts, (roomIds) => this.#openBehind(roomIds));
    this.#unsubscribe = bus.subscribe(this.#listener());
  }

  /** The number of rooms that are open. */
  get size(): number {
    return this.#rooms.size;
  }

  /** Whether all changes that other servers have committed are known here. */
  get isInSync(): boolean {
    return this.parts.bus.isInSync;
  }

  /** Whether the room and its memberships are known here in their latest state. */
  isCurrent(live: LiveRoom): boolean {
    return this.parts.bus.isInSync && this.#resync.isVerified(live);
  }

  /**
   * Lets a reader into a room. Changes of the room or the reader between the look-up and the subscription count
   * too, so that no reader enters by a right that has ended.
   *
   * @param name of the room, in lower case
   * @throws the errors of `authorize` and `read`, and the reason of {@link refusalIn}
   */
  async enter<Read, Result>(name: string, entry: Entry<Read, Result>): Promise<Result> {
    for (;;) {
      const [news, forget] = this.#arrivals.open(name, entry.principal);
      let release = () => {};
      try {
        const { room, membership, isAssumed } = await entry.authorize(this.#find(name));
        const before = news.get(room.id);
        if (before?.isDeleted) continue;
        const live = this.#open(room);
        release = live.hold();
        if (before?.room) this.#update(live, before.room);
        await live.feed.loading;
        const read = await entry.read(live);
        if (this.#rooms.get(room.id) !== live) continue;
        // The membership was not looked up, and now it matters.
        if (isAssumed && !isUnrestricted(live.room)) continue;
        const newest = newer(membership, news.get(room.id)?.membership);
        const refused = refusalIn(live.room, newest, entry.principal(), 'read');
        if (refused) throw refused;
        return entry.subscribe(live, newest, read);
      } finally {
        release();
        forget();
      }
    }
  }

  close(): void {
    this.#unsubscribe();
    this.#resync.close();
    this.direct.close();
    this.#rooms.clear();
    this.#idByName.clear();
  }

  /** The open room of this name, which need not be looked up. */
  #find(name: string): Room | undefined {
    const live = this.#rooms.get(this.#idByName.get(name) ?? 0);
    return live && this.isCurrent(live) ? live.room : undefined;
  }

  /** @param room in its state of now, or of a moment ago */
  #open(room: Room): LiveRoom {
    const known = this.#rooms.get(room.id);
    if (known) this.#update(known, room);
    const cursor = room.direct && this.direct.of(room.direct, room.id, Number.POSITIVE_INFINITY);
    return (
      this.#rooms.get(room.id) ?? this.#add(room, typeof cursor === 'number' ? cursor : undefined)
    );
  }

  /** @param from as in {@link Feed} */
  #add(room: Room, from?: number): LiveRoom {
    const live = new LiveRoom(this.#roomParts, room, from);
    this.#rooms.set(room.id, live);
    this.#idByName.set(room.name, room.id);
    return live;
  }

  #remove(live: LiveRoom): void {
    const { id, direct } = live.room;
    const { isBehind } = live.feed;
    live.feed.close();
    this.#resync.forget(live);
    if (this.#rooms.get(id) !== live) return;
    this.#rooms.delete(id);
    if (this.#idByName.get(live.name) === id) this.#idByName.delete(live.name);
    if (!direct || !live.feed.isLoaded) return;
    this.direct.set(direct, id, live.feed.rev);
    // Its users have yet to be shown what it lacked.
    if (isBehind) this.direct.resync();
  }

  #listener(): BusListener {
    const handle = (event: RoomEvent) => {
      this.#arrivals.handle(event);
      this.#applyRoomEvent(event);
    };
    return {
      messages: ({ room, messages }) => this.#take(room, messages),
      resync: ({ roomIds }) => (roomIds ? this.#lookAgain(roomIds) : this.#resyncAll()),
      'server.lost': () => this.#resyncAll(),
      ephemeral: ({ room, frame, except }) => {
        const live = this.#rooms.get(room.id);
        if (live) live.showEphemeral(frame, except);
        else if (room.direct) this.parts.personal.toRoom(room, () => encode(frame), except);
      },
      'room.updated': handle,
      'membership.updated': handle,
      'room.deleted': handle,
    };
  }

  #take(room: Room, messages: StoredMessage[]): void {
    const live = this.#rooms.get(room.id) ?? this.#openDirect(room, messages);
    if (!live) return;
    if (room.epoch !== live.epoch) {
      // Only the database knows to which history it belongs.
      live.feed.requestBackfill();
      return;
    }
    const isOfThisHistory = live.feed.push(...messages);
    if (isOfThisHistory === false) this.#resync.contradict(live);
    else if (isOfThisHistory === undefined) this.#resync.verify([live]);
  }

  /** Opens a direct room, which is shown to its two users even if none of them has joined it. */
  #openDirect(room: Room, messages: StoredMessage[]): LiveRoom | undefined {
    const [first] = messages;
    const cursor = room.direct && first && this.direct.of(room.direct, room.id, first.rev);
    if (cursor instanceof Promise) void cursor.then(() => this.#take(room, messages));
    return typeof cursor === 'number' ? this.#openAt(room, cursor) : undefined;
  }

  #openAt(room: Room, from: number): LiveRoom {
    const live = this.#add(room, from);
    const release = live.hold();
    let { rev } = live.feed;
    const look = () => {
      this.parts.clock.timer(LINGER_MS, () => {
        if (live.feed.rev === rev) return release();
        rev = live.feed.rev;
        look();
      });
    };
    look();
    return live;
  }

  /** Opens direct rooms with missed changes. */
  async #openBehind(roomIds: number[]): Promise<void> {
    const found = await this.parts.snapshots.load(new Map(roomIds.map((id) => [id, []])));
    for (const { room } of found.values()) {
      const cursor = room.direct && this.direct.of(room.direct, room.id, Number.POSITIVE_INFINITY);
      const live =
        this.#rooms.get(room.id) ??
        (typeof cursor === 'number' ? this.#openAt(room, cursor) : undefined);
      live?.feed.requestBackfill();
    }
  }

  #applyRoomEvent(event: RoomEvent): void {
    const live = this.#rooms.get(event.room.id);
    if (!live) return;
    switch (event.kind) {
      case 'room.updated':
        this.#update(live, event.room);
        return;
      case 'membership.updated':
        if (live.setMembership(event.userId, event.membership)) this.#resync.verify([live]);
        return;
      case 'room.deleted':
        live.evictAll(noSuchRoom(live.name));
        this.#remove(live);
    }
  }

  #update(live: LiveRoom, room: Room): void {
    if (room.version > live.room.version && room.epoch !== live.epoch) this.#reset(live);
    else if (live.update(room)) this.#resync.verify([live]);
  }

  /** Closes a room whose history was replaced: its connections are closed, and resume. */
  #reset(live: LiveRoom): void {
    const reason = `The history of "${live.name}" was replaced; reconnect and resume.`;
    live.evictAll(new Disconnect(new ChatError('unavailable', reason)));
    this.#remove(live);
    if (live.room.direct) this.direct.reload(live.room.direct);
  }

  #lookAgain(roomIds: number[]): void {
    const lives = roomIds.flatMap((id) => this.#rooms.get(id) ?? []);
    for (const live of lives) live.feed.requestBackfill();
    this.#resync.verify(lives);
    this.direct.resync();
  }

  #resyncAll(): void {
    this.#resync.verify([...this.#rooms.values()]);
    this.direct.resync();
  }
}
