/** How much later a message comes on another server than on the sender's, beside one server alone. */
import { withServers } from './cluster.ts';
import type { Result } from './result.ts';
import { LOAD_CORE, redisUrl, runScript, type Server } from './support.ts';

const pace = { messagesPerSecond: 100, seconds: 5 };
/** Limits too high to be reached, so that each message is counted, in Redis where there is one. */
const counted = { MESSAGE_RATE: '100000', MESSAGE_BURST: '1000000' };

interface Hop {
  p50: number;
  p99: number;
}

export async function hops(): Promise<Result[]> {
  const hop = (servers: Server[]) =>
    runScript<Hop[]>(
      'hop-times.ts',
      { ...pace, urls: servers.map(({ ws }) => `${ws}/ws`) },
      LOAD_CORE,
    );
  const [alone] = (await withServers(1, counted, hop)) as [Hop];
  const shared = { REDIS_URL: redisUrl, ...counted };
  const [here, there] = (await withServers(2, shared, hop)) as [Hop, Hop];
  return [
    {
      what: 'ms to a member on another server, median (99 %: below), 100 messages/s',
      value: there.p50,
      peer: alone.p50,
      peerName: 'one server without Redis',
      aim: 'as low as can be',
    },
    { what: '… 99 %', value: there.p99, peer: alone.p99, peerName: 'the same', aim: '' },
    {
      what: 'ms to a member on the sender’s server',
      value: here.p50,
      peer: alone.p50,
      peerName: 'one server without Redis',
      aim: 'as low as can be',
    },
    { what: '… 99 %', value: here.p99, peer: alone.p99, peerName: 'the same', aim: '' },
  ];
}
