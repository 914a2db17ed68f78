import { Value } from '@sinclair/typebox/value';
import { PATIENCE_MS, RedisLink } from '../bus/redis-link.ts';
import { rootMessage, toChatError } from '../db/failures.ts';
import { ChatError, errorCodes } from '../errors.ts';
import type { Logger } from '../log.ts';
import { NewMessage } from '../types/rest.ts';
import type { Room, Visitor } from '../types/room.ts';
import { parseUsername } from '../types/text.ts';
import type { ChatService } from './chat.service.ts';
import type { DirectRooms } from './direct-rooms.ts';
import type { Post } from './post-writer.ts';
import type { RoomService } from './room.service.ts';
import type { UserService } from './user.service.ts';

const STREAM = 'ws-chat:ingest';
const REJECTED = 'ws-chat:ingest:rejected';
const GROUP = 'ws-chat';
/** Rejected entries that are kept at least. */
const REJECTED_KEPT = 10_000;
const READ_AT_ONCE = 100;
const BLOCK_MS = 1000;
/** For so long a server may be at work on an entry before another one takes it over. */
const TAKEN_OVER_AFTER_MS = 10_000;
const LOOK_EVERY_MS = 5000;
/** A server that has not asked for so long is gone; one that is alive asks every second. */
const GONE_AFTER_MS = 600_000;
const RETRY_MS = 500;

type Entry = [id: string, fields: string[]];
type Consumer = { name: string; pending: number; idle: number };

export interface IngestParts {
  chat: ChatService;
  users: UserService;
  rooms: RoomService;
  directRooms: DirectRooms;
  log: Logger;
}

/**
 * Takes what back ends append to a stream of Redis, as messages: a consumer group gives each entry to one
 * server, which deletes it once it is stored. What a server left undone another takes over; since an entry
 * has an id, nothing is stored twice.
 */
export class Ingest {
  readonly #link: RedisLink;
  #isClosed = false;
  #consuming: Promise<void> = Promise.resolve();

