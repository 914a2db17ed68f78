import type { ChatClient } from './chat.ts';
import { ChatError } from './error.ts';
import type { Item } from './outbox.ts';
import { lazy } from './part.ts';
import { openIndexedDb } from './store/indexed-db.ts';
import type { OutboxEntry, OutboxStore } from './store/store.ts';

/** After how long a part that could not be loaded is loaded again, in milliseconds. */
const AGAIN_MS = 1000;

const changes = lazy(() => import('./changes.ts'));

/**
 * Connects the outbox of a client to a store, and restores the items of earlier sessions; then the client
 * may send.
 *
 * @param given the option `outbox`
 */
export async function keep(
  chat: ChatClient,
  base: string,
  given: boolean | OutboxStore = true,
): Promise<void> {
  const { outbox } = chat;
  const report = (error: unknown) => chat.failed('store', error);
  try {
    const name = `${base} ${chat.username.toLowerCase()}`;
    const store =
      typeof given === 'object'
        ? given
        : given && globalThis.indexedDB && (await openIndexedDb(name));
    if (!store) return;
    const restore = async (entries: OutboxEntry[]) => {
      for (const entry of entries) {
        const { error, ...rest } = entry;
        const item: Item = { ...rest, state: 'waiting' };
        if (error) item.error = new ChatError(error.code, error.message);
        await prepare(chat, item);
        if (!outbox.items.has(item.id)) outbox.items.set(item.id, item);
      }
      const items = [...outbox.items.values()].sort((one, other) => one.at - other.at);
      outbox.items.clear();
      for (const item of items) outbox.items.set(item.id, item);
      for (const item of items) {
        const { sorted = [] } = chat.roomOf(item)?.list ?? {};
        const stored = sorted.find(({ clientId }) => clientId === item.id);
        if (stored) outbox.seen(stored);
        else if (item.state === 'waiting') outbox.wait(item);
      }
    };
    const left = await store.load((late) => restore(late).catch(report));
    const put = (item: Item) => store.put(entryOf(item)).catch(report);
    outbox.keeper = { put, delete: (id) => store.delete(id).catch(report) };
    for (const item of outbox.items.values()) if (item.state !== 'acked') put(item);
    await restore(left);
  } catch (error) {
    report(error);
  } finally {
    // Without a store the items are in memory alone.
    outbox.keeper ??= { put() {}, delete() {} };
    outbox.release();
  }
}

/** Opens the room of an item, and gives a change its {@link Change}. */
async function prepare(chat: ChatClient, item: Item): Promise<void> {
  const { room: key, frame } = item;
  const room = key[0] === '@' ? chat.direct(key.slice(1)) : chat.room(key);
  while (frame.messageId && !item.change) {
    try {
      (await changes()).prepare(room, item);
    } catch {
      await new Promise<void>((done) => chat.platform.after(AGAIN_MS, done));
    }
  }
}

function entryOf({ id, at, room, frame, seq, rev, error }: Item): OutboxEntry {
  return {
    id,
    at,
    room,
    frame,
    ...(seq && rev && { seq, rev }),
    ...(error && { error: { code: error.code, message: error.message } }),
  };
}
