/** Memory of an idle open connection: this server beside bare `Bun.serve`. */
import { atMost, type Result } from './result.ts';
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

const CONNECTIONS = 8000;
/** One connection in each room. */
const ALL = 1_000_000;

async function memoryEach({ ws, pid }: Server, path: string, together: number): Promise<number> {
  const load = { url: ws + path, pid, connections: CONNECTIONS, together };
  const { each } = await runScript<{ each: number }>('idle-connections.ts', load, LOAD_CORE);
  return each;
}

export async function connections({ rounds }: Scale): Promise<Result[]> {
  const ours = (together: number) =>
    withDatabase((url) =>
      withServer({ DATABASE_URL: url }, (server) => memoryEach(server, '/ws', together)),
    );
  const bare = (together: number) =>
    withPeer('bare.ts', (server) => memoryEach(server, '/', together));
  const kib = await inTurns(rounds, {
    oursTogether: () => ours(ALL),
    bareTogether: () => bare(ALL),
    oursApart: () => ours(1),
    bareApart: () => bare(1),
  });
  const what = `KiB of memory for each of ${CONNECTIONS.toLocaleString('en')} connections`;
  const peerName = 'bare Bun.serve';
  return [
    {
      what: `${what}, all in one room`,
      value: kib.oursTogether,
      peer: kib.bareTogether,
      peerName,
      aim: atMost(6, 'KiB'),
    },
    {
      what: `${what}, each in its own`,
      value: kib.oursApart,
      peer: kib.bareApart,
      peerName,
      aim: atMost(9, 'KiB'),
    },
  ];
}
