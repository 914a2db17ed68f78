import { expect } from 'bun:test';
import { SQL } from 'bun';
import { readSettings } from '../../src/config.ts';
import { openDatabase } from '../../src/db/index.ts';
import { fresh, startServer } from '../support/server.ts';
import { freshPostgres, testWithPostgres } from '../support/services.ts';
import { mint, SECRET } from '../support/tokens.ts';
import { until } from '../support/until.ts';

/** Pages of one account or network. */
const AT_ONCE_EACH = 2;
const { trustProxy } = readSettings({ TRUST_PROXY: '127.0.0.1,::1' });

testWithPostgres(
  'an account reads two pages at once, from however many networks, and leaves turns to others',
  async () => {
    const url = new URL(await freshPostgres());
    url.searchParams.set('max', '16');
    const database = await openDatabase({ databaseUrl: url.href, dataDir: 'memory' });
    const server = await startServer(
      { authSecret: SECRET, ...(trustProxy && { trustProxy }) },
      { database },
    );
    const read = (path: string, token: string, network: number) =>
      server.fetch(path, {
        headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': `203.0.113.${network}` },
      });
    const [greedy = '', ...others] = await Promise.all(
      ['greedy', 'ana', 'ben'].map((name) => mint({ sub: fresh(name) })),
    );
    // Reads before a page, such as that of the user, are cached from now on.
    for (const token of [greedy, ...others]) await (await read('/messages', token, 1)).text();

    url.searchParams.delete('max');
    const [holder, watcher] = [new SQL(url.href, { max: 1 }), new SQL(url.href, { max: 1 })];
    const waitingFor = async (table: string) => {
      const which = `not granted and relation = '${table}'::regclass`;
      const [found] = await watcher.unsafe(
        `select count(*)::int as reads from pg_locks where ${which}`,
      );
      return found.reads as number;
    };
    let pages: Promise<Response>[] = [];
    await holder.begin(async (sql) => {
      await sql`lock table messages, notifications in access exclusive mode`;
      pages = Array.from({ length: 20 }, (_, n) => read('/messages', greedy, n));
      await until('two pages', async () => (await waitingFor('messages')) >= AT_ONCE_EACH);
      pages.push(...others.map((token, n) => read('/notifications', token, 100 + n)));
      await until('those of others', async () => (await waitingFor('notifications')) === 2, 3000);
      expect(await waitingFor('messages')).toBe(AT_ONCE_EACH);
    });
    expect((await Promise.all(pages)).map(({ status }) => status)).toEqual(pages.map(() => 200));
    await Promise.all([holder.close(), watcher.close()]);
    await server.stop();
    await database.close();
  },
);
