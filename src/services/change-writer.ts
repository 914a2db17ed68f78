import { type Database, rows } from '../db/index.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Person } from '../types/identity.ts';
import { MAX_REACTIONS, type StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';
import { giveUp, mentionsJson, type WriterEvents } from './batches.ts';
import { type Changed, changeBatch } from './change-statements.ts';
import { findMentioned } from './mentions.ts';
import type { MessageReader } from './message-reader.ts';
import { lexemes } from './words.ts';

/** What is done to a message after it was posted. */
export type Action =
  | { kind: 'edit'; content: string }
  | { kind: 'delete' }
  | { kind: 'react' | 'unreact'; emoji: string };

/** A change on its way to the database. */
export interface MessageChange {
  room: Room;
  messageId: number;
  /** Who reacts. */
  userId: number;
  action: Action;
}

/** A change and who waits for it. */
export interface ChangeEntry extends MessageChange {
  cost: number;
  /** @param message as it now is; its `rev` is that of this change or, when it changed nothing, as it was */
  done(message: StoredMessage): void;
  failed(error: ChatError): void;
}

/** Commits batches of changes to messages, each in one statement. */
export class ChangeWriter {
  constructor(
    private readonly db: Database,
    private readonly messages: MessageReader,
    private readonly events: WriterEvents,
    private readonly log: Logger,
  ) {}

  /** Settles every entry of a batch that {@link changeBatch} can take; never throws. */
  async commit(batch: ChangeEntry[]): Promise<void> {
    try {
      const contents = batch.map(({ room, action }) => ({ room, content: contentOf(action) }));
      const mentioned = await findMentioned(this.db, contents);
      const changed = await rows<Changed>(
        this.db,
        changeBatch(batch.map((entry, n) => toRow(entry, mentioned[n] ?? []))),
      );
      changed.sort((a, b) => a.ord - b.ord);
      // In another statement: reactions that another server has committed meanwhile belong to it too.
      const messages = await this.messages.byIds(
        new Map(batch.map(({ room }) => [room.id, room])),
        batch.map(({ messageId }) => messageId),
      );
      this.#settle(batch, changed, messages);
    } catch (error) {
      const failure = giveUp(batch, error, this.events, this.log);
      for (const { failed } of batch) failed(failure);
    }
  }

  #settle(batch: ChangeEntry[], changed: Changed[], messages: Map<number, StoredMessage>): void {
    const outcomes = batch.map((entry, n) => {
      const { rev, isChanged, ...rest } = changed[n] as Changed;
      const found = messages.get(entry.messageId);
      const message = found && rev !== null ? { ...found, rev } : undefined;
      return { entry, message, isChanged, ...rest };
    });
    this.events.onCommit(
      outcomes.flatMap(({ entry, message, isChanged }) =>
        message && isChanged ? [[entry.room, message]] : [],
      ),
    );
    for (const { entry, message, isDeleted, isFull } of outcomes) {
      const { kind } = entry.action;
      if (!message || (isDeleted && (kind === 'edit' || kind === 'react'))) {
        entry.failed(noSuchMessage(entry.messageId));
      } else if (isFull) {
        const most = `A message has at most ${MAX_REACTIONS} different reactions`;
        entry.failed(new ChatError('conflict', `${most}; use one of those it has.`));
      } else {
        entry.done(message);
      }
    }
  }
}

/** What everyone is told to whom a message is not there, whether it is not or is not to be seen. */
export function noSuchMessage(id: number): ChatError {
  return new ChatError('not_found', `There is no message ${id}.`);
}

function contentOf(action: Action): string {
  return action.kind === 'edit' ? action.content : '';
}

function toRow({ room, messageId, userId, action }: ChangeEntry, mentioned: Person[]) {
  const content = contentOf(action);
  return {
    room,
    messageId,
    userId,
    kind: action.kind,
    text: 'emoji' in action ? action.emoji : content,
    words: lexemes(room.id, content).join(' '),
    mentions: mentionsJson(mentioned),
  };
}
