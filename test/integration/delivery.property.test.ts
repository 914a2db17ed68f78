import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { Author, Device } from '../support/device.ts';
import { startReady, temporaryFolder } from '../support/process.ts';
import { chooseSeed, seeded } from '../support/random.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';

const rooms = ['red', 'green', 'blue'];
const STEPS = 1500;

/** Every action, as often as it stands here; a killed server is one step in 300. */
const actions = [
  ...Array<'say'>(60).fill('say'),
  ...Array<'join'>(10).fill('join'),
  ...Array<'drop'>(8).fill('drop'),
  ...Array<'leave'>(4).fill('leave'),
  ...Array<'resend'>(6).fill('resend'),
  ...Array<'pause'>(10).fill('pause'),
] as const;

/** Contract 4, promises 1 to 6 and 8: random clients, random cuts, a server that is killed. */
async function deliversEverything(settings: Record<string, string>): Promise<void> {
  const random = seeded(chooseSeed('delivery'));
  let server = await startReady(settings);
  const port = new URL(server.url).port;
  const authors = ['ana', 'ben', 'cleo', 'dan'].map((name) => new Author(name));
  const devices = authors.flatMap((author) => [
    new Device(author, rooms),
    new Device(author, rooms),
  ]);

  for (let step = 1; step <= STEPS; step++) {
    const device = random.pick(devices);
    const room = random.pick(rooms);
    if (!device.isConnected && (await device.connect(server.ws))) {
      for (const each of rooms) if (random.integer(2)) device.join(each);
    }
    switch (random.pick(actions)) {
      case 'say':
        for (let n = random.integer(5); n >= 0; n--) device.say(room, `message ${step}.${n}`);
        break;
      case 'join':
        device.join(room);
        break;
      case 'drop':
        device.drop();
        break;
      case 'leave':
        device.leave(room);
        break;
      case 'resend':
        device.resend();
        break;
      case 'pause':
        // A turn of the world outside, so that sends and drops fall in every phase of a commit.
        await fetch(`${server.url}/health`);
    }
    if (step % 300 === 0) {
      server.kill('SIGKILL');
      await server.exited;
      server = await startReady({ ...settings, PORT: port });
    }
  }

  // All come back, say what is still unsaid, and read to the end.
  for (const device of devices) {
    device.drop();
    await device.connect(server.ws);
    for (const room of rooms) device.join(room);
  }
  const histories = new Map<string, Stored[]>();
  for (;;) {
    for (const device of devices) device.resend();
    for (const room of rooms) histories.set(room, await history(server.url, room));
    const isDone =
      authors.every(({ unacked }) => unacked.size === 0) &&
      devices.every(({ views }) =>
        rooms.every((room) => views.get(room)?.rev === (histories.get(room)?.length ?? 0)),
      );
    if (isDone || devices.some(({ breaches }) => breaches.length > 0)) break;
  }

  expect(devices.flatMap(({ breaches }) => breaches)).toEqual([]);
  for (const room of rooms) {
    const stored = histories.get(room) ?? [];
    expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, n) => n + 1));
    expect(new Set(stored.map(({ clientId }) => clientId)).size).toBe(stored.length);
    for (const { views } of devices) {
      expect(views.get(room)?.messages.map(({ id }) => id)).toEqual(stored.map(({ id }) => id));
    }
    for (const { acked } of authors) {
      for (const [id, { seq, messageId }] of [...acked].filter(([, each]) => each.room === room)) {
        expect(stored[seq - 1]).toMatchObject({ id: messageId, clientId: id });
      }
    }
  }
  const total = [...histories.values()].flat().length;
  expect(total).toBe(authors.reduce((sum, { acked }) => sum + acked.size, 0));
  expect(total).toBeGreaterThan(100);
  server.kill('SIGTERM');
  expect(await server.exited).toBe(0);
}

interface Stored {
  id: number;
  seq: number;
  clientId: string;
}

async function history(url: string, room: string): Promise<Stored[]> {
  const all: Stored[] = [];
  for (;;) {
    const response = await fetch(`${url}/messages?room=${room}&limit=100&after=${all.length}`);
    const page: Stored[] = response.ok ? await response.json() : [];
    all.push(...page);
    if (page.length < 100) return all;
  }
}

test('every client ends with the same list, on the embedded database', async () => {
  await deliversEverything({ DATA_DIR: join(temporaryFolder(), 'data'), PRESENCE_GRACE: '0' });
}, 120_000);

testWithPostgres(
  'every client ends with the same list, on Postgres',
  async () => {
    await deliversEverything({ DATABASE_URL: await freshPostgres(), PRESENCE_GRACE: '0' });
  },
  120_000,
);
