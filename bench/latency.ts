/**
 * Delays of messages at a steady pace, from sending to delivery to the members of the room: this server, on
 * Postgres, beside bare `Bun.serve`, which stores nothing.
 */
import { atMost, BARE, type Result, ratioAtMost } from './result.ts';
import {
  inTurns,
  LOAD_CORE,
  runScript,
  type Scale,
  type Server,
  withDatabase,
  withPeer,
  withServer,
} from './support.ts';

const TEN_ROOMS = { rooms: 10, members: 1, senders: 1, perSecond: 60_000 };
const BUSY = { rooms: 1, members: 100, senders: 10, perSecond: 9000 };
const STEADY = { ...BUSY, perSecond: 2000 };
/** Messages in the busy room before the measurement. */
const BEHIND = 100_000;

interface Delays {
  p50: number;
  p99: number;
  offered: number;
  lost: number;
  refusal: string;
}

/** Members that fill the busy room, as fast as they can, before the measurement. */
async function fill({ ws }: Server): Promise<void> {
  const load = { members: 10, senders: 10, outstanding: 100, seconds: 0, messages: BEHIND };
  await runScript('members.ts', { ...load, urls: [`${ws}/ws`], dialect: 'json' }, LOAD_CORE);
}

export async function latency({ rounds, seconds }: Scale): Promise<Result[]> {
  const delays = async (url: string, load: typeof BUSY, of: 'p50' | 'p99') => {
    const result = await runScript<Delays>('paced.ts', { ...load, url, seconds }, LOAD_CORE);
    if (result.offered < 0.95 * load.perSecond || result.lost > 0) {
      console.log(
        `of ${load.perSecond} messages/s the load offered ${Math.round(result.offered)}; ${result.lost} did not come ${result.refusal}`,
      );
    }
    return result[of];
  };
  const bare = (load: typeof BUSY, of: 'p50' | 'p99') =>
    withPeer('bare.ts', ({ ws }) => delays(ws, load, of));
  const ours = (databaseUrl: string, load: typeof BUSY, of: 'p50' | 'p99') =>
    withServer({ DATABASE_URL: databaseUrl }, ({ ws }) => delays(`${ws}/ws`, load, of));
  const measured = await withDatabase(async (old) => {
    await withServer({ DATABASE_URL: old }, fill);
    return inTurns(rounds, {
      ourTen: () => withDatabase((url) => ours(url, TEN_ROOMS, 'p50')),
      bareTen: () => bare(TEN_ROOMS, 'p50'),
      ourBusy: () => ours(old, BUSY, 'p99'),
      bareBusy: () => bare(BUSY, 'p99'),
      ourSteady: () => withDatabase((url) => ours(url, STEADY, 'p99')),
      bareSteady: () => bare(STEADY, 'p99'),
    });
  });
  const peerName = BARE;
  return [
    {
      what: 'ms, median, 60,000 messages/s offered to ten rooms',
      value: measured.ourTen,
      peer: measured.bareTen,
      peerName,
      aim: atMost(7, 'ms'),
    },
    {
      what: 'ms, 99 %, 9,000/s in a room of 100 with 100,000 behind them',
      value: measured.ourBusy,
      peer: measured.bareBusy,
      peerName,
      aim: atMost(8, 'ms'),
    },
    {
      what: 'ms, 99 %, 2,000/s in a room of 100',
      value: measured.ourSteady,
      peer: measured.bareSteady,
      peerName,
      aim: ratioAtMost(3),
    },
  ];
}
