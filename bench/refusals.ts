/**
 * Thousands of sign-ins with wrong passwords: the delay in a chat meanwhile, and the memory. And whether the
 * time of a refusal reveals that an account, or a private room, of that name exists.
 */
import { delays, delaysDuring } from './chat-delays.ts';
import type { Result } from './result.ts';
import { median, type Scale, type Server, withFolder, withServer } from './support.ts';

/** Measurements of each refusal. */
const TIMED = 200;

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
  const calm = await delays(`${server.ws}/ws`, seconds);
  const amid = await delaysDuring('sessions', server, '/ws', seconds);
  const peerName = 'the same without them';
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

/** The medians of two requests, in milliseconds, made in turns so that other load affects both. */
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
