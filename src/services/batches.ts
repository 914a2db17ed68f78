import type { Notified } from '../bus/bus.ts';
import { isOutcomeUnknown, rootMessage, sqlState } from '../db/failures.ts';
import { ChatError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Person } from '../types/identity.ts';
import type { StoredMessage } from '../types/rest.ts';
import type { Room } from '../types/room.ts';

export interface WriterEvents {
  /** Committed just now, in order; called before any of their senders hears of it. */
  onCommit(changes: [room: Room, message: StoredMessage][]): void;
  /** Notifications of these messages were committed with them. */
  onNotify(notified: Notified): void;
  /** No answer came from the database: these rooms may hold more than was announced. */
  onDoubt(rooms: string[]): void;
}

/** The database has failed a whole batch. @returns what to tell those who wait for it */
export function giveUp(
  batch: { room: Room }[],
  error: unknown,
  events: WriterEvents,
  log: Logger,
): ChatError {
  const state = sqlState(error);
  log.error({ state, reason: rootMessage(error), size: batch.length }, 'a batch failed');
  if (isOutcomeUnknown(error)) events.onDoubt([...new Set(batch.map(({ room }) => room.name))]);
  const remedy = 'send this again with the same id';
  return new ChatError('unavailable', `The database gives no answer; ${remedy}.`, 1);
}

/** Whom a message mentions, as it is stored. */
export function mentionsJson(mentioned: Person[]): string | undefined {
  if (mentioned.length === 0) return undefined;
  return JSON.stringify(mentioned.map(({ username }) => username));
}
