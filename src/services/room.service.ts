import { asc, eq, gt } from 'drizzle-orm';
import type { Database } from '../db/index.ts';
import { rooms } from '../db/schema/index.ts';
import { ChatError } from '../errors.ts';
import { parseRoomName } from '../types/text.ts';
import { DEFAULT_ROOM } from '../types/websocket.ts';

/** A room, as far as others need to know it to speak there. */
export interface Room {
  id: number;
  name: string;
  /** Names its history. */
  epoch: string;
}

const columns = { id: rooms.id, name: rooms.name, epoch: rooms.epoch };

/** Where people meet. */
export class RoomService {
  constructor(private readonly db: Database) {}

  /**
   * The room of this name, made if there is none.
   *
   * @throws {ChatError} `invalid_frame`, or `not_found` for the reserved names of direct messages
   */
  async findOrCreate(raw = DEFAULT_ROOM): Promise<Room> {
    const name = parseRoomName(raw);
    if (isReserved(name)) throw noSuchRoom(name);
    const found = await this.#byName(name);
    if (found) return found;
    const [made] = await this.db
      .insert(rooms)
      .values({ name })
      .onConflictDoNothing()
      .returning(columns);
    // Nothing returned: someone else made it in between.
    return made ?? this.find(name);
  }

  /** @throws {ChatError} `not_found`, or `invalid_frame` for what cannot be a room's name */
  async find(raw = DEFAULT_ROOM): Promise<Room> {
    const name = parseRoomName(raw);
    const found = isReserved(name) ? undefined : await this.#byName(name);
    if (!found) throw noSuchRoom(name);
    return found;
  }

  /**
   * A page of the rooms that anyone may enter, in the order of their names.
   *
   * @param page `after` is the name of a room, whether it exists or not
   * @throws {ChatError} `invalid_frame` for what cannot be a room's name
   */
  async list(page: { after?: string | undefined; limit: number }) {
    const after = page.after === undefined ? undefined : parseRoomName(page.after);
    return this.db
      .select({ name: rooms.name, createdAt: rooms.createdAt })
      .from(rooms)
      .where(after === undefined ? undefined : gt(rooms.name, after))
      .orderBy(asc(rooms.name))
      .limit(page.limit);
  }

  async #byName(name: string): Promise<Room | undefined> {
    const [found] = await this.db.select(columns).from(rooms).where(eq(rooms.name, name));
    return found;
  }
}

function isReserved(name: string): boolean {
  return name.startsWith('dm:');
}

function noSuchRoom(name: string): ChatError {
  return new ChatError('not_found', `There is no room "${name}"; the first to join makes it`);
}
