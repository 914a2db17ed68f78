/**
 * Deliveries a second in one busy room: this server, durable on Postgres, beside bare `Bun.serve`
 * publishing the same bytes without storing them, and Socket.IO. The server has one core and the load
 * the other; Postgres takes of both what it needs. Three rounds, of which the median counts.
 */
import { type Result, runScript, startServer, withDatabase } from './support.ts';

const load = { members: 100, senders: 10, outstanding: 20, seconds: 4 };
const ROUNDS = 3;

async function deliveries(
  command: string[],
  dialect: string,
  path: string,
  env = {},
): Promise<number> {
  const server = await startServer(env, command, 0);
  const url = `${server.ws}${path}`;
  const result = await runScript<{ deliveries: number }>(
    'members.ts',
    { ...load, urls: [url], dialect },
    1,
  );
  await server.stop();
  return result.deliveries;
}

export async function fanOut(): Promise<Result[]> {
  const bun = process.execPath;
  const rounds = { ours: [] as number[], bare: [] as number[], socketIo: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    rounds.ours.push(
      await withDatabase((url) =>
        deliveries([bun, 'src/index.ts'], 'json', '/ws', { DATABASE_URL: url }),
      ),
    );
    rounds.bare.push(await deliveries([bun, 'bench/peers/bare.ts'], 'json', '/'));
    rounds.socketIo.push(
      await deliveries(
        [Bun.which('node') ?? bun, 'bench/peers/socket-io.mjs'],
        'socket.io',
        '/socket.io/?EIO=4&transport=websocket',
      ),
    );
  }
  const value = median(rounds.ours);
  const bare = median(rounds.bare);
  const socketIo = median(rounds.socketIo);
  const what = 'deliveries/s, 100 in a room, durable on Postgres';
  return [
    { what, value, peer: bare, peerName: 'bare Bun.serve, nothing stored', aim: '≥ 0.6' },
    { what, value, peer: socketIo, peerName: 'Socket.IO, nothing stored', aim: '> 1' },
  ];
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
