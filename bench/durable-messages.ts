/**
 * Messages that are committed and acknowledged through one server, beside the same messages
 * inserted one by one through Drizzle into the same schema.
 */
import { openDatabase } from '../src/db/index.ts';
import { messages } from '../src/db/schema/index.ts';
import type { Result } from './result.ts';
import { runScript, type Scale, startServer, withDatabase, withFolder } from './support.ts';

const content = 'A message of ordinary length, as people write them in a chat.';

async function throughServer(env: Record<string, string>, seconds: number): Promise<number> {
  const server = await startServer(env);
  const load = { url: `${server.ws}/ws`, connections: 10, outstanding: 100, seconds };
  const { acks } = await runScript<{ acks: number }>('senders.ts', load);
  await server.stop();
  return acks;
}

async function oneByOne(
  settings: { databaseUrl?: string; dataDir: string },
  seconds: number,
): Promise<number> {
  const { db, close } = await openDatabase(settings);
  const start = performance.now();
  let seq = 0;
  while (performance.now() - start < seconds * 1000) {
    seq += 1;
    await db.insert(messages).values({
      roomId: 1_000_000,
      userId: 1,
      seq,
      rev: seq,
      clientId: `${seq}-${start}`,
      content,
      createdAt: new Date(),
    });
  }
  const rate = seq / ((performance.now() - start) / 1000);
  await close();
  return rate;
}

export async function durableMessages({ seconds }: Scale): Promise<Result[]> {
  const peerName = 'Drizzle, one by one';
  const embedded = await withFolder(async (dataDir) => ({
    peer: await oneByOne({ dataDir }, seconds),
    value: await throughServer({ DATA_DIR: dataDir }, seconds),
  }));
  const postgres = await withDatabase(async (databaseUrl) => ({
    peer: await oneByOne({ databaseUrl, dataDir: '' }, seconds),
    value: await throughServer({ DATABASE_URL: databaseUrl }, seconds),
  }));
  return [
    { what: 'durable messages/s, embedded', ...embedded, peerName, aim: '≥ 10' },
    { what: 'durable messages/s, Postgres', ...postgres, peerName, aim: '≥ 20' },
  ];
}
