import { afterAll } from 'bun:test';
import type { Settings } from '../../src/config.ts';
import { openDatabase } from '../../src/db/index.ts';
import { startServer, type TestServer } from './server.ts';

/**
 * Servers that act as one, in this process.
 *
 * @param databaseUrl of the Postgres that they share
 * @param redisUrls one for each server: of the Redis that they share, or of proxies in front of it
 */
export async function startCluster(
  databaseUrl: string,
  redisUrls: string[],
  settings: Partial<Settings> = {},
): Promise<TestServer[]> {
  const servers: TestServer[] = [];
  for (const redisUrl of redisUrls) {
    const database = await openDatabase({ databaseUrl, dataDir: 'memory' });
    const server = await startServer({ databaseUrl, redisUrl, ...settings }, { database });
    afterAll(async () => {
      await server.stop();
      await database.close();
    });
    servers.push(server);
  }
  return servers;
}
