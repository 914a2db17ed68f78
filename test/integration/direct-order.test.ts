import { expect } from 'bun:test';
import type { Client } from '../support/client.ts';
import { startCluster } from '../support/cluster.ts';
import { hasOwnRedis, ownRedis, testWithOwnRedis } from '../support/own-services.ts';
import { fresh, type TestServer } from '../support/server.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';

/** Rule 2 of delivery: a direct room has the order of any other, also for users that have not joined it. */
const isThere = hasOwnRedis && hasPostgres;
const test = hasPostgres ? testWithOwnRedis : testWithPostgres;
const redis = isThere ? await ownRedis() : undefined;
const url = redis?.url ?? '';
const servers = isThere ? await startCluster(await freshPostgres(), [url, url, url]) : [];
const [one, two, three] = servers as [TestServer, TestServer, TestServer];

const revsOf = (client: Client) =>
  client.received.flatMap((frame) =>
    (frame.type === 'message' || frame.type === 'update') && 'rev' in frame ? [frame.rev] : [],
  );

async function untilRev(client: Client, rev: number): Promise<number[]> {
  while (revsOf(client).at(-1) !== rev) {
    await client.until(({ type }) => type === 'message' || type === 'update');
  }
  return revsOf(client);
}

const upTo = (rev: number, from = 1) => Array.from({ length: rev - from + 1 }, (_, n) => n + from);

test('messages and changes of two users at once on three servers come in one order to each device', async () => {
  const [ana, ben] = [fresh('ana'), fresh('ben')];
  const devices = [
    await one.enter(ana, fresh('a')),
    await two.enter(ben, fresh('b')),
    await three.enter(ana, fresh('c')),
    await two.enter(ben, fresh('d')),
  ] as [Client, Client, Client, Client];
  const SAID = 100;
  const [first, second, third] = devices;
  for (let n = 0; n < SAID; n++) {
    first.send({ type: 'message', to: ben, content: `a${n}` });
    second.send({ type: 'message', to: ana, content: `b${n}` });
    third.send({ type: 'message', to: ben, content: `c${n}` });
    if (n % 10 === 9) await Bun.sleep(10);
  }
  await untilRev(first, 3 * SAID);
  const own = first.received.flatMap((f) =>
    f.type === 'message' && f.username === ana ? [f.id as number] : [],
  );
  for (const messageId of own.slice(0, 50)) {
    second.send({ type: 'react', messageId, emoji: '👍' });
    third.send({ type: 'edit', messageId, content: 'edited' });
  }
  for (const device of devices) {
    const revs = await untilRev(device, 3 * SAID + 100);
    // A change that a later one of the same message has replaced may be left out.
    expect(revs).toEqual([...new Set(revs)].sort((a, b) => a - b));
    expect(revs.slice(0, 3 * SAID)).toEqual(upTo(3 * SAID));
    const edited = device.received.flatMap((f) => (f.type === 'update' ? f.id : []));
    expect(new Set(edited).size).toBe(50);
  }
}, 60_000);

test('direct messages sent without Redis come to every device when it is back, once and in order', async () => {
  const [ana, ben] = [fresh('ana'), fresh('ben')];
  const sender = await one.enter(ana, fresh('a'));
  const phone = await two.enter(ana, fresh('b'));
  const receiver = await three.enter(ben, fresh('c'));
  const stranger = await three.enter(fresh('cleo'), fresh('c'));
  sender.send({ type: 'message', to: ben, content: 'before' });
  for (const device of [sender, phone, receiver]) await untilRev(device, 1);
  await redis?.kill();
  for (let n = 0; n < 5; n++) {
    sender.send({ type: 'message', to: ben, content: `${n}`, id: `${n}` });
    await sender.untilType('ack');
  }
  // A room that nobody has heard of yet.
  sender.send({ type: 'message', to: ana, content: 'a note', id: 'note' });
  await sender.until((frame) => frame.type === 'ack' && frame.id === 'note');
  await redis?.start();
  expect(await untilRev(receiver, 6)).toEqual(upTo(6));
  while (revsOf(phone).length < 7) await phone.untilType('message');
  const said = phone.received.flatMap((f) => (f.type === 'message' ? f.content : []));
  expect(said.filter((content) => content !== 'a note')).toEqual([
    'before',
    ...upTo(4, 0).map(String),
  ]);
  sender.send({ type: 'message', to: ben, content: 'after' });
  expect(await untilRev(receiver, 7)).toEqual(upTo(7));
  expect(revsOf(stranger)).toEqual([]);
}, 60_000);

test('a device that connects between two messages gets the later one, with no gap to the next ones', async () => {
  const [ana, ben] = [fresh('ana'), fresh('ben')];
  const sender = await one.enter(ana, fresh('a'));
  for (let n = 1; n <= 20; n++) {
    const late = await two.connect();
    sender.send({ type: 'message', to: ben, content: `${n}` });
    late.send({ type: 'join', username: ben, room: fresh('b'), protocol: 1 });
    sender.send({ type: 'message', to: ben, content: 'again' });
    if (n === 1) await two.post('/users', { username: ben });
    await late.untilType('joined');
    sender.send({ type: 'message', to: ben, content: 'last', id: `l${n}` });
    const ack = await sender.until((f) => 'id' in f && f.id === `l${n}`);
    const last = 'seq' in ack ? (ack.seq as number) : 0;
    if (last === 0) continue;
    const revs = await untilRev(late, last);
    expect(revs).toEqual(upTo(last, revs[0]));
    await late.close();
  }
}, 60_000);
