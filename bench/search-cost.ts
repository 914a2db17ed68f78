/**
 * The cost of the search to senders: messages that are committed and acknowledged while their words are
 * stored in the background, beside the same without the search.
 */
import { SQL } from 'bun';
import { openDatabase } from '../src/db/index.ts';
import type { Result } from './result.ts';
import { inTurns, runScript, startServer, withDatabase } from './support.ts';

const ROUNDS = 5;
const CONNECTIONS = 10;

/** @param said the earlier messages of each room: those of a young room are not in the index */
async function acks(said: number, hasSearch: boolean): Promise<number> {
  return withDatabase(async (databaseUrl) => {
    const { close } = await openDatabase({ databaseUrl, dataDir: '' });
    await close();
    const client = new SQL(databaseUrl, { max: 1 });
    await client`insert into rooms (name, rev)
      select 'bench' || n, ${said} from generate_series(0, ${CONNECTIONS - 1}::int) n`;
    if (!hasSearch) await client`drop table word_cursors`;
    await client.close();
    const server = await startServer({ DATABASE_URL: databaseUrl });
    const load = { url: `${server.ws}/ws`, connections: CONNECTIONS, outstanding: 100, seconds: 4 };
    const { acks } = await runScript<{ acks: number }>('senders.ts', load);
    await server.stop();
    return acks;
  });
}

export async function searchCost(): Promise<Result[]> {
  const results: Result[] = [];
  for (const [rooms, said] of [
    ['young', 0],
    ['old', 1_000_000],
  ] as const) {
    const { value, peer } = await inTurns(ROUNDS, {
      value: () => acks(said, true),
      peer: () => acks(said, false),
    });
    results.push({
      what: `durable messages/s in ${rooms} rooms, Postgres`,
      value,
      peer,
      peerName: 'the same without storing words',
      aim: '',
    });
  }
  return results;
}
