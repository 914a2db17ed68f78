/**
 * Thousands who are not let in: what the chat of others notices, and what it costs in memory. And whether the
 * time of a refusal tells if there is an account, or a private room, of that name.
 */
import { atMost, type Result } from './result.ts';
import {
  inTurns,
  LOAD_CORE,
  median,
  memoryOf,
  runScript,
  type Scale,
  type Server,
  withFolder,
  withPeer,
  withServer,
} from './support.ts';

const chat = { members: 20, messagesPerSecond: 100, isOneSlow: false };
const knocking = { perSecond: 6000, atMost: 1000 };
/** How often each refusal is timed. */
const TIMED = 200;

interface Delays {
  p50: number;
  p99: number;
}

const talk = (url: string, seconds: number) =>
  runScript<Delays>('listeners.ts', { ...chat, url, seconds }, LOAD_CORE);

/** Refused handshakes on new connections, 6,000 a second; bare `Bun.serve` is the floor. */
export async function handshakes({ rounds, seconds }: Scale): Promise<Result[]> {
  const amid = async (server: Server, path: string) => {
    const talking = () => talk(server.ws + path, seconds + 2);
    return (await knockWhile(talking, server, 'ws', seconds)).p99;
  };
  const ms = await withFolder((folder) =>
    withServer({ DATA_DIR: folder }, (server) =>
      inTurns(rounds, {
        calm: async () => (await talk(`${server.ws}/ws`, seconds)).p99,
        amid: () => amid(server, '/ws'),
        bare: () => withPeer('bare.ts', (peer) => amid(peer, '/')),
      }),
    ),
  );
  const result = {
    what: 'ms, 99 %, in a room of 20, amid 6,000 refused handshakes/s',
    value: ms.amid,
  };
  return [
    { ...result, peer: ms.bare, peerName: 'bare Bun.serve, nothing stored', aim: atMost(30, 'ms') },
    { ...result, peer: ms.calm, peerName: 'the same while nobody knocks', aim: '' },
  ];
}

export function refusals({ seconds }: Scale): Promise<Result[]> {
  return withFolder((folder) =>
    withServer({ DATA_DIR: folder }, (server) => wrongNames(server, seconds)),
  );
}

async function wrongNames(server: Server, seconds: number): Promise<Result[]> {
  const url = server.http;
  const post = (path: string, body: object, headers = {}) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  await post('/users', { username: 'victim', password: 'correct horse battery' });
  const talking = () => talk(`${server.ws}/ws`, seconds + 2);
  const calm = await talking();
  const amid = await knockWhile(talking, server, 'sessions', seconds);
  const peerName = 'the same while nobody knocks';
  const results: Result[] = [
    {
      what: 'delay, ms, median, amid wrong passwords',
      value: amid.p50,
      peer: calm.p50,
      peerName,
      aim: '',
    },
    { what: 'the same, 99th percentile', value: amid.p99, peer: calm.p99, peerName, aim: '' },
  ];

  const [wrong, unknown] = await timed(
    () => post('/sessions', { username: 'victim', password: 'a wrong password' }),
    (n) => post('/sessions', { username: `nobody${n}`, password: 'a wrong password' }),
  );
  results.push({
    what: 'refusing a wrong password, ms, median',
    value: wrong,
    peer: unknown,
    peerName: 'an unknown name',
    aim: '≈ 1',
  });

  const account = { username: 'victim', password: 'correct horse battery' };
  const { token } = (await (await post('/sessions', account)).json()) as { token: string };
  await post('/rooms', { name: 'there', private: true }, { authorization: `Bearer ${token}` });
  const [hidden, missing] = await timed(
    () => fetch(`${url}/messages?room=there`),
    () => fetch(`${url}/messages?room=other`),
  );
  results.push({
    what: 'refusing to show a private room, ms, median',
    value: hidden,
    peer: missing,
    peerName: 'a room that is not there',
    aim: '≈ 1',
  });
  return results;
}

/** The medians of two requests, in milliseconds, one after the other so that both see the same machine. */
async function timed(
  one: (n: number) => Promise<Response>,
  other: (n: number) => Promise<Response>,
): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let n = 0; n < TIMED; n++) {
    for (const [which, request] of [one, other].entries()) {
      const start = performance.now();
      await (await request(n)).text();
      times[which]?.push(performance.now() - start);
    }
  }
  return [median(times[0]), median(times[1])];
}

/** Has them knock, from before the others talk until after. */
async function knockWhile(
  talking: () => Promise<Delays>,
  { http: url, pid }: Server,
  door: 'ws' | 'sessions',
  seconds: number,
): Promise<Delays> {
  const before = memoryOf(pid);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, memoryOf(pid));
  }, 50);
  const length = seconds + 4;
  const input = { ...knocking, url, door, seconds: length };
  const [statuses, delays] = await Promise.all([
    runScript<Record<string, number>>('knockers.ts', input, LOAD_CORE),
    talking(),
  ]);
  clearInterval(watch);
  console.log(
    `${JSON.stringify(statuses)} at ${door} in ${length} s; the server had ${Math.round(before)} MiB before, ${Math.round(most)} at most`,
  );
  return delays;
}
