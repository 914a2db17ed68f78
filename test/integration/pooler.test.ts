import { expect } from 'bun:test';
import { Client } from '../support/client.ts';
import { ownPgBouncer, testWithPgBouncer } from '../support/pgbouncer.ts';
import { startReady } from '../support/process.ts';
import { freshPostgres } from '../support/services.ts';
import { until } from '../support/until.ts';

const PEOPLE = 8;
/** Messages of each, all sent at once. */
const MESSAGES = 25;

interface Stored {
  id: number;
  content: string;
  clientId: string;
}

testWithPgBouncer(
  'a server behind PgBouncer in transaction mode takes messages and changes of many at once, and keeps them over restarts of both',
  async () => {
    const bouncer = await ownPgBouncer(await freshPostgres());
    // On the same port after a restart, as its clients expect.
    let server = await startReady({ DATABASE_URL: bouncer.url });
    const port = new URL(server.url).port;
    const enter = async (username: string, room: string, since?: number) => {
      const client = await Client.connect(server.ws);
      client.send({ type: 'join', username, room, protocol: 1, since });
      return { client, joined: await client.untilType('joined') };
    };
    const roomOf = (n: number) => `room-${n % 3}`;
    const history = async (room: string): Promise<Stored[]> =>
      (await fetch(`${server.url}/messages?room=${room}&limit=100`)).json();
    const said = async (round: number) => {
      await Promise.all(
        Array.from({ length: PEOPLE }, async (_, n) => {
          const { client } = await enter(`ana-${n}`, roomOf(n));
          const ids = Array.from({ length: MESSAGES }, (_, m) => `${round}-${n}-${m}`);
          for (const id of ids) {
            client.send({
              type: 'message',
              content: `@ana-${PEOPLE - 1 - n} ${id}`,
              id,
              room: roomOf(n),
            });
          }
          const acked = new Map<string, number>();
          for (const _ of ids) {
            const { id = '', messageId = 0 } = await client.untilType('ack');
            acked.set(id, messageId);
          }
          const [first, second, third] = [...acked.values()] as [number, number, number];
          client.send({ type: 'edit', messageId: first, content: 'edited', id: 'edit' });
          client.send({ type: 'react', messageId: second, emoji: '👍', id: 'react' });
          client.send({ type: 'delete', messageId: third, id: 'delete' });
          for (const id of ['edit', 'react', 'delete']) {
            expect(await client.untilType('ack')).toMatchObject({ id });
          }
          expect([...acked.keys()]).toEqual(ids);
          await client.close();
        }),
      );
    };
    const total = async () => {
      const { joined } = await enter('eva', 'room-0', 0);
      const rooms = await Promise.all([0, 1, 2].map((n) => history(roomOf(n))));
      const contents = rooms.flat().map(({ content }) => content);
      return { rev: joined.rev, stored: rooms.flat().length, contents };
    };

    await said(1);
    const before = await total();
    expect(before.stored).toBe(PEOPLE * MESSAGES);
    expect(before.contents.filter((content) => content === 'edited')).toHaveLength(PEOPLE);
    expect(before.contents.filter((content) => content === '')).toHaveLength(PEOPLE);

    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    server = await startReady({ DATABASE_URL: bouncer.url, PORT: port });
    expect(await total()).toEqual(before);

    // Without it there is no answer, and with it again there is.
    await bouncer.kill();
    const ben = await Client.connect(server.ws);
    ben.send({ type: 'join', username: 'ben', room: 'room-1', protocol: 1, id: 'away' });
    expect(await ben.untilType('error')).toMatchObject({ id: 'away', code: 'unavailable' });
    await bouncer.start();
    const isBack = async () => (await fetch(`${server.url}/ready`)).status === 200;
    await until('the server is ready', isBack, 10_000);
    const found = await history('room-2');
    const last = found.findLast(({ clientId }) => clientId.startsWith('1-2-'));
    const again = { username: 'ana-2', room: 'room-2', content: last?.content, id: last?.clientId };
    const sent = await fetch(`${server.url}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(again),
    });
    expect(sent.status).toBe(200);
    expect(await sent.json()).toMatchObject({ id: last?.id });
    await said(2);
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
  },
  60_000,
);
