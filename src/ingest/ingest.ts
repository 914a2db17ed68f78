import { PATIENCE_MS, RedisLink } from '../bus/redis/link.ts';
import type { Author, ChatService } from '../chat/chat.service.ts';
import { toChatError } from '../db/failures.ts';
import { ChatError, errorCodes, invalidField } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import { rootMessage } from '../lib/root-cause.ts';
import type { Logger } from '../log.ts';
import { missingUsername } from '../protocol/checks.ts';
import { type Draft, draftOf } from '../protocol/message.ts';
import { NewMessage } from '../protocol/rest.ts';
import type { Room } from '../protocol/room.ts';
import { validator } from '../protocol/validator.ts';
import type { UserService } from '../users/user.service.ts';

const STREAM = 'ws-chat:ingest';
const REJECTED = 'ws-chat:ingest:rejected';
const GROUP = 'ws-chat';
/** The least number of rejected entries that are kept. */
const REJECTED_KEPT = 10_000;
const READ_AT_ONCE = 100;
const BLOCK_MS = 1000;
/** How long a server may work on an entry before another one takes it over, in milliseconds. */
const TAKEN_OVER_AFTER_MS = 10_000;
const LOOK_EVERY_MS = 5000;
/** How long after its last read a server counts as gone, in milliseconds; live ones read every second. */
const GONE_AFTER_MS = 600_000;
const RETRY_MS = 500;

const validate = validator(NewMessage, 'an entry');

type Entry = [id: string, fields: string[]];
type Consumer = { name: string; pending: number; idle: number };

/** An entry as a post of its author. */
interface PreparedEntry {
  author: Author;
  room: Room;
  draft: Draft;
}

export interface IngestParts {
  chat: ChatService;
  users: UserService;
  clock: Clock;
  log: Logger;
  /** Of the Redis. */
  url: string;
  /** Names this server among those of the group. */
  server: string;
}

/**
 * Posts the entries that back ends append to a Redis stream: a consumer group gives each entry to one server,
 * which deletes it once it is stored. Another server takes over unfinished entries; since each has an id,
 * nothing is stored twice.
 */
export class Ingest {
  readonly #link: RedisLink;
  #isClosed = false;
  #consuming: Promise<void> = Promise.resolve();

  constructor(private readonly parts: IngestParts) {
    const { clock, url } = parts;
    const onUp = () => {
      // One loop at a time: the previous one ends when it finds its connection lost.
      this.#consuming = this.#consuming.then(() => this.#consume());
    };
    this.#link = new RedisLink({ clock, url, onUp, patience: BLOCK_MS + PATIENCE_MS });
  }

  /** Stops reading; another server takes over unfinished entries. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#link.close();
    await this.#consuming;
  }

  /** Reads entries until the connection is lost. */
  async #consume(): Promise<void> {
    try {
      await this.#makeGroup();
      await this.#resume();
      for (let lookAt = 0; !this.#isClosed; ) {
        if (this.parts.clock.monotonic() >= lookAt) {
          await this.#takeOver();
          lookAt = this.parts.clock.monotonic() + LOOK_EVERY_MS;
        }
        await this.#store(await this.#read('>', 'BLOCK', BLOCK_MS));
      }
    } catch (error) {
      if (!this.#link.isUp) return;
      this.parts.log.warn({ reason: rootMessage(error) }, 'reading the ingest stream failed');
      await this.parts.clock.sleep(RETRY_MS);
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

  /** First stores the entries that were given to this server before its connection was lost. */
  async #resume(): Promise<void> {
    for (let entries = await this.#read('0'); entries.length > 0 && !this.#isClosed; ) {
      await this.#store(entries);
      entries = await this.#read('0');
    }
  }

  /** @param from `>` for new entries, `0` for unfinished ones of this server */
  async #read(from: '>' | '0', ...how: (string | number)[]): Promise<Entry[]> {
    const group = ['GROUP', GROUP, this.parts.server, 'COUNT', READ_AT_ONCE, ...how];
    const reply = await this.#link.send('XREADGROUP', ...group, 'STREAMS', STREAM, from);
    const found = (reply as Record<string, [string, string[] | null][]> | null)?.[STREAM] ?? [];
    // Entries that were deleted after they were given out have no fields.
    const deleted = found.flatMap(([id, fields]) => (fields ? [] : id));
    if (deleted.length > 0) await this.#link.send('XACK', STREAM, GROUP, ...deleted);
    return found.filter((entry): entry is Entry => entry[1] !== null);
  }

  /** Stores entries that other servers left unfinished, and removes servers that are gone and left none. */
  async #takeOver(): Promise<void> {
    for (let cursor = '0-0'; ; ) {
      const claim = [STREAM, GROUP, this.parts.server, TAKEN_OVER_AFTER_MS, cursor];
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

  /** Returns when each entry is stored or rejected; while the database is away, it waits without a limit. */
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
      if (undone.length > 0) await this.parts.clock.sleep(RETRY_MS);
      rest = undone;
    }
  }

  /**
   * Posts entries in their order; those behind one that has to wait, wait too.
   *
   * @returns the error of each entry that failed
   */
  async #post(entries: Entry[]): Promise<(ChatError | undefined)[]> {
    const prepared = await Promise.all(
      entries.map((entry) => this.#prepare(entry).catch((error) => toChatError(error))),
    );
    const delay = prepared.findIndex((post) => post instanceof ChatError && isOurs(post));
    return Promise.all(
      prepared.map(async (post, n) => {
        if (post instanceof ChatError) return post;
        if (delay !== -1 && n > delay) return prepared[delay] as ChatError;
        try {
          await this.parts.chat.post(post.author, post.room, post.draft);
        } catch (error) {
          return toChatError(error);
        }
      }),
    );
  }

  /** @throws {ChatError} for entries that cannot be posted */
  async #prepare([entryId, fields]: Entry): Promise<PreparedEntry> {
    const message = parse(fields);
    const { username, room: name, to, id = entryId } = message;
    if (username === undefined) throw missingUsername();
    const user = await this.parts.users.ensure(username);
    if (user.isBanned) throw new ChatError('banned', `"${user.username}" is banned.`);
    const author = { identity: { kind: 'key' as const }, user };
    const destination = { room: name, to };
    const room = await this.parts.chat.resolve(author, destination, { isCreating: true });
    return { author, room, draft: draftOf(message, id) };
  }

  async #reject([id, fields]: Entry, { code, message }: ChatError): Promise<void> {
    const why = ['entry', id, 'code', code, 'reason', message];
    await this.#link.send('XADD', REJECTED, 'MAXLEN', '~', REJECTED_KEPT, '*', ...fields, ...why);
    this.parts.log.warn({ entry: id, code }, 'an entry was rejected');
  }
}

/** Whether the error is the server's, so that the entry may be stored later. */
function isOurs({ code }: ChatError): boolean {
  return errorCodes[code].status >= 500 && code !== 'internal';
}

/**
 * Reads the fields of a message from an entry: each in a field of its own, or all of them as JSON in `data`.
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
        ...(data !== undefined && { data: json }),
        ...flat,
        ...(flat.replyTo !== undefined && { replyTo: Number(flat.replyTo) }),
      };
  return validate(message);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidField('data', 'must be JSON');
  }
}
