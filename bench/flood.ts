/**
 * One client at a hundred times its rate, over WebSocket and REST, against a server with default limits: the
 * delay of the other clients in the chat. The peer is the same chat without that client.
 */
import type { Result } from './result.ts';
import { memoryOf, runScript, startServer, withFolder } from './support.ts';

const limits = { MESSAGE_RATE: '20', REQUEST_RATE: '50', MAX_CONNECTIONS_PER_IP: '200' };
const chat = { members: 20, messagesPerSecond: 15, seconds: 8, isOneSlow: false };
const doors = [
  { door: 'ws', perSecond: 2000, what: 'a client of WebSocket at 100 × its rate' },
  { door: 'rest', perSecond: 5000, what: 'a client of REST at 100 × its rate' },
];

interface Delays {
  p50: number;
  p99: number;
}

export async function flood(): Promise<Result[]> {
  return withFolder(async (dataDir) => {
    const server = await startServer({ DATA_DIR: dataDir, ...limits });
    const url = server.ws.replace('ws', 'http');
    const talk = () => runScript<Delays>('listeners.ts', { ...chat, url: `${server.ws}/ws` });
    const calm = await talk();
    const peerName = 'the same without it';
    const results: Result[] = [];
    for (const { what, ...load } of doors) {
      const before = memoryOf(server.pid);
      const flooding = { ...load, url, seconds: chat.seconds + 1 };
      const [answers, delays] = await Promise.all([
        runScript<Record<string, number>>('flooder.ts', flooding),
        talk(),
      ]);
      console.log(
        `${what}: ${JSON.stringify(answers)}; the server had ${Math.round(before)} MiB before, ${Math.round(memoryOf(server.pid))} after`,
      );
      results.push(
        {
          what: `delay, ms, median, beside ${what}`,
          value: delays.p50,
          peer: calm.p50,
          peerName,
          aim: '',
        },
        { what: 'the same, 99th percentile', value: delays.p99, peer: calm.p99, peerName, aim: '' },
      );
    }
    await server.stop();
    return results;
  });
}
