import { expect, test } from 'bun:test';
import { ChatClient, type ChatMessage, type Room, type StoredMessage } from '../../client/index.ts';
import { configureRedis } from '../support/breakable-cluster.ts';
import { type CuttableProxy, cuttableProxy } from '../support/cuttable-proxy.ts';
import { history } from '../support/history.ts';
import { memoryStore } from '../support/memory-store.ts';
import { Observers } from '../support/observers.ts';
import { ownRedis, redisOnPath } from '../support/own-services.ts';
import { type Heal, postgresFaults } from '../support/postgres-faults.ts';
import { dataFolder, startReady } from '../support/process.ts';
import { chooseSeed, seeded } from '../support/random.ts';
import { freshPostgres, postgres, testWith, testWithPostgres } from '../support/services.ts';
import { unreliableServer } from '../support/unreliable-server.ts';
import { until } from '../support/until.ts';

const ROOMS = ['red', 'green', 'blue'];
const STEPS = 600;
const FAULT_EVERY = 60;
/** How long a fault lasts at most. */
const LASTS_MS = 2500;
/** How long it takes a busy machine at most to send and show what is left. */
const DONE_MS = 120_000;

/** A page of a user: a client, and the messages that it has shown. */
class Page {
  readonly store = memoryStore();
  readonly errors: string[] = [];
  client: ChatClient;
  /** The ids of messages that were shown as new since the page was loaded, by room. */
  shown = new Map<string, number[]>();

  constructor(
    readonly username: string,
    private readonly url: string,
  ) {
    this.client = this.#load();
  }

  /** The page is gone as it stands, and another one takes its place. */
  async reload(): Promise<void> {
    this.client.close();
    this.client = this.#load();
  }

  room(name: string): Room {
    return this.client.room(name, { since: 0 });
  }

  #load(): ChatClient {
    const client = new ChatClient(this.url, {
      username: this.username,
      outbox: this.store,
      keep: Number.POSITIVE_INFINITY,
      backoff: { first: 20, most: 300 },
    });
    this.shown = new Map(ROOMS.map((name) => [name, []]));
    client.on('error', ({ code, message }) => {
      if (code === 'protocol' || code === 'listener' || code === 'store') {
        this.errors.push(`${this.username}: ${code}: ${message}`);
      }
    });
    for (const name of ROOMS) {
      const room = client.room(name, { since: 0 });
      room.on('message', ({ id }) => this.shown.get(name)?.push(id as number));
      room.on('reset', () => this.errors.push(`${this.username}: ${name} was reset`));
    }
    return client;
  }
}

/** Something that fails while the pages go on, until it is healed. */
type Lasting = (room: string) => Promise<Heal>;

/**
 * Delivery, promises 1 to 6 and 8, through the library: servers that are killed, drained, stalled and cut off,
 * pages that are reloaded, and others who look on without it.
 *
 * @param lasting further faults
 * @param second the settings of another server between which and the first the pages move
 */
