/**
 * Deliveries a second in one room: this server, on Postgres and embedded, beside bare `Bun.serve`, which
 * publishes the same bytes without storing them. The server has one core and the load the other; Postgres runs
 * on both.
 */
import type { DialectName } from './dialects/index.ts';
import { BARE, type Reach, type Result, ratioAtLeast } from './result.ts';
import {
  inTurns,
  LOAD_CORE,
  runScript,
  type Scale,
  type Server,
  withDatabase,
  withFolder,
  withPeer,
  withServer,
} from './support.ts';

const TEN_SENDERS = { senders: 10, outstanding: 20 };

/** Deliveries a second of a server, in a room with `members` members. */
export async function deliveries(
  server: Server,
  path: string,
  members: number,
  seconds: number,
  dialect: DialectName = 'json',
): Promise<number> {
  const load = { ...TEN_SENDERS, members, seconds, dialect, urls: [server.ws + path] };
  const result = await runScript<{ deliveries: number }>('members.ts', load, LOAD_CORE);
  return result.deliveries;
}

/** The same for this server, on Postgres. */
export function ourDeliveries(members: number, seconds: number, dialect?: DialectName) {
  return withDatabase((url) =>
    withServer({ DATABASE_URL: url }, (server) =>
      deliveries(server, '/ws', members, seconds, dialect),
    ),
  );
}

export async function fanOut({ rounds, seconds }: Scale): Promise<Result[]> {
  const bare = (members: number) =>
    withPeer('bare.ts', (server) => deliveries(server, '/', members, seconds));
  const rates = await inTurns(rounds, {
    ours10: () => ourDeliveries(10, seconds),
    bare10: () => bare(10),
    ours100: () => ourDeliveries(100, seconds),
    embedded100: () =>
      withFolder((folder) =>
        withServer({ DATA_DIR: folder }, (server) => deliveries(server, '/ws', 100, seconds)),
      ),
    bare100: () => bare(100),
    ours1000: () => ourDeliveries(1000, seconds),
    batched1000: () => ourDeliveries(1000, seconds, 'batched'),
    bare1000: () => bare(1000),
  });
  const row = (what: string, value: number, peer: number, aim: Reach): Result => ({
    what,
    value,
    peer,
    peerName: BARE,
    aim,
  });
  return [
    row(
      'messages/s, ten in a room who all send',
      rates.ours10 / 10,
      rates.bare10 / 10,
      ratioAtLeast(0.33),
    ),
    row('deliveries/s, 100 in a room', rates.ours100, rates.bare100, ratioAtLeast(0.72)),
    row(
      'deliveries/s, 100 in a room, embedded',
      rates.embedded100,
      rates.bare100,
      ratioAtLeast(0.5),
    ),
    row('deliveries/s, 1,000 in a room', rates.ours1000, rates.bare1000, ratioAtLeast(0.95)),
    row(
      'deliveries/s, 1,000 in a room, in batches',
      rates.batched1000,
      rates.bare1000,
      ratioAtLeast(1.3),
    ),
  ];
}
