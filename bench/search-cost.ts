/**
 * What the search costs those who write: messages that are committed and acknowledged with its index, beside
 * the same without it.
 */
import { SQL } from 'bun';
import { openDatabase } from '../src/db/index.ts';
import { type Result, runScript, startServer, withDatabase } from './support.ts';

const ROUNDS = 5;

async function acks(hasIndex: boolean): Promise<number> {
  return withDatabase(async (databaseUrl) => {
    const { close } = await openDatabase({ databaseUrl, dataDir: '' });
    await close();
    if (!hasIndex) {
      const client = new SQL(databaseUrl, { max: 1 });
      await client`drop index messages_words`;
      await client.close();
    }
    const server = await startServer({ DATABASE_URL: databaseUrl });
    const load = { url: `${server.ws}/ws`, connections: 10, outstanding: 100, seconds: 4 };
    const { acks } = await runScript<{ acks: number }>('senders.ts', load);
    await server.stop();
    return acks;
  });
}

export async function searchCost(): Promise<Result[]> {
  const [values, peers]: [number[], number[]] = [[], []];
  // In turns, so that what else the machine does falls on both.
  for (let round = 0; round < ROUNDS; round++) {
    values.push(await acks(true));
    peers.push(await acks(false));
  }
  const median = (rates: number[]) => rates.sort((a, b) => a - b)[ROUNDS >> 1] as number;
  return [
    {
      what: 'durable messages/s, Postgres, searchable',
      value: median(values),
      peer: median(peers),
      peerName: 'the same without the index',
      aim: '',
    },
  ];
}
