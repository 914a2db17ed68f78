/**
 * Messages that are committed and acknowledged through one server, beside the same messages
 * inserted one by one through Drizzle into the same schema.
 */
import { openDatabase } from '../src/db/index.ts';
import { messages } from '../src/db/schema/index.ts';
import { type Result, runScript, startServer, withDatabase, withFolder } from './support.ts';

const SECONDS = 5;
const content = 'A message of ordinary length, as people write them in a chat.';

async function throughServer(env: Record<string, string>): Promise<number> {
  const server = await startServer(env);
  const load = { url: `${server.ws}/ws`, connections: 10, outstanding: 100, seconds: SECONDS };
  const { acks } = await runScript<{ acks: number }>('senders.ts', load);
  await server.stop();
  return acks;
}

async function oneByOne(settings: { databaseUrl?: string; dataDir: string }): Promise<number> {
  const { db, close } = await openDatabase(settings);
  const start = performance.now();
  let seq = 0;
  while (performance.now() - start < SECONDS * 1000) {
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

export async function durableMessages(): Promise<Result[]> {
  const peerName = 'Drizzle, one by one';
  const embedded = await withFolder(async (dataDir) => ({
    peer: await oneByOne({ dataDir }),
    value: await throughServer({ DATA_DIR: dataDir }),
  }));
  const postgres = await withDatabase(async (databaseUrl) => ({
    peer: await oneByOne({ databaseUrl, dataDir: '' }),
    value: await throughServer({ DATABASE_URL: databaseUrl }),
  }));
  return [
    { what: 'durable messages/s, embedded', ...embedded, peerName, aim: '≥ 10' },
    { what: 'durable messages/s, Postgres', ...postgres, peerName, aim: '≥ 20' },
  ];
}
