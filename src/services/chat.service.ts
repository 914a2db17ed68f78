import { and, asc, desc, eq, gt, lt } from 'drizzle-orm';
import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/index.ts';
import { messages, users } from '../db/schema/index.ts';
import type { Logger } from '../log.ts';
import type { Person } from '../types/identity.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room, Visitor } from '../types/room.ts';
import { checkClientId, checkContent, checkData, checkEventName } from '../types/text.ts';
import { type Limits, tooFast } from './limits.ts';
import { MessageWriter } from './message-writer.ts';
import type { Post, Posted } from './post-writer.ts';

/** What is said: the one way in for both doors, WebSocket and REST. */
export class ChatService {
  readonly #writer: MessageWriter;

  constructor(
    private readonly db: Database,
    private readonly bus: Bus,
    private readonly settings: { maxContentLength: number },
    private readonly limits: Limits,
    log: Logger,
  ) {
    this.#writer = new MessageWriter(
      db,
      {
        onCommit: (changes) => {
          for (const [room, messages] of byRoom(changes)) {
            bus.publish({ kind: 'messages', room, messages });
          }
        },
        onDoubt: (rooms) => bus.publish({ kind: 'doubt', rooms }),
      },
      log,
    );
  }

  /**
   * Stores a message and has it shown to everyone in the room. Posts of one room take effect in
   * the order of the calls, none of which needs to wait for the one before.
   *
   * @param visitor who says it, for the limit of messages; what was said before is free. Without one
   *   nothing is counted
   * @returns once it is committed
   * @throws {ChatError} `invalid_frame`, `too_long`, `rate_limited`, and what
   *   {@link MessageWriter.write} throws
   */
  async post(post: Post, visitor: Visitor = { identity: { kind: 'key' } }): Promise<Posted> {
    checkContent(post.content, this.settings.maxContentLength);
    if (post.clientId !== undefined) checkClientId(post.clientId);
    checkData(post.data);
    const wait = this.limits.message(visitor);
    if (wait > 0) {
      const said = post.clientId === undefined ? undefined : await this.#writer.recall(post);
      if (!said) throw tooFast('Too many messages', wait);
      return said;
    }
    const posted = await this.#writer.write(post);
    if (posted.repeated) this.limits.giveBackMessage(visitor);
    return posted;
  }

  /**
   * Shows everyone in a room something that is never stored; it is counted like a message.
   *
   * @throws {ChatError} `invalid_frame`, `too_long`, `rate_limited`
   */
  event(room: Room, { name, data }: { name: string; data?: unknown }, visitor: Visitor): void {
    checkEventName(name);
    checkData(data);
    const wait = this.limits.message(visitor);
    if (wait > 0) throw tooFast('Too many messages', wait);
    const username = visitor.user && { username: visitor.user.username };
    const timestamp = new Date().toISOString();
    this.bus.publish({
      kind: 'ephemeral',
      frame: { type: 'event', room: room.name, ...username, name, data, timestamp },
    });
  }

  /** Shows the others in a room that someone is writing. */
  typing(room: Room, { id, username }: Person): void {
    const frame = { type: 'typing' as const, room: room.name, username };
    this.bus.publish({ kind: 'ephemeral', frame, except: id });
  }

  /**
   * A page of a room's messages, oldest first: the newest that match, or, with `after`, the oldest.
   *
   * @param page `before` and `after` are `seq`s, exclusive
   */
  async page(
    room: Room,
    page: { before?: number | undefined; after?: number | undefined; limit: number },
  ): Promise<StoredMessage[]> {
    const forward = page.after !== undefined;
    const found = await this.db
      .select({
        id: messages.id,
        seq: messages.seq,
        rev: messages.rev,
        userId: messages.userId,
        username: users.username,
        content: messages.content,
        createdAt: messages.createdAt,
        data: messages.data,
        clientId: messages.clientId,
      })
      .from(messages)
      .innerJoin(users, eq(users.id, messages.userId))
      .where(
        and(
          eq(messages.roomId, room.id),
          page.before === undefined ? undefined : lt(messages.seq, page.before),
          page.after === undefined ? undefined : gt(messages.seq, page.after),
        ),
      )
      .orderBy(forward ? asc(messages.seq) : desc(messages.seq))
      .limit(page.limit);
    const stored = found.map(({ createdAt, data, clientId, ...message }) => ({
      ...message,
      room: room.name,
      createdAt: createdAt.toISOString(),
      ...(data !== null && { data: JSON.parse(data) }),
      ...(clientId !== null && { clientId }),
    }));
    return forward ? stored : stored.reverse();
  }

  /** Takes no more posts, and returns when those that were taken are settled. */
  async close(): Promise<void> {
    await this.#writer.close();
  }
}

/** The changes of each room, in their order. */
function byRoom(changes: [Room, StoredMessage][]): Iterable<[Room, StoredMessage[]]> {
  const found = new Map<number, [Room, StoredMessage[]]>();
  for (const [room, message] of changes) {
    const known = found.get(room.id);
    if (known) known[1].push(message);
    else found.set(room.id, [room, [message]]);
  }
  return found.values();
}
