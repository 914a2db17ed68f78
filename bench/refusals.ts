/**
 * Thousands who are not let in, a thousand at a time: what the chat of others notices, and what it
 * costs in memory. The peer is the same chat while nobody knocks. And whether the time of a refusal
 * tells if there is an account, or a private room, of that name.
 */
import { memoryOf, type Result, runScript, startServer, withFolder } from './support.ts';

const chat = { members: 20, messagesPerSecond: 100, seconds: 8, isOneSlow: false };
const knocking = { attempts: 10_000, atOnce: 1000 };
/** How often each refusal is timed. */
const TIMED = 200;

interface Delays {
  p50: number;
  p99: number;
}

export async function refusals(): Promise<Result[]> {
  return withFolder(async (dataDir) => {
    const server = await startServer({ DATA_DIR: dataDir });
    const url = server.ws.replace('ws', 'http');
    const post = (path: string, body: object, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
    await post('/users', { username: 'victim', password: 'correct horse battery' });

    const talk = () => runScript<Delays>('listeners.ts', { ...chat, url: `${server.ws}/ws` });
    const calm = await talk();
    const peerName = 'the same while nobody knocks';
    const results: Result[] = [];
    for (const [door, what] of [
      ['sessions', 'wrong passwords'],
      ['ws', 'refused handshakes'],
    ]) {
      const delays = await knockWhile(talk, { ...knocking, url, door }, server.pid, what as string);
      results.push(
        {
          what: `delay, ms, median, amid ${what}`,
          value: delays.p50,
          peer: calm.p50,
          peerName,
          aim: '',
        },
        { what: 'the same, 99th percentile', value: delays.p99, peer: calm.p99, peerName, aim: '' },
      );
    }

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
    await server.stop();
    return results;
  });
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

/** Has them knock, again and again, until the others have talked. */
async function knockWhile(
  talk: () => Promise<Delays>,
  input: object,
  pid: number,
  what: string,
): Promise<Delays> {
  const before = memoryOf(pid);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, memoryOf(pid));
  }, 50);
  let isOver = false;
  const talked = talk().finally(() => {
    isOver = true;
  });
  const start = performance.now();
  const total: Record<string, number> = {};
  while (!isOver) {
    const statuses = await runScript<Record<string, number>>('knockers.ts', input);
    for (const [status, count] of Object.entries(statuses)) {
      total[status] = (total[status] ?? 0) + count;
    }
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  clearInterval(watch);
  console.log(
    `${what}: ${JSON.stringify(total)} in ${seconds} s; the server had ${Math.round(before)} MiB before, ${Math.round(most)} at most`,
  );
  return talked;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}