async function deliversEverything(
  settings: Record<string, string>,
  lasting: Record<string, Lasting> = {},
  second?: Record<string, string>,
): Promise<void> {
  const random = seeded(chooseSeed('client delivery'));
  const server = await unreliableServer(settings, random);
  const { proxy } = server;
  const other = second && (await startReady(second));
  const observers = new Observers(ROOMS, () => proxy.target);
  const pages = ['ana', 'ana', 'ben', 'cleo'].map((name) => new Page(name, proxy.url));
  const said = new Map<string, { username: string; room: string }>();
  const faults = {
    ...server.faults,
    reload: () => random.pick(pages).reload(),
    ...(other && {
      async move() {
        proxy.target = proxy.target === other.url ? server.url : other.url;
        proxy.cutInTheMiddle();
      },
    }),
  };
  let healing = Promise.resolve();
  const begin = async (name: string) => {
    const heal = await lasting[name]?.(random.pick(ROOMS));
    healing = Bun.sleep(random.integer(LASTS_MS)).then(async () => {
      await heal?.();
    });
  };
  for (let step = 1; step <= STEPS; step++) {
    const page = random.pick(pages);
    const name = random.pick(ROOMS);
    const room = page.room(name);
    const message = room.messages.at(-1 - random.integer(8));
    const isOwn = message?.username === page.username;
    const action = random.integer(10);
    if (action < 5 || !message?.id) {
      const content = `${page.username} ${step}`;
      said.set(content, { username: page.username, room: name });
      void room.send(content);
    } else if (action < 7)
      void room.react(message, random.pick(['👍', '🎉']), { remove: action === 6 });
    else if (action < 9 && isOwn && !message.deletedAt) void room.edit(message, message.content);
    else if (isOwn) void room.react(message, '👀');
    if (random.integer(3) === 0) await Bun.sleep(random.integer(10));
    if (step % FAULT_EVERY > 0) continue;
    const fault = random.pick([...Object.keys(faults), ...Object.keys(lasting)]);
    console.log(`client delivery: step ${step}, ${fault}`);
    // Faults come one at a time, since no server starts without its database.
    await healing;
    await (faults[fault as keyof typeof faults]?.() ?? begin(fault));
  }
  await healing;

  const stored = new Map<string, StoredMessage[]>();
  let refusal = '';
  const isDone = async () => {
    try {
      for (const name of ROOMS) stored.set(name, await history(server.url, name));
      refusal = '';
    } catch (error) {
      refusal = `${error}`;
    }
    if (refusal) return false;
    return pages.every(
      ({ client, store }) =>
        client.rooms.every(
          ({ name, status, messages }) =>
            status.state === 'live' &&
            messages.every(({ state }) => state !== 'sending') &&
            JSON.stringify(settled(messages).map(known)) ===
              JSON.stringify(stored.get(name)?.map(known)),
        ) && store.unsent === 0,
    );
  };
  try {
    await until('all pages show what is stored', isDone, DONE_MS);
  } catch (error) {
    expect(refusal).toBe('');
    expect(pages.map(({ store }) => store.unsent)).toEqual([0, 0, 0, 0]);
    for (const { client, errors } of pages) {
      for (const { name, status, messages } of client.rooms) {
        expect({ name, status, errors, messages: settled(messages).map(known) }).toEqual({
          name,
          status: { state: 'live' },
          errors: [],
          messages: stored.get(name)?.map(known) ?? [],
        });
      }
    }
    throw error;
  }
  expect(pages.flatMap(({ errors }) => errors)).toEqual([]);
  const all = [...stored.values()].flat();
  expect(all.map(({ content }) => content).sort()).toEqual([...said.keys()].sort());
  for (const { content, username, room } of all) {
    expect(said.get(content)).toEqual({ username, room });
  }
  for (const { shown } of pages) {
    for (const ids of shown.values()) expect(new Set(ids).size).toBe(ids.length);
  }
  await observers.check(server.url, stored);
  for (const { client } of pages) client.close();
  other?.kill('SIGTERM');
  expect([await server.stop(), await other?.exited]).toEqual([0, other && 0]);
}

/** The stored messages, without the failed ones. */
function settled(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  return messages.filter(({ id }) => id !== undefined);
}

function known({
  id,
  seq,
  rev,
  username,
  content,
  clientId,
  reactions,
  deletedAt,
}: Partial<ChatMessage>) {
  return [
    id,
    seq,
    rev,
    username,
    content,
    clientId,
    deletedAt,
    reactions?.map((r) => [r.emoji, r.count]),
  ];
}

test('through the library every page ends with the same messages, each once, on the embedded database', async () => {
  await deliversEverything({ DATA_DIR: await dataFolder(), PRESENCE_GRACE: '0' });
}, 900_000);

testWithPostgres(
  'through the library every page ends with the same messages, each once, on Postgres',
  async () => {
    const url = await freshPostgres();
    const line = await cuttableProxy(url);
    const settings = { DATABASE_URL: line.url, PRESENCE_GRACE: '0' };
    await deliversEverything(settings, failing(url, line));
  },
  900_000,
);

testWith({ ...postgres, ...redisOnPath })(
  'through the library every page ends with the same messages, each once, on two servers between which it is moved',
  async () => {
    const [url, redis] = [await freshPostgres(), await ownRedis()];
    const [line, redisLine] = [await cuttableProxy(url), await cuttableProxy(redis.url)];
    const shared = { AUTH_SECRET: crypto.randomUUID(), PRESENCE_GRACE: '0' };
    await deliversEverything(
      { ...shared, DATABASE_URL: line.url, REDIS_URL: redisLine.url },
      {
        ...failing(url, line),
        async muteServer() {
          redisLine.refuse('XADD');
          return () => redisLine.mend();
        },
        fillRedis: () => configureRedis(redis.url, 'maxmemory', '1', '0'),
        makeRedisReadOnly: () => configureRedis(redis.url, 'min-replicas-to-write', '1', '0'),
      },
      { ...shared, DATABASE_URL: url, REDIS_URL: redis.url },
    );
  },
  900_000,
);

/** The faults between a server and its Postgres. */
function failing(url: string, line: CuttableProxy): Record<string, Lasting> {
  const faults = Object.entries(postgresFaults).map(([name, begin]): [string, Lasting] => [
    name,
    (room) => begin(url, line, room),
  ]);
  return Object.fromEntries(faults);
}
