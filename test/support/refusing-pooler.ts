import { afterAll } from 'bun:test';
import { connect, createServer } from 'node:net';

/**
 * Stands before a Postgres as PgBouncer does: it refuses unknown settings at the start of a session.
 *
 * @returns the URL of the same database through it, and how many sessions it has let in
 */
export async function refusingPooler(target: string) {
  const to = new URL(target);
  let sessions = 0;
  const server = createServer((client) => {
    client.on('error', () => {});
    client.once('data', (start) => {
      if (start.includes('_timeout')) {
        const fields = 'SFATAL\0C08P01\0Munsupported startup parameter: lock_timeout\0\0';
        const refusal = Buffer.alloc(5 + fields.length);
        refusal.write('E', 0);
        refusal.writeInt32BE(4 + fields.length, 1);
        refusal.write(fields, 5, 'latin1');
        client.end(refusal);
        return;
      }
      sessions += 1;
      const database = connect(Number(to.port || 5432), to.hostname);
      database.on('error', () => {});
      database.write(start);
      client.pipe(database).pipe(client);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  afterAll(() => server.close());
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as { port: number }).port);
  return { url: url.href, sessions: () => sessions };
}
