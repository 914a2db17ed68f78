import { afterAll } from 'bun:test';
import { openDatabase } from '../../src/db/index.ts';
import { cuttableProxy } from './cuttable-proxy.ts';
import { API_KEY } from './people.ts';
import { startServer } from './server.ts';
import { freshPostgres } from './services.ts';

/** A server with a Postgres database of its own, and the proxy between them. */
export async function serverBehindProxy() {
  const proxy = await cuttableProxy(await freshPostgres());
  const database = await openDatabase({ databaseUrl: proxy.url, dataDir: '' });
  const server = await startServer({ apiKey: API_KEY }, { database });
  afterAll(() => database.close());
  return { proxy, server, db: database.db };
}
