import { expect } from 'bun:test';
import { SQL } from 'bun';
import { startCluster } from '../support/cluster.ts';
import { eventsOf } from '../support/event-stream.ts';
import { hasOwnRedis, ownRedis, testWithOwnRedis } from '../support/own-services.ts';
import { fresh, type TestServer } from '../support/server.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';

/** Rule 6 of delivery: a database that comes back with an older history is seen, and begins a new epoch. */
const isThere = hasOwnRedis && hasPostgres;
const test = hasPostgres ? testWithOwnRedis : testWithPostgres;
const databaseUrl = isThere ? await freshPostgres() : '';
const url = isThere ? (await ownRedis()).url : '';
const servers = isThere ? await startCluster(databaseUrl, [url, url]) : [];
const [one, two] = servers as [TestServer, TestServer];

/** As if a standby had taken over that had not heard of the last messages of the room. */
async function goBack(room: string, to: number): Promise<void> {
  const client = new SQL(databaseUrl, { max: 1 });
  await client`delete from messages where seq > ${to}
    and room_id = (select id from rooms where name = ${room})`;
  await client`update rooms set rev = ${to} where name = ${room}`;
  await client.close();
}

for (const [kind, said] of [
  ['as many messages as were lost', 3],
  ['fewer messages', 1],
  ['more messages', 6],
] as const) {
  test(`after ${kind} every client is in a new epoch, on every server, and sees the stored messages`, async () => {
    const [room, name, other] = [fresh('room'), fresh('ana'), fresh('ben')];
    const ana = await one.enter(name, room);
    const ben = await two.enter(other, room);
    const basic = await two.join(fresh('basic'), room);
    for (let n = 1; n <= 10; n++) ana.send({ type: 'message', room, content: `old ${n}` });
    await ben.until((frame) => frame.type === 'message' && frame.content === 'old 10');
    const { epoch } = ben.received.find((f) => f.type === 'joined') as { epoch: string };
    const stream = await one.fetch(`/events?room=${room}`);
    await goBack(room, 7);
    for (let n = 1; n <= said; n++) {
      const posted = await two.post('/messages', { username: name, room, content: `new ${n}` });
      expect(posted.status).toBe(201);
    }
    // They come back by themselves, as whoever is cut off does.
    for (const client of [ana, ben, basic]) expect((await client.closed).code).toBe(1011);
    for await (const _ of eventsOf(stream));
    const epochs = new Set<string>();
    const back = [];
    for (const server of [one, two]) {
      const again = await server.connect();
      again.send({ type: 'join', username: name, room, protocol: 1, since: 10, epoch });
      const joined = await again.untilType('joined');
      expect(joined).toMatchObject({ reset: true, complete: true, rev: 7 + said });
      const last = Array.from({ length: said }, (_, n) => `new ${n + 1}`);
      expect(joined.messages.map(({ content }) => content).slice(-said)).toEqual(last);
      epochs.add(joined.epoch);
      back.push(again);
    }
    back[0]?.send({ type: 'message', room, content: 'on it goes' });
    for (const client of back) {
      await client.until((frame) => frame.type === 'message' && frame.content === 'on it goes');
    }
    expect([...epochs]).not.toContain(epoch);
    expect(epochs.size).toBe(1);
  }, 30_000);
}
