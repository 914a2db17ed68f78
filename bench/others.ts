/** Deliveries a second in a room of 100: this server, durable on Postgres, beside other chat and pub/sub servers. */
import { deliveries, ourDeliveries } from './fan-out.ts';
import { peers } from './peers/index.ts';
import { NOTHING_STORED, type Result, ratioAtLeast } from './result.ts';
import { inTurns, type Scale } from './support.ts';

const MEMBERS = 100;

export async function others({ rounds, seconds }: Scale): Promise<Result[]> {
  for (const { name, missing } of peers) {
    if (missing) console.warn(`${name} is left out: there is no ${missing} here`);
  }
  const here = peers.filter(({ missing }) => !missing);
  const turns: Record<string, () => Promise<number>> = {
    ours: () => ourDeliveries(MEMBERS, seconds),
  };
  for (const { name, dialect, path, serve } of here) {
    turns[name] = () =>
      serve((server) => deliveries(server, path, MEMBERS, seconds, dialect)).catch((error) => {
        console.warn(`${name} failed: ${error}`);
        return Number.NaN;
      });
  }
  const rates = await inTurns(rounds, turns);
  const measured = here.filter(({ name }) => !Number.isNaN(rates[name]));
  return measured.map(({ name, isStoring, reach }) => ({
    what: `deliveries/s, ${MEMBERS} in a room`,
    value: rates.ours as number,
    peer: rates[name] as number,
    peerName: isStoring ? name : name + NOTHING_STORED,
    aim: ratioAtLeast(reach),
  }));
}
