import type { Bus } from '../bus/bus.ts';
import type { Database } from '../db/index.ts';
import type { Logger } from '../log.ts';
import type { Person } from '../types/identity.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room, Visitor } from '../types/room.ts';
import { checkClientId, checkContent, checkData, checkEventName } from '../types/text.ts';
import type { MessageChange } from './change-writer.ts';
import { type Limits, tooFast } from './limits.ts';
import type { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';
import type { Post, Posted } from './post-writer.ts';

/** What is said: the one way in for both doors, WebSocket and REST. */
export class ChatService {
  readonly #writer: MessageWriter;

  constructor(
    db: Database,
    messages: MessageReader,
    private readonly bus: Bus,
    private readonly settings: { maxContentLength: number },
    private readonly limits: Limits,
    log: Logger,
  ) {
    this.#writer = new MessageWriter(
      db,
      messages,
      {
        onCommit: (changes) => {
          for (const [room, messages] of byRoom(changes)) {
            bus.publish({ kind: 'messages', room, messages });
          }
        },
        onNotify: (notified) => bus.publish({ kind: 'notified', notified }),
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
    const wait = await this.limits.message(visitor);
    if (wait > 0) {
      const said = post.clientId === undefined ? undefined : await this.#writer.recall(post);
      if (!said) throw tooFast('Too many messages', wait);
      return said;
    }
    const posted = await this.#writer.write(post);
    if (!posted.repeated) return posted;
    this.limits.giveBackMessage(visitor);
    // The server that stored it may have died before it told anyone. Who has shown it takes no notice; in
    // direct rooms that nobody has open, nobody could tell.
    if (this.bus.isShared && !post.room.direct) {
      this.bus.publish({ kind: 'messages', room: post.room, messages: [posted.message] });
    }
    return posted;
  }

  /**
   * Changes a message and has it shown as it now is; it is counted like a message.
   *
   * @returns the message as it now is, once it is committed or found to change nothing
   * @throws {ChatError} `invalid_frame`, `too_long`, `rate_limited`, and what
   *   {@link MessageWriter.change} throws
   */
  async change(change: MessageChange, visitor: Visitor): Promise<StoredMessage> {
    const { action } = change;
    if (action.kind === 'edit') checkContent(action.content, this.settings.maxContentLength);
    await this.#count(visitor);
    return this.#writer.change(change);
  }

  /**
   * Shows everyone in a room something that is never stored; it is counted like a message.
   *
   * @throws {ChatError} `invalid_frame`, `too_long`, `rate_limited`
   */
  async event(
    room: Room,
    { name, data }: { name: string; data?: unknown },
    visitor: Visitor,
  ): Promise<void> {
    checkEventName(name);
    checkData(data);
    await this.#count(visitor);
    const username = visitor.user && { username: visitor.user.username };
    const timestamp = new Date().toISOString();
    this.bus.publish({
      kind: 'ephemeral',
      room,
      frame: { type: 'event', room: room.name, ...username, name, data, timestamp },
    });
  }

  /** Shows the others in a room that someone is writing. */
  typing(room: Room, { id, username }: Person): void {
    const frame = { type: 'typing' as const, room: room.name, username };
    this.bus.publish({ kind: 'ephemeral', room, frame, except: id });
  }

  /** Takes no more posts, and returns when those that were taken are settled. */
  async close(): Promise<void> {
    await this.#writer.close();
  }

  async #count(visitor: Visitor): Promise<void> {
    const wait = await this.limits.message(visitor);
    if (wait > 0) throw tooFast('Too many messages', wait);
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
