import { expect, test } from 'bun:test';
import { join } from 'node:path';
import type { StoredMessage } from '../../src/types/rest.ts';
import type { ServerFrame } from '../../src/types/websocket.ts';
import { Author, type Deed, Device } from '../support/device.ts';
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
  ...Array<'change'>(60).fill('change'),
  ...Array<'pause'>(40).fill('pause'),
] as const;

/** Contract 4, promises 1 to 6 and 8: random clients, changes and cuts, a server that is killed. */
async function deliversEverything(settings: Record<string, string>): Promise<void> {
  const random = seeded(chooseSeed('delivery'));
  let server = await startReady(settings);
  const port = new URL(server.url).port;
  const authors = ['ana', 'ben', 'cleo', 'dan'].map((name) => new Author(name));
  const devices = authors.flatMap((author) => [
    new Device(author, rooms),
    new Device(author, rooms),
  ]);

  const change = (device: Device, room: string, content: string) => {
    const seen = [...(device.views.get(room)?.messages.values() ?? [])];
    // Mostly of the newest, so that several change the same one at once.
    const message = seen.at(-1 - random.integer(Math.min(seen.length, 10)));
    if (!message) return;
    const isOwn = message.username === device.author.username;
    const deed = random.pick([
      { type: 'react', emoji: random.pick(['👍', '🎉']), remove: random.integer(3) === 0 },
      { type: 'react', emoji: '👀', remove: random.integer(2) === 0 },
      ...(isOwn ? Array(3).fill({ type: 'edit', content }) : []),
      ...(isOwn ? [{ type: 'delete' }] : []),
    ] as Deed[]);
    device.change(message.id, deed);
  };

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
      case 'change':
        for (let n = random.integer(4); n >= 0; n--) change(device, room, `change ${step}.${n}`);
        break;
      case 'pause':
        // So that sends and drops fall in every phase of a commit, and there is something to change.
        await device.settle();
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
        rooms.every((room) => views.get(room)?.rev === newestRev(histories.get(room))),
      );
    if (isDone || devices.some(({ breaches }) => breaches.length > 0)) break;
  }

  expect(devices.flatMap(({ breaches }) => breaches)).toEqual([]);
  for (const room of rooms) {
    const stored = histories.get(room) ?? [];
    const byId = new Map(stored.map((message) => [message.id, message]));
    expect(stored.map(({ seq }) => seq)).toEqual(
      [...new Set(stored.map(({ seq }) => seq))].sort((a, b) => a - b),
    );
    expect(new Set(stored.map(({ clientId }) => clientId)).size).toBe(stored.length);
    for (const { views } of devices) {
      const seen = [...(views.get(room)?.messages.values() ?? [])].sort((a, b) => a.seq - b.seq);
      expect(seen.map(asStored)).toEqual(stored.map(asStored));
    }
    for (const { acked } of authors) {
      for (const [id, { seq, messageId }] of [...acked].filter(([, each]) => each.room === room)) {
        expect(byId.get(messageId)).toMatchObject({ seq, clientId: id });
      }
    }
    for (const author of authors) {
      for (const [key, { messageId, deed }] of author.done) {
        if (!key.startsWith(`${room} `)) continue;
        const message = byId.get(messageId) as Stored;
        expect(message.rev).toBeGreaterThanOrEqual(Number(key.split(' ')[1]));
        if (deed.type === 'delete')
          expect(message).toMatchObject({ content: '', deletedAt: expect.any(String) });
        // The last change is the one that is seen.
        if (key !== `${room} ${message.rev}`) continue;
        if (deed.type === 'edit') expect(message.content).toBe(deed.content);
        if (deed.type !== 'react') continue;
        const reaction = message.reactions?.find(({ emoji }) => emoji === deed.emoji);
        expect(reaction?.usernames.includes(author.username) ?? false).toBe(!deed.remove);
      }
    }
  }
  const changes = authors.flatMap(({ done }) => [...done.values()]);
  for (const type of ['edit', 'delete', 'react']) {
    expect(changes.filter(({ deed }) => deed.type === type).length).toBeGreaterThan(0);
  }
  const total = [...histories.values()].flat().length;
  expect(total).toBe(authors.reduce((sum, { acked }) => sum + acked.size, 0));
  expect(total).toBeGreaterThan(100);
  server.kill('SIGTERM');
  expect(await server.exited).toBe(0);
}

type Stored = StoredMessage & { clientId: string };

const newestRev = (stored: Stored[] = []) => Math.max(0, ...stored.map(({ rev }) => rev));

/** What both doors show of a message. */
function asStored({ id, seq, rev, username, content, ...more }: Stored | Seen) {
  const { reactions, editedAt, deletedAt, clientId } = more;
  return { id, seq, rev, username, content, reactions, editedAt, deletedAt, clientId };
}
type Seen = Extract<ServerFrame, { type: 'message' | 'update' }>;

async function history(url: string, room: string): Promise<Stored[]> {
  const all: Stored[] = [];
  for (;;) {
    const response = await fetch(
      `${url}/messages?room=${room}&limit=100&after=${all.at(-1)?.seq ?? 0}`,
    );
    const page: Stored[] = response.ok ? await response.json() : [];
    all.push(...page);
    if (page.length < 100) return all;
  }
}

test('every client ends with the same messages, each as it now is, on the embedded database', async () => {
  await deliversEverything({ DATA_DIR: join(temporaryFolder(), 'data'), PRESENCE_GRACE: '0' });
}, 120_000);

testWithPostgres(
  'every client ends with the same messages, each as it now is, on Postgres',
  async () => {
    await deliversEverything({ DATABASE_URL: await freshPostgres(), PRESENCE_GRACE: '0' });
  },
  120_000,
);
