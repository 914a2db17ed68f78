import { ChatError } from './error.ts';
import type { ChatMessage } from './messages.ts';
import type { ServerFrame, StoredMessage } from './protocol.ts';
import type { Room } from './room.ts';

type History = Extract<ServerFrame, { type: 'history' }>;
type Query = { before?: number; after?: number; limit: number };

/** The pages that are being loaded: one at a time in each room. */
const loading = new WeakMap<Room, Promise<boolean>>();

/** Loads earlier messages of a room. @returns whether there are more */
export function loadEarlier(room: Room, limit: number): Promise<boolean> {
  const page = loading.get(room) ?? loadPage(room, limit).finally(() => loading.delete(room));
  loading.set(room, page);
  return page;
}

async function loadPage(room: Room, limit: number): Promise<boolean> {
  const messages = room.list;
  const { from } = messages;
  if (from <= 1) return false;
  const strays: StoredMessage[] = [];
  room.strays = strays;
  const page = await history(room, { before: from, limit }).finally(() => {
    room.strays = undefined;
  });
  // The list has been reset or trimmed meanwhile, and the page does not lead to it.
  if (messages.from !== from) return messages.from > 1;
  const found = page.messages;
  messages.extend(page.more ? (found[0]?.seq ?? from) : 1, found.length);
  for (const message of [...found, ...strays]) messages.take(message);
  room.touched();
  return page.more;
}

/** Loads the messages of a room after a `seq`, as many as are kept. */
export async function loadSince(room: Room, seq: number): Promise<void> {
  if (!(await whenLive(room))) return;
  const { list, host } = room;
  const left = () => Math.min(100, list.from - 1 - seq);
  while (left() > 0 && list.sorted.length < host.keep && (await room.history(left())));
}

/** Finds a message, on the server if it is no longer in memory. */
export async function findMessage(room: Room, id: number, seq: number) {
  const known = room.list.find(id);
  if (known) return known;
  const page = await history(room, { before: seq + 1, limit: 1 });
  return page.messages.find((message) => message.id === id);
}

/**
 * The messages of a room after a `seq`, each once and in order. There is no queue for a slow loop: it has
 * a position in the room, and messages that are no longer in memory are loaded again.
 *
 * @param place the `seq`; undefined is the newest message when the room is entered
 */
export async function* follow(room: Room, place?: number): AsyncGenerator<ChatMessage, void> {
  const messages = room.list;
  let seq = place;
  while (await whenLive(room)) {
    seq ??= Math.max(messages.newest, messages.from - 1);
    // After a reset the room has another history.
    if (messages.newest < seq) seq = Math.min(seq, messages.from - 1);
    const isGone = messages.from > seq + 1;
    const missed = isGone
      ? await history(room, { after: seq, limit: 100 }).catch(() => null)
      : null;
    for (const message of missed?.messages ?? []) {
      seq = message.seq;
      yield messages.view(message);
    }
    const next = isGone ? undefined : messages.sorted.find((each) => each.seq > (seq ?? 0));
    if (next) {
      seq = next.seq;
      yield messages.view(next);
    } else if (!missed?.messages.length) await change(room);
  }
}

/** Loads a page, again and again until the server answers. @throws {ChatError} when it refuses */
async function history(room: Room, query: Query): Promise<History> {
  for (;;) {
    if (!(await whenLive(room))) throw new ChatError('closed', 'The room was left');
    const page = await new Promise<History | number>((done, fail) =>
      room.host.ask({ type: 'history', room: room.name, ...query }, done, (error) => {
        if (error && error.retryAfter === undefined) fail(error);
        else done(error?.retryAfter ?? 0);
      }),
    );
    if (typeof page !== 'number') return page;
    await new Promise<void>((done) => room.host.platform.after(page * 1000, done));
  }
}

/** Waits until the room is live. @returns false when it was left or has failed */
async function whenLive(room: Room): Promise<boolean> {
  while (room.status.state === 'joining') await change(room);
  return room.status.state === 'live';
}

function change(room: Room): Promise<void> {
  return new Promise((done) => {
    const stop = room.on('change', () => {
      stop();
      done();
    });
  });
}
