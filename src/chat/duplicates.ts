import { createHash } from 'node:crypto';
import { rows } from '../db/statements.ts';
import type { StoredMessage } from '../protocol/message.ts';
import {
  clientKey,
  type Fingerprint,
  idConflict,
  isSame,
  partition,
  type QueuedPost,
} from './entries.ts';
import type { CommitterParts } from './lost-commits.ts';
import { type Duplicate, findDuplicates } from './posts.sql.ts';

/** Answers duplicates with the message of the first post, and returns the other entries. */
export async function settleDuplicates<Entry extends QueuedPost>(
  batch: Entry[],
  { db, messages }: Pick<CommitterParts, 'db' | 'messages'>,
): Promise<Entry[]> {
  const found = await rows<Duplicate>(db, findDuplicates(batch));
  const rooms = new Map(batch.map(({ room }) => [room.id, room]));
  const stored = await messages.byIds(
    rooms,
    found.map(({ id }) => id),
  );
  const known = new Map(found.map((row) => [clientKey(row.roomId, row.userId, row.clientId), row]));
  const first = ({ room, user, clientId }: QueuedPost) =>
    known.get(clientKey(room.id, user.id, clientId));
  const [duplicates, rest] = partition(batch, (entry) => first(entry) !== undefined);
  for (const entry of duplicates) {
    const duplicate = first(entry) as Duplicate;
    const message = stored.get(duplicate.id) as StoredMessage;
    for (const { fingerprint, waiter } of entry.waiting) {
      if (isDuplicate(duplicate, fingerprint)) waiter.done({ message, duplicate: true });
      else waiter.failed(idConflict());
    }
  }
  return rest;
}

/** Whether the entry repeats the stored post, edited or not; a deleted message cannot be compared. */
function isDuplicate(
  { data, replyTo, content, postedDigest, isDeleted }: Duplicate,
  fingerprint: Fingerprint,
) {
  if (isDeleted) return true;
  const json = data ?? undefined;
  const then = { ...fingerprint, content, json, replyTo: replyTo ?? undefined };
  if (postedDigest === null) return isSame(fingerprint, then);
  const digest = createHash('sha256').update(fingerprint.content).digest('hex');
  return isSame(fingerprint, { ...then, content: fingerprint.content }) && digest === postedDigest;
}
