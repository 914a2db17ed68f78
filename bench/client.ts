/**
 * The client library: messages a second through it into an application, beside socket.io-client and
 * centrifuge-js, each fed one message a frame by a server that does nothing else; and how often a list in
 * React renders for a message, beside the hook with `useState` that tutorials show.
 */
import type { Page } from 'playwright-core';
import { ChatClient } from '../client/index.ts';
import { bundle } from '../test/support/bundle.ts';
import { launch } from '../test/support/chromium.ts';
import type { bench as Bench } from './react-page.tsx';
import type { Library } from './receiver.ts';
import type { Result } from './result.ts';
import { inTurns, runScript, type Scale, startServer } from './support.ts';

declare const bench: typeof Bench;

const MESSAGES = 100_000;
/** Messages for the list in React, first each after the one before was shown, then all at once. */
const ONE_BY_ONE = 100;
const BURST = 1000;

async function perSecond(library: Library): Promise<number> {
  const replayer = [process.execPath, 'bench/peers/replayer.ts', String(MESSAGES)];
  const server = await startServer({}, replayer, 0);
  const input = { url: server.http, library, count: MESSAGES };
  const result = await runScript<{ perSecond: number }>('receiver.ts', input, 1);
  await server.stop();
  return result.perSecond;
}

interface Renders {
  oneByOne: number;
  burst: number;
  lines: number;
}

/** Counts renders for each message. */
async function renders(page: Page, url: string, isHook: boolean): Promise<Renders> {
  const room = isHook ? 'hook' : 'state';
  const ben = new ChatClient(url, { username: 'ben', burst: Number.POSITIVE_INFINITY });
  const said = ben.room(room);
  await page.reload();
  await page.evaluate(([url, room, isHook]) => bench.show(url, room, isHook), [
    url,
    room,
    isHook,
  ] as const);
  const shows = (count: number) =>
    page.waitForFunction((count) => bench.counts.shown >= count, count, { polling: 20 });
  await said.send('The first');
  while (said.userCount < 2) await Bun.sleep(20);
  await said.send('The second');
  await shows(1);
  const shown = () => page.evaluate(() => ({ ...bench.counts }));

  const before = await shown();
  for (let n = 1; n <= ONE_BY_ONE; n++) {
    await said.send(`message ${n}`);
    await shows(before.shown + n);
  }
  const between = await shown();
  await Promise.all(Array.from({ length: BURST }, (_, n) => said.send(`message ${n}`)));
  await shows(between.shown + BURST);
  const after = await shown();
  ben.close();
  return {
    oneByOne: (between.list - before.list) / ONE_BY_ONE,
    burst: (after.list - between.list) / BURST,
    lines: (after.lines - before.lines) / (ONE_BY_ONE + BURST),
  };
}

/** Opens a page with the components, and a server, for the time of `use`. */
async function inBrowser<T>(use: (page: Page, url: string) => Promise<T>): Promise<T> {
  const script = await bundle('bench/react-page.tsx');
  const site = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ url }) =>
      url.endsWith('.js')
        ? new Response(script, { headers: { 'content-type': 'text/javascript' } })
        : new Response(
            '<!doctype html><body></body><script type="module" src="/page.js"></script>',
            {
              headers: { 'content-type': 'text/html' },
            },
          ),
  });
  const server = await startServer({ DATA_DIR: 'memory' });
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${site.port}`);
    return await use(page, server.http);
  } finally {
    await browser.close();
    await server.stop();
    await site.stop(true);
  }
}

export async function client({ rounds }: Scale): Promise<Result[]> {
  const rates = await inTurns<Library>(rounds, {
    ours: () => perSecond('ours'),
    'socket.io-client': () => perSecond('socket.io-client'),
    'centrifuge-js': () => perSecond('centrifuge-js'),
  });
  const { hook, state } = await inBrowser(async (page, url) => ({
    hook: await renders(page, url, true),
    state: await renders(page, url, false),
  }));
  const value = rates.ours;
  const through = { what: 'messages/s through the client library', value, aim: '≥ 1' };
  const peerName = 'useState and a listener';
  return [
    { ...through, peer: rates['socket.io-client'], peerName: 'socket.io-client' },
    { ...through, peer: rates['centrifuge-js'], peerName: 'centrifuge-js' },
    {
      what: 'renders of a list in React per message, one by one',
      value: hook.oneByOne,
      peer: state.oneByOne,
      peerName,
      aim: '1 render',
    },
    {
      what: 'the same, a thousand at once',
      value: hook.burst,
      peer: state.burst,
      peerName,
      aim: '≤ 1 render',
    },
    {
      what: 'renders of a line per message',
      value: hook.lines,
      peer: state.lines,
      peerName,
      aim: '1 render',
    },
  ];
}
