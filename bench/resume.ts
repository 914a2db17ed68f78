/**
 * Five thousand clients of one room come back at once, having missed two hundred messages: to a server
 * that stayed up, and to one that was restarted. The peer is what each of them would cost if it read
 * from the database what it missed, one after the other.
 */

import { MemoryBus } from '../src/bus/memory.ts';
import { MessageReader } from '../src/chat/reader.ts';
import { readSettings } from '../src/config.ts';
import { openDatabase } from '../src/db/index.ts';
import { systemClock } from '../src/lib/clock.ts';
import { Limits } from '../src/limits/limits.ts';
import { createLogger } from '../src/log.ts';
import { RoomService } from '../src/rooms/room.service.ts';
import { type Result, runScript, startServer, withDatabase } from './support.ts';

const load = { clients: 5000, missed: 200 };

interface Outcome {
  seconds: number;
  transactions: number;
}

/** Reads of the missed messages a second, through the same service that the server uses. */
async function readsPerSecond(databaseUrl: string): Promise<number> {
  const { db, close } = await openDatabase({ databaseUrl, dataDir: '' });
  const log = createLogger('silent');
  const bus = new MemoryBus();
  const settings = readSettings({ MESSAGE_RATE: '0' });
  const limits = new Limits({ clock: systemClock }, settings);
  const messages = new MessageReader({ db });
  const rooms = new RoomService({ db, bus, limits, clock: systemClock, log });
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

export async function resume(): Promise<Result[]> {
  return withDatabase(async (databaseUrl) => {
    const results: Result[] = [];
    for (const prepare of [true, false]) {
      const server = await startServer({ DATABASE_URL: databaseUrl, PRESENCE_GRACE: '60' });
      const input = { ...load, prepare, url: `${server.ws}/ws`, databaseUrl };
      const { seconds, transactions } = await runScript<Outcome>('returners.ts', input);
      await server.stop();
      const to = prepare ? 'a server that stayed up' : 'a restarted server';
      console.log(
        `${load.clients} clients, back at ${to}, were current after ${seconds.toFixed(2)} s; the database saw ${transactions} transactions`,
      );
      results.push({
        what: `resumes/s, ${load.clients} at once, ${to}`,
        value: load.clients / seconds,
        peer: await readsPerSecond(databaseUrl),
        peerName: 'reading what was missed, each for itself',
        aim: '> 1',
      });
    }
    return results;
  });
}
