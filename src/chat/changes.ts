import { isBlocked } from '../db/failures.ts';
import { type LockMode, rows } from '../db/statements.ts';
import { ChatError } from '../errors.ts';
import type { Person } from '../protocol/identity.ts';
import { MAX_REACTIONS, type StoredMessage } from '../protocol/message.ts';
import { type Changed, changeBatch, lockRooms, type RoomState } from './changes.sql.ts';
import { type Action, partition, type QueuedChange } from './entries.ts';
import type { CommitterParts } from './lost-commits.ts';
import { findMentioned, mentionsJson } from './mentions.ts';

/** The outcome of a batch: `changed` is that of the `free` changes, in their order; the rooms of `held` are locked elsewhere. */
interface Committed {
  free: QueuedChange[];
  held: QueuedChange[];
  changed: Changed[];
}

type ChangeRow = ReturnType<typeof toRow>;

/** Commits batches of changes to messages. */
export class ChangeCommitter {
  constructor(private readonly parts: CommitterParts) {}

  /**
   * Settles the entries of a batch that {@link changeBatch} can take; never throws. One statement locks the
   * rooms and the next one reads and changes the messages: a statement sees the rows that were committed when
   * it began, and not those that were committed while it waited for a lock.
   *
   * @returns the entries that are not settled, in their order, since other sessions hold the rows of their rooms
   */
  async commit(batch: QueuedChange[], lock: LockMode): Promise<QueuedChange[]> {
    let done: Committed;
    try {
      done = await this.#write(batch, lock);
    } catch (error) {
      if (isBlocked(error)) return batch;
      this.#fail(batch, this.parts.lost.giveUp(batch, error));
      return [];
    }
    const { free, held, changed } = done;
    try {
      // In another statement, since the message also has the reactions that another server has committed meanwhile.
      const found = await this.parts.messages.byIds(
        new Map(free.map(({ room }) => [room.id, room])),
        free.map(({ messageId }) => messageId),
      );
      this.#settle(free, changed, found);
    } catch (error) {
      this.parts.lost.add({
        rooms: new Set(free.map(({ room }) => room.id)),
        fence: 0,
        userIds: [],
      });
      this.#fail(free, this.parts.lost.giveUp(free, error));
    }
    return held;
  }

  async #write(batch: QueuedChange[], lock: LockMode): Promise<Committed> {
    const { db, writes } = this.parts;
    const contents = batch.map(({ room, action }) => ({ room, content: contentOf(action) }));
    const mentioned = await findMentioned(db, contents);
    const rowOf = new Map(batch.map((entry, n) => [entry, toRow(entry, mentioned[n] ?? [])]));
    const roomIds = batch.map(({ room }) => room.id);
    return writes.transaction(async (tx) => {
      const states = await rows<RoomState>(tx, lockRooms(roomIds, lock));
      const isHeld = new Map(states.map((state) => [state.id, state.isHeld]));
      const [held, free] = partition(batch, ({ room }) => isHeld.get(room.id) === true);
      if (free.length === 0) return { free, held, changed: [] };
      const changes = free.map((entry) => rowOf.get(entry) as ChangeRow);
      const changed = await rows<Changed>(tx, changeBatch(changes));
      return { free, held, changed: changed.sort((a, b) => a.ord - b.ord) };
    });
  }

  #fail(batch: QueuedChange[], error: ChatError): void {
    for (const { waiter } of batch) waiter.failed(error);
  }

  #settle(batch: QueuedChange[], changed: Changed[], messages: Map<number, StoredMessage>): void {
    const outcomes = batch.map((entry, n) => {
      const { rev, isChanged, ...rest } = changed[n] as Changed;
      const found = messages.get(entry.messageId);
      const message = found && rev !== null ? { ...found, rev } : undefined;
      return { entry, message, isChanged, ...rest };
    });
    this.parts.events.onCommit(
      outcomes.flatMap(({ entry, message, isChanged }) =>
        message && isChanged ? [[entry.room, message]] : [],
      ),
    );
    for (const { entry, message, isDeleted, isFull } of outcomes) {
      const { kind } = entry.action;
      if (!message || (isDeleted && (kind === 'edit' || kind === 'react'))) {
        entry.waiter.failed(noSuchMessage(entry.messageId));
      } else if (isFull) {
        const most = `A message has at most ${MAX_REACTIONS} different reactions`;
        entry.waiter.failed(new ChatError('conflict', `${most}; use one of these.`));
      } else {
        entry.waiter.done(message);
      }
    }
  }
}

/** The same error for a message that does not exist and for one that the user may not see. */
export function noSuchMessage(id: number): ChatError {
  return new ChatError('not_found', `There is no message ${id}.`);
}

function contentOf(action: Action): string {
  return action.kind === 'edit' ? action.content : '';
}

function toRow({ room, messageId, userId, action }: QueuedChange, mentioned: Person[]) {
  const content = contentOf(action);
  return {
    room,
    messageId,
    userId,
    kind: action.kind,
    text: 'emoji' in action ? action.emoji : content,
    mentions: mentionsJson(mentioned),
  };
}
