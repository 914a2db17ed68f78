/** What an open connection costs in memory while nothing is said: this server beside bare `Bun.serve`. */
import { type Result, runScript, startServer, withDatabase } from './support.ts';

const CONNECTIONS = 8000;
/** People in each room. */
const TOGETHER = 10;

async function memoryEach(env: object, command: string[], path: string, isJoining: boolean) {
  const server = await startServer({ ...env }, command);
  const { each } = await runScript<{ each: number }>('idlers.ts', {
    url: `${server.ws}${path}`,
    pid: server.pid,
    connections: CONNECTIONS,
    together: TOGETHER,
    isJoining,
  });
  await server.stop();
  return each;
}

export async function connections(): Promise<Result[]> {
  const bun = process.execPath;
  const value = await withDatabase((url) =>
    memoryEach({ DATABASE_URL: url }, [bun, 'src/index.ts'], '/ws', true),
  );
  const peer = await memoryEach({}, [bun, 'bench/peers/bare.ts'], '/', false);
  return [
    {
      what: `KiB of memory for each of ${CONNECTIONS} connections, ten in a room`,
      value,
      peer,
      peerName: 'bare Bun.serve, one topic',
      aim: 'as low as can be',
    },
  ];
}
