/**
 * The worst known inputs of one client: the longest delay of another client's acks meanwhile, and the memory of the
 * server. The peer is the same server before the input. `bun bench/hostile.ts [folder]` measures the server in
 * another folder, such as an older version of this one.
 */
import type { Result } from './result.ts';
import { memoryOf, runScript, startServer } from './support.ts';

/** The longest wait for an answer, in milliseconds. */
const PATIENCE_MS = 30_000;
const LARGE = { content: 'x'.repeat(4000), data: { text: 'x'.repeat(32_000) } };
const key = 'key-of-the-back-end';

type Server = Awaited<ReturnType<typeof startServer>>;
interface Client {
  send(frame: object | string): void;
  /** The next frame that matches. */
  until(matches: (frame: { type: string; id?: string }) => boolean): Promise<unknown>;
  close(): void;
}

async function connect(server: Server, username: string, room: string, more = {}): Promise<Client> {
  // The witness is a back end, since these are not limited.
  const headers = username === 'witness' ? { authorization: `Bearer ${key}` } : {};
  const socket = new WebSocket(`${server.ws}/ws`, { headers } as never);
  const waiting = new Set<(frame: { type: string; id?: string }) => void>();
  socket.onmessage = ({ data }) => {
    // Frames that nothing waits for are not parsed, so that the measuring side stays fast.
    if (waiting.size === 0) return;
    const frame = JSON.parse(data);
    for (const each of [...waiting]) each(frame);
  };
  await new Promise((done) => {
    socket.onopen = done;
  });
  const client: Client = {
    send: (frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    until: (matches) =>
      new Promise((done, failed) => {
        const timer = setTimeout(() => failed(new Error('no answer')), PATIENCE_MS);
        const look = (frame: { type: string; id?: string }) => {
          if (!matches(frame)) return;
          waiting.delete(look);
          clearTimeout(timer);
          done(frame);
        };
        waiting.add(look);
      }),
    close: () => socket.close(),
  };
  client.send({ type: 'join', username, room, protocol: 1, ...more });
  return client;
}

const joined = ({ type }: { type: string }) => type === 'joined';
const times = <T>(count: number, make: (n: number) => T) =>
  Array.from({ length: count }, (_, n) => make(n));
const marks = (count: number) =>
  'a\u0316\u0301\u0327'.slice(0, 1) + '\u0316\u0301\u0327'.repeat(count / 3);

/** The longest wait of another client for an ack during `act`, in milliseconds; Infinity when none came. */
async function delayDuring(server: Server, act: () => Promise<unknown>): Promise<number> {
  const witness = await connect(server, 'witness', 'witness');
  await witness.until(joined);
  let longest = 0;
  let isOver = false;
  const acting = act()
    .catch(() => {})
    .finally(() => {
      isOver = true;
    });
  try {
    do {
      const id = crypto.randomUUID();
      const start = performance.now();
      witness.send({ type: 'message', content: 'x', id });
      await witness.until((frame) => frame.type === 'ack' && frame.id === id);
      longest = Math.max(longest, performance.now() - start);
      await Bun.sleep(5);
    } while (!isOver);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
  await acting;
  witness.close();
  return longest;
}

const json = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
const ask = async (server: Server, path: string, body?: string) => {
  const init = body === undefined ? {} : { method: 'POST', body };
  const reply = await fetch(server.http + path, {
    ...init,
    headers: json,
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return reply.arrayBuffer();
};
const joinAll = async (server: Server, count: number, more: object) => {
  const clients = await Promise.all(times(count, () => connect(server, 'reader', 'large', more)));
  await Promise.all(clients.map((client) => client.until(joined)));
  for (const client of clients) client.close();
};

/** A room and sixty more, full of messages as large as can be. */
async function fill(server: Server): Promise<void> {
  const writer = await connect(server, 'reader', 'large');
  await writer.until(joined);
  for (let n = 0; n < 300; n++) {
    writer.send({ type: 'message', ...LARGE, id: `${n}` });
    if (n % 20 === 19) await writer.until(({ type, id }) => type === 'ack' && id === `${n}`);
  }
  for (let n = 0; n < 60; n++) {
    writer.send({ type: 'join', username: 'reader', room: `own-${n}`, protocol: 1 });
    await writer.until(joined);
    writer.send({ type: 'message', ...LARGE, room: `own-${n}`, id: `o${n}` });
    await writer.until(({ type, id }) => type === 'ack' && id === `o${n}`);
  }
  writer.close();
}

const cases: [
  what: string,
  env: Record<string, string>,
  act: (server: Server) => Promise<unknown>,
  before?: (server: Server) => Promise<void>,
][] = [
  [
    'a name of 131,000 marks, over REST',
    {},
    (server) => ask(server, '/users', JSON.stringify({ username: marks(131_000) })),
  ],
  [
    'a name of 20,000 marks, in a join',
    {},
    async (server) => {
      const client = await connect(server, marks(20_000), 'x');
      await client.until(({ type }) => type === 'error');
    },
  ],
  [
    '60 contents of 4,000 marks',
    {},
    async (server) => {
      const client = await connect(server, 'marks', 'x');
      await client.until(joined);
      for (let n = 0; n < 60; n++)
        client.send({ type: 'message', content: marks(3999), id: `${n}` });
      await client.until(({ id }) => id === '59');
    },
  ],
  [
    'a ping with JSON 30,000 deep, 5 times',
    {},
    async (server) => {
      const client = await connect(server, 'deep', 'x');
      await client.until(joined);
      const sentAt = '['.repeat(30_000) + ']'.repeat(30_000);
      for (let n = 0; n < 5; n++) {
        client.send(`{"type":"ping","sentAt":${sentAt},"id":"${n}"}`);
      }
      await client.until(({ id }) => id === '4');
    },
  ],
  [
    'a body of JSON 20,000 deep',
    {},
    (server) => ask(server, '/users', `{"username":${'['.repeat(20_000)}${']'.repeat(20_000)}}`),
  ],
  [
    '50 joins from the beginning of large messages',
    {},
    (server) => joinAll(server, 50, { since: 0 }),
    fill,
  ],
  [
    '40 × GET /messages?limit=100 of them',
    {},
    (server) => Promise.all(times(40, () => ask(server, '/messages?room=large&limit=100'))),
    fill,
  ],
  [
    '20 × GET /me/rooms?limit=1000 of 60 rooms',
    {},
    (server) => Promise.all(times(20, () => ask(server, '/me/rooms?username=reader&limit=1000'))),
    fill,
  ],
  [
    '60 connections × 600 messages at default limits',
    { MESSAGE_RATE: '20' },
    // In a process of its own: its work, and reading 144,000 frames, must not count as delay.
    (server) =>
      runScript('burst-senders.ts', { url: `${server.ws}/ws`, clients: 60, messages: 600 }),
  ],
];

/** @param root the folder of the server */
export async function hostile(root = new URL('../', import.meta.url).pathname): Promise<Result[]> {
  const results: Result[] = [];
  console.log('| input | delay of others, ms | memory, MiB |\n| --- | ---: | ---: |');
  for (const [what, env, act, before] of cases) {
    const server = await startServer({ DATA_DIR: 'memory', API_KEY: key, ...env }, [
      process.execPath,
      `${root}/src/index.ts`,
    ]);
    await before?.(server);
    const calm = await delayDuring(server, () => Bun.sleep(1000));
    const start = memoryOf(server.pid);
    let most = start;
    const watch = setInterval(() => {
      most = Math.max(most, memoryOf(server.pid));
    }, 50);
    const delay = await delayDuring(server, () => act(server));
    clearInterval(watch);
    const shown = Number.isFinite(delay) ? Math.round(delay).toLocaleString('en') : '> 30,000';
    console.log(`| ${what} | ${shown} | ${Math.round(start)} → ${Math.round(most)} |`);
    process.kill(server.pid, 'SIGKILL');
    results.push({
      what: `longest ack of others, ms, beside ${what}`,
      value: delay,
      peer: calm,
      peerName: 'the same before it',
      aim: '',
    });
  }
  return results;
}

if (import.meta.main) {
  await hostile(process.argv[2]);
  process.exit();
}
