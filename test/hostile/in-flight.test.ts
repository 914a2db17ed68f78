import { afterAll, expect } from 'bun:test';
import { SQL } from 'bun';
import { memoryOf } from '../../bench/support.ts';
import { Client } from '../support/client.ts';
import { startReady } from '../support/process.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';
import { Witness } from '../support/witness.ts';

testWithPostgres(
  'while the database hangs, the input of one address fills no memory, and requests without the database are served',
  async () => {
    const url = await freshPostgres();
    const server = await startReady({ DATABASE_URL: url, MAX_CONNECTIONS_PER_IP: '200' });
    afterAll(() => server.kill('SIGKILL'));
    const witness = await Witness.join(server);
    const clients = await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const client = await Client.connect(server.ws);
        client.send({ type: 'join', username: `flood-${n}`, room: 'flood', protocol: 1 });
        await client.untilType('joined');
        return client;
      }),
    );
    const before = memoryOf(server.pid);
    const holder = new SQL(url, { max: 1 });
    await holder.begin(async (sql) => {
      await sql`lock table messages in access exclusive mode`;
      const content = 'x'.repeat(4000);
      const flood = async () => {
        for (const client of clients) {
          for (let n = 0; n < 1000; n++) client.send({ type: 'message', content, id: `${n}` });
        }
        // A client that continues after "overloaded" is disconnected.
        await Promise.race(clients.map(({ closed }) => closed));
        const posts = Array.from({ length: 300 }, () =>
          fetch(`${server.url}/messages`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({
              username: 'flood-0',
              room: 'flood',
              content,
              data: content.repeat(7),
            }),
            signal: AbortSignal.timeout(1000),
          }).then(
            ({ status }) => status,
            () => 0,
          ),
        );
        await Promise.all(posts);
      };
      const delay = await witness.delayDuring(flood, 'ping');
      const grown = memoryOf(server.pid) - before;
      console.log(`a hanging database: ${Math.round(delay)} ms, ${Math.round(grown)} MiB`);
      expect(delay).toBeLessThan(3000);
      expect(grown).toBeLessThan(150);
    });
    await holder.close();
    expect(
      clients.some(({ received }) =>
        received.some((frame) => frame.type === 'error' && frame.code === 'overloaded'),
      ),
    ).toBe(true);
    await Promise.all(clients.map((client) => client.close()));
    // The memory is released when the database is back.
    let after: Client | undefined;
    while (!after) after = await Client.connect(server.ws).catch(() => undefined);
    after.send({ type: 'join', username: 'after', room: 'after', protocol: 1 });
    await after.untilType('joined');
    after.send({ type: 'message', content: 'hi', id: 'm' });
    await after.untilType('ack');
    await after.close();
    await witness.close();
  },
  60_000,
);
