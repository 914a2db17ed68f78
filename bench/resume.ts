/**
 * Five thousand clients of one room reconnect at once, having missed two hundred messages: to a server
 * that stayed up, and to one that was restarted. The peer reads the missed messages from the database
 * for each client, one after the other.
 */

import { MessageReader } from '../src/chat/reader.ts';
import { readSettings } from '../src/config.ts';
import { openDatabase } from '../src/db/index.ts';
import { systemClock } from '../src/lib/clock.ts';
import { Limits } from '../src/limits/limits.ts';
import { RoomService } from '../src/rooms/room.service.ts';
import { atLeast, type Result } from './result.ts';
import { LOAD_CORE, median, runScript, type Scale, withDatabase, withServer } from './support.ts';

const load = { clients: 5000, missed: 200 };

interface Outcome {
  seconds: number;
  transactions: number;
}

/** Reads of the missed messages a second, through the same service that the server uses. */
async function readsPerSecond(databaseUrl: string): Promise<number> {
  const { db, close } = await openDatabase({ databaseUrl, dataDir: '' });
  const settings = readSettings({ MESSAGE_RATE: '0' });
  const limits = new Limits({ clock: systemClock }, settings);
  const messages = new MessageReader({ db });
  const rooms = new RoomService({ db, limits });
  const { room } = await rooms.authorizeOrCreate({ identity: { kind: 'key' } }, 'bench');
  const start = performance.now();
  let reads = 0;
  for (; performance.now() - start < 2000; reads++) {
    JSON.stringify(await messages.page(room, { after: 0, limit: 500 }));
  }
  const rate = reads / ((performance.now() - start) / 1000);
  await close();
  return rate;
}

interface Rates {
  ours: number;
  reading: number;
}

/** Resumes a second at a server that stayed up, and then at one that has just been started. */
function comeBack(): Promise<Rates[]> {
  return withDatabase(async (databaseUrl) => {
    const rates: Rates[] = [];
    for (const prepare of [true, false]) {
      const env = { DATABASE_URL: databaseUrl, PRESENCE_GRACE: '60' };
      const { seconds, transactions } = await withServer(env, ({ ws }) => {
        const input = { ...load, prepare, url: `${ws}/ws`, databaseUrl };
        return runScript<Outcome>('reconnecting-clients.ts', input, LOAD_CORE);
      });
      console.log(
        `${load.clients} clients, back at ${prepare ? 'a server that stayed up' : 'a restarted server'}, were current after ${seconds.toFixed(2)} s; the database saw ${transactions} transactions`,
      );
      rates.push({ ours: load.clients / seconds, reading: await readsPerSecond(databaseUrl) });
    }
    return rates;
  });
}

export async function resume({ rounds }: Scale): Promise<Result[]> {
  const measured: Rates[][] = [];
  for (let round = 0; round < rounds; round++) measured.push(await comeBack());
  const row = (n: number, what: string, aim: Result['aim']): Result => ({
    what: `resumes/s, ${load.clients} at once with ${load.missed} missed, ${what}`,
    value: median(measured.map((rates) => (rates[n] as Rates).ours)),
    peer: median(measured.map((rates) => (rates[n] as Rates).reading)),
    peerName: 'reading what was missed, each for itself',
    aim,
  });
  return [
    row(0, 'a server that stayed up', atLeast(5000, 'a second')),
    row(1, 'a restarted server', '> 1'),
  ];
}