  /** @param server names this server among those of the group */
  constructor(
    private readonly parts: IngestParts,
    url: string,
    private readonly server: string,
  ) {
    this.#link = new RedisLink(url, BLOCK_MS + PATIENCE_MS);
    this.#link.onUp = () => {
      this.#consuming = this.#consume();
    };
  }

  /** Takes nothing more; what is undone is for another server. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#link.close();
    await this.#consuming;
  }

  /** Goes on for as long as the connection does. */
  async #consume(): Promise<void> {
    try {
      await this.#makeGroup();
      for (let lookAt = 0; !this.#isClosed; ) {
        if (performance.now() >= lookAt) {
          await this.#takeOver();
          lookAt = performance.now() + LOOK_EVERY_MS;
        }
        const how = [GROUP, this.server, 'COUNT', READ_AT_ONCE, 'BLOCK', BLOCK_MS];
        const reply = await this.#link.send('XREADGROUP', 'GROUP', ...how, 'STREAMS', STREAM, '>');
        await this.#store((reply as Record<string, Entry[]> | null)?.[STREAM] ?? []);
      }
    } catch (error) {
      if (!this.#link.isUp) return;
      this.parts.log.warn({ reason: rootMessage(error) }, 'reading what is ingested failed');
      await Bun.sleep(RETRY_MS);
      this.#link.reset();
    }
  }

  async #makeGroup(): Promise<void> {
    try {
      await this.#link.send('XGROUP', 'CREATE', STREAM, GROUP, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error as Error).message.startsWith('BUSYGROUP')) throw error;
    }
  }

  /** Stores what others left undone, and strikes those off that are gone and have left nothing. */
  async #takeOver(): Promise<void> {
    for (let cursor = '0-0'; ; ) {
      const claim = [STREAM, GROUP, this.server, TAKEN_OVER_AFTER_MS, cursor];
      const reply = await this.#link.send('XAUTOCLAIM', ...claim, 'COUNT', READ_AT_ONCE);
      const [next, entries] = reply as [string, Entry[]];
      await this.#store(entries);
      if (next === '0-0') break;
      cursor = next;
    }
    const consumers = (await this.#link.send('XINFO', 'CONSUMERS', STREAM, GROUP)) as Consumer[];
    for (const { name, pending, idle } of consumers) {
      if (pending > 0 || idle < GONE_AFTER_MS) continue;
      await this.#link.send('XGROUP', 'DELCONSUMER', STREAM, GROUP, name);
    }
  }

  /** Returns when each entry is stored or rejected; while the database is away, that takes as long as it does. */
  async #store(entries: Entry[]): Promise<void> {
    let rest = entries;
    while (rest.length > 0 && !this.#isClosed) {
      const outcomes = await this.#post(rest);
      const undone = rest.filter((_, n) => outcomes[n] && isOurs(outcomes[n]));
      const done = rest.filter((entry) => !undone.includes(entry)).map(([id]) => id);
      for (const [n, error] of outcomes.entries()) {
        if (error && !isOurs(error)) await this.#reject(rest[n] as Entry, error);
      }
      if (done.length > 0) {
        await this.#link.send('XACK', STREAM, GROUP, ...done);
        await this.#link.send('XDEL', STREAM, ...done);
      }
      if (undone.length > 0) await Bun.sleep(RETRY_MS);
      rest = undone;
    }
  }

  /** Posts them in their order. @returns what went wrong with each, if anything did */
  async #post(entries: Entry[]): Promise<(ChatError | undefined)[]> {
    const prepared = await Promise.all(
      entries.map((entry) => this.#prepare(entry).catch((error) => toChatError(error))),
    );
    return Promise.all(
      prepared.map(async (post) => {
        if (post instanceof ChatError) return post;
        try {
          await this.parts.chat.post(post);
        } catch (error) {
          return toChatError(error);
        }
      }),
    );
  }

  /** @throws {ChatError} for what cannot be posted */
  async #prepare([entryId, fields]: Entry): Promise<Post> {
    const { username, content, room: name, to, id = entryId, data, replyTo } = parse(fields);
    if (to !== undefined && name !== undefined) {
      throw new ChatError('invalid_frame', 'A message has either "room" or "to"');
    }
    const user = await this.parts.users.enter(username);
    if (user.isBanned) throw new ChatError('banned', `"${user.username}" is banned.`);
    const visitor = { identity: { kind: 'key' as const }, user };
    const room =
      to === undefined
        ? await this.#find(visitor, name)
        : await this.parts.directRooms.between(visitor, await this.#recipient(to));
    return { user, room, content, clientId: id, data, replyTo };
  }

  #recipient(to: string) {
    parseUsername(to, 'to');
    return this.parts.users.standing(to);
  }

  /** The room, made if there is none. */
  async #find(visitor: Visitor, name: string | undefined): Promise<Room> {
    const { rooms } = this.parts;
    const visit = () => rooms.visit(visitor, name, 'speak');
    const { room } = await visit().catch(async (error) => {
      if (!(error instanceof ChatError) || error.code !== 'not_found') throw error;
      await rooms.enter(visitor, name);
      return visit();
    });
    return room;
  }

  async #reject([id, fields]: Entry, { code, message }: ChatError): Promise<void> {
    const why = ['entry', id, 'code', code, 'reason', message];
    await this.#link.send('XADD', REJECTED, 'MAXLEN', '~', REJECTED_KEPT, '*', ...fields, ...why);
    this.parts.log.warn({ entry: id, code }, 'an entry was rejected');
  }
}

/** What went wrong is no fault of the entry: it may be stored later. */
function isOurs({ code }: ChatError): boolean {
  return errorCodes[code].status >= 500 && code !== 'internal';
}

/**
 * A message of the fields of an entry: each in a field of its own, or all of them as JSON in `data`. An
 * entry with other `data` and no text is shown as that JSON.
 *
 * @throws {ChatError} `invalid_frame`
 */
function parse(fields: string[]) {
  const entry: Record<string, unknown> = {};
  for (let n = 0; n < fields.length; n += 2) entry[fields[n] as string] = fields[n + 1];
  const { data, ...flat } = entry;
  const json = typeof data === 'string' ? parseJson(data) : undefined;
  const isWhole = Object.keys(flat).length === 0 && typeof json === 'object' && json !== null;
  const message = isWhole
    ? json
    : {
        ...(data !== undefined && { content: data, data: json }),
        ...flat,
        ...(flat.replyTo !== undefined && { replyTo: Number(flat.replyTo) }),
      };
  if (Value.Check(NewMessage, message)) return message;
  const wrong = Value.Errors(NewMessage, message).First();
  const field = wrong?.path.slice(1) ?? '';
  const expected = wrong?.schema.description ?? 'left out: there is no such field';
  throw new ChatError('invalid_frame', `"${field.slice(0, 64)}" must be ${expected}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ChatError('invalid_frame', '"data" must be JSON');
  }
}
