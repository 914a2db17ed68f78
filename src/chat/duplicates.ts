import { createHash } from 'node:crypto';
import { rows } from '../db/statements.ts';
import { ChatError } from '../errors.ts';
import { MAX_PAGE_BYTES } from '../protocol/frames.ts';
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

/**
 * Answers duplicates with the message of the first post, and returns the other entries. Contents are read only as
 * far as they may be equal, and messages page by page, since short posts may have the ids of long messages.
 */
export async function settleDuplicates<Entry extends QueuedPost>(
  batch: Entry[],
  parts: Pick<CommitterParts, 'db' | 'messages'>,
): Promise<Entry[]> {
  const rest: Entry[] = [];
  for (const page of pagesOf(batch)) rest.push(...(await settlePage(page, parts)));
  return rest;
}

/** Splits a batch by the size of its posts; each page has at least one. */
function pagesOf<Entry extends QueuedPost>(batch: Entry[]): Entry[][] {
  const pages: Entry[][] = [];
  let total = 0;
  for (const entry of batch) {
    total += entry.cost;
    const page = pages.at(-1);
    if (page && total <= MAX_PAGE_BYTES) {
      page.push(entry);
    } else {
      pages.push([entry]);
      total = entry.cost;
    }
  }
  return pages;
}

async function settlePage<Entry extends QueuedPost>(
  batch: Entry[],
  { db, messages }: Pick<CommitterParts, 'db' | 'messages'>,
): Promise<Entry[]> {
  const found = await rows<Duplicate>(db, findDuplicates(batch));
  const known = new Map(found.map((row) => [clientKey(row.roomId, row.userId, row.clientId), row]));
  const first = ({ room, user, draft }: QueuedPost) =>
    known.get(clientKey(room.id, user.id, draft.clientId));
  const [duplicates, rest] = partition(batch, (entry) => first(entry) !== undefined);
  const answers = duplicates.flatMap((entry) => {
    const duplicate = first(entry) as Duplicate;
    const [same, others] = partition(entry.waiting, ({ fingerprint }) =>
      isDuplicate(duplicate, fingerprint),
    );
    for (const { waiter } of others) waiter.failed(idConflict());
    return same.length > 0 ? [{ id: duplicate.id, waiting: same }] : [];
  });
  const rooms = new Map(batch.map(({ room }) => [room.id, room]));
  for (let left = answers; left.length > 0; ) {
    const { messages: stored, covered } = await messages.firstByIds(
      rooms,
      left.map(({ id }) => id),
    );
    for (const { id, waiting } of left.slice(0, covered)) {
      const message = stored.get(id);
      for (const { waiter } of waiting) {
        if (message) waiter.done({ message, duplicate: true });
        else waiter.failed(new ChatError('not_found', 'This room was deleted.'));
      }
    }
    left = left.slice(covered);
  }
  return rest;
}

/** Whether the entry repeats the stored post, edited or not; a deleted message cannot be compared. */
function isDuplicate(
  { data, hasLongerData, replyTo, content, postedDigest, isDeleted }: Duplicate,
  fingerprint: Fingerprint,
) {
  if (isDeleted) return true;
  if (hasLongerData) return false;
  const json = data ?? undefined;
  const then = { ...fingerprint, json, replyTo: replyTo ?? undefined };
  if (postedDigest === null) return content !== null && isSame(fingerprint, { ...then, content });
  const digest = createHash('sha256').update(fingerprint.content).digest('hex');
  return isSame(fingerprint, then) && digest === postedDigest;
}
