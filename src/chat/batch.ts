import { isOutcomeUnknown, sqlState } from '../db/failures.ts';
import type { Database } from '../db/index.ts';
import type { ChatError } from '../errors.ts';
import { rootMessage } from '../lib/root-cause.ts';
import type { Logger } from '../log.ts';
import type { Person } from '../protocol/identity.ts';
import type { Room } from '../protocol/room.ts';
import type { LostCommits } from './lost-commits.ts';
import type { MessageReader } from './reader.ts';
import { noAnswer } from './waiter.ts';
import type { WriterEvents } from './writer-events.ts';

/** The parts that all of the writer shares. */
export interface WriterParts {
  /** For look-ups. */
  db: Database;
  /** For commits. */
  writes: Database;
  messages: MessageReader;
  events: WriterEvents;
  lost: LostCommits;
  log: Logger;
}

/**
 * The database has failed a whole batch.
 *
 * @param lost the commit to look for if it may have succeeded all the same
 * @returns the error for the senders
 */
export function giveUp(
  batch: { room: Room }[],
  error: unknown,
  { lost, log }: WriterParts,
  { fence, userIds }: { fence: number; userIds: number[] } = { fence: 0, userIds: [] },
): ChatError {
  const state = sqlState(error);
  log.error({ state, reason: rootMessage(error), size: batch.length }, 'a batch failed');
  if (isOutcomeUnknown(error)) {
    lost.add({ rooms: new Set(batch.map(({ room }) => room.id)), fence, userIds });
  }
  return noAnswer();
}

/** The names of the mentioned users; undefined without any. */
export function namesOf(mentioned: Person[]): string[] | undefined {
  return mentioned.length === 0 ? undefined : mentioned.map(({ username }) => username);
}

/** The same as JSON, for the database. */
export function mentionsJson(mentioned: Person[]): string | undefined {
  return mentioned.length === 0 ? undefined : JSON.stringify(namesOf(mentioned));
}

export function partition<T>(items: T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const item of items) (test(item) ? yes : no).push(item);
  return [yes, no];
}
