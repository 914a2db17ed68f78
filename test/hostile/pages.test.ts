import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { memoryOf } from '../../bench/support.ts';
import { Client } from '../support/client.ts';
import { API_KEY } from '../support/people.ts';
import { dataFolder, startReady } from '../support/process.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { Witness } from '../support/witness.ts';

/** Messages as large as they can be, about 36 KB each. */
const LARGE = { content: 'x'.repeat(4000), data: { text: 'x'.repeat(32_000) } };
const MESSAGES = 300;
const PAGE = 256 * 1024;
/** The bound of a page, with one more message and the overhead of JSON. */
const REPLY = PAGE + 64 * 1024;
/** How long, in milliseconds, others may wait for an ack on the embedded database meanwhile. */
const MOST_MS = 500;
const MOST_MEMORY_MIB = 400;

const server = await startReady({ DATA_DIR: await dataFolder(), API_KEY });
afterAll(() => server.kill('SIGKILL'));
let witness: Witness;

const ask = async (path: string, init: RequestInit = {}) => {
  const reply = await fetch(server.url + path, {
    ...init,
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
  });
  const text = await reply.text();
  const next = /<([^>]+)>; rel="next"/.exec(reply.headers.get('link') ?? '')?.[1];
  return { body: text === '' ? undefined : JSON.parse(text), bytes: text.length, next };
};

/** All of a list, page by page. */
async function readAll(path: string) {
  const pages = [];
  for (let next: string | undefined = path; next; ) {
    const page: Awaited<ReturnType<typeof ask>> = await ask(next);
    pages.push(page);
    next = page.next;
  }
  return pages;
}

async function join(room: string, more: object = {}): Promise<Client> {
  const client = await Client.connect(server.ws);
  client.send({ type: 'join', username: 'reader', room, protocol: 1, ...more });
  return client;
}

beforeAll(async () => {
  const writer = await join('large');
  await writer.untilType('joined');
  for (let n = 0; n < MESSAGES; n++) {
    writer.send({
      type: 'message',
      ...LARGE,
      content: `@victim ${LARGE.content}`.slice(0, 4000),
      id: `${n}`,
    });
    if (n % 20 === 19) await writer.until((frame) => frame.type === 'ack' && frame.id === `${n}`);
  }
  await writer.close();
  await ask('/users', { method: 'POST', body: '{"username":"victim"}' });
  for (let n = 0; n < 60; n++) {
    const room = `own-${n}`;
    const client = await join(room);
    await client.untilType('joined');
    client.send({ type: 'message', ...LARGE, room, content: '@victim hi', id: 'm' });
    await client.untilType('ack');
    await client.close();
  }
  witness = await Witness.join(server);
}, 60_000);

describe('a page never exceeds its size, whatever its items', () => {
  for (const [what, path, count] of [
    ['messages', '/messages?room=large&limit=100', MESSAGES],
    ['messages from the first on', '/messages?room=large&limit=100&after=0', MESSAGES],
    ['rooms of a user', '/me/rooms?username=reader&limit=1000', 61],
    ['notifications', '/notifications?username=victim&limit=100', 60],
    ['messages that are searched', '/messages/search?room=large&q=victim&limit=100', MESSAGES],
  ] as const) {
    test(`${what}, and "Link" leads to all of them, each once`, async () => {
      const pages = await readAll(path);
      const all = pages.flatMap(({ body }) =>
        body.map(({ id, name }: { id: number; name: string }) => id ?? name),
      );
      expect(new Set(all).size).toBe(all.length);
      expect(all).toHaveLength(count);
      expect(Math.max(...pages.map(({ bytes }) => bytes))).toBeLessThan(REPLY);
    });
  }

  test('a "history", and "more" leads to all', async () => {
    const client = await join('large', { since: '$' });
    await client.untilType('joined');
    let before = Number.MAX_SAFE_INTEGER;
    let read = 0;
    for (let more = true; more; ) {
      client.send({ type: 'history', room: 'large', before, limit: 100 });
      const page = await client.untilType('history');
      expect(JSON.stringify(page).length).toBeLessThan(REPLY);
      read += page.messages.length;
      more = page.more;
      before = page.messages[0]?.seq ?? 0;
    }
    expect(read).toBe(MESSAGES);
    await client.close();
  });
});

describe('clients that read many pages at once delay no other client, and fill no memory', () => {
  const cases: [what: string, act: () => Promise<unknown>][] = [
    [
      'fifty who join from the beginning',
      async () => {
        const clients = await Promise.all(
          Array.from({ length: 50 }, () => join('large', { since: 0 })),
        );
        await Promise.all(clients.map((client) => client.untilType('joined')));
        await Promise.all(clients.map((client) => client.close()));
      },
    ],
    [
      'a hundred streams from the beginning that nobody reads',
      async () => {
        const path = '/events?room=large&since=0';
        const streams = await Promise.all(
          Array.from({ length: 100 }, () => rawSocket(server.url, [], { path, isReading: false })),
        );
        await Bun.sleep(1000);
        for (const { socket } of streams) socket.terminate();
      },
    ],
    [
      'forty who ask for the rooms of a user',
      () =>
        Promise.all(Array.from({ length: 40 }, () => ask('/me/rooms?username=reader&limit=1000'))),
    ],
    [
      'forty who ask for messages',
      () => Promise.all(Array.from({ length: 40 }, () => ask('/messages?room=large&limit=100'))),
    ],
    [
      'who repeats the ids of three hundred with other contents',
      async () => {
        const client = await join('large', { since: '$' });
        await client.untilType('joined');
        for (let n = 0; n < MESSAGES; n++) {
          client.send({ type: 'message', room: 'large', content: 'short', id: `${n}` });
        }
        for (let n = 0; n < MESSAGES; n++) {
          expect((await client.untilType('error')).code).toBe('conflict');
        }
        await client.close();
      },
    ],
    [
      'forty who ask for notifications',
      () =>
        Promise.all(
          Array.from({ length: 40 }, () => ask('/notifications?username=victim&limit=100')),
        ),
    ],
  ];
  for (const [what, act] of cases) {
    test(what, async () => {
      const before = memoryOf(server.pid);
      const delay = await witness.leastDelay(act, MOST_MS, 'message');
      console.log(
        `${what}: ${Math.round(delay)} ms, ${Math.round(memoryOf(server.pid) - before)} MiB`,
      );
      expect(delay).toBeLessThan(MOST_MS);
      expect(memoryOf(server.pid) - before).toBeLessThan(MOST_MEMORY_MIB);
    }, 60_000);
  }
});
