import type { OutboxEntry, OutboxStore } from './store.ts';

/** An entry, and the page that owns it. */
interface Kept extends OutboxEntry {
  name: string;
  owner: string;
}

/** A write: an entry to put, or the id of one to delete. */
type Write = OutboxEntry | string;

/**
 * The outbox of one user of one server in IndexedDB. A page owns the entries that it has put, and holds a
 * lock for as long as it lives; the entries of a page that is gone are taken over by another page.
 *
 * @param name of the server and the user
 */
export async function openIndexedDb(name: string): Promise<OutboxStore> {
  const owner = crypto.randomUUID();
  const lockOf = (page: string) => `ws-chat ${page}`;
  const { locks } = navigator;
  void locks?.request(lockOf(owner), () => new Promise(() => {}));
  const database = await open();

  /** Takes over the entries of pages that are gone. */
  const adopt = async (isGone: (page: string) => boolean): Promise<OutboxEntry[]> => {
    const store = database.transaction('outbox', 'readwrite').objectStore('outbox');
    const all = await result<Kept[]>(store.index('name').getAll(name));
    const adopted = all.filter((entry) => entry.owner !== owner && isGone(entry.owner));
    for (const entry of adopted) store.put({ ...entry, owner });
    await written(store.transaction);
    return adopted.sort((a, b) => a.at - b.at).map(({ name: _, owner: __, ...entry }) => entry);
  };

  let writing: Promise<void> | undefined;
  let writes: Write[] = [];
  /** Writes in one transaction all that came during the one before. */
  const write = (one: Write): Promise<void> => {
    writes.push(one);
    writing ??= Promise.resolve().then(async () => {
      const now = writes;
      writes = [];
      writing = undefined;
      const store = database.transaction('outbox', 'readwrite').objectStore('outbox');
      for (const each of now) {
        if (typeof each === 'string') store.delete(each);
        else store.put({ ...each, name, owner });
      }
      await written(store.transaction);
    });
    return writing;
  };

  return {
    async load(late) {
      if (!locks) return adopt(() => true);
      const { held = [] } = await locks.query();
      const alive = new Set(held.map((lock) => lock.name));
      const store = database.transaction('outbox').objectStore('outbox');
      const all = await result<Kept[]>(store.index('name').getAll(name));
      for (const page of new Set(all.map((entry) => entry.owner))) {
        if (page === owner || !alive.has(lockOf(page))) continue;
        void locks.request(lockOf(page), async () => late(await adopt((each) => each === page)));
      }
      return adopt((page) => !alive.has(lockOf(page)));
    },
    put: (entry) => write(entry),
    delete: (id) => write(id),
  };
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open('ws-chat', 1);
  request.onupgradeneeded = () => {
    const store = request.result.createObjectStore('outbox', { keyPath: 'id' });
    store.createIndex('name', 'name');
  };
  return result(request);
}

function result<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((done, fail) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
}

function written(transaction: IDBTransaction): Promise<void> {
  return new Promise((done, fail) => {
    transaction.oncomplete = () => done();
    transaction.onerror = transaction.onabort = () => fail(transaction.error);
  });
}
