import { afterAll, expect } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { buildClient } from '../../client/build.ts';
import { emptyPage, keptIn, site } from '../support/pages.ts';
import { dataFolder, temporaryFolder } from '../support/process.ts';
import { chooseSeed, seeded } from '../support/random.ts';
import { testWith } from '../support/services.ts';
import { unreliableServer } from '../support/unreliable-server.ts';
import { until } from '../support/until.ts';

const root = new URL('../../', import.meta.url).pathname;
const talker = join(root, 'test/support/talker.mjs');
const MESSAGES = 200;
const FAULTS = 6;

interface Talking {
  state(): { count: number; unsent: number; hasSaidAll: boolean; isLive: boolean };
  goOn(to: number): void;
  all(): { messages: { id?: number; content: string }[]; shown: number[]; errors: string[] };
}

/** Asks a talker, wherever it is. */
type Ask = <Name extends 'state' | 'all'>(name: Name) => Promise<ReturnType<Talking[Name]>>;

declare const talking: Talking;

/** The talker in a process of Node or Bun. */
function inProcess(command: string, what: object): Ask {
  const child = Bun.spawn([command, talker, JSON.stringify(what)], {
    cwd: root,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  afterAll(() => child.kill());
  const lines = child.stdout.pipeThrough(new TextDecoderStream() as never).getReader();
  let text = '';
  return async (name) => {
    child.stdin.write(`${name}\n`);
    child.stdin.flush();
    while (!text.includes('\n')) text += (await lines.read()).value;
    const end = text.indexOf('\n');
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    return JSON.parse(line);
  };
}

/** The talker in a page. */
async function inPage(page: Page, what: object & { url: string }): Promise<Ask> {
  const source = readFileSync(talker, 'utf8')
    .split('\nif (typeof process')[0]
    ?.replace('export ', '');
  await page.evaluate(
    async ([source, what]) => {
      const { ChatClient } = await import(`${what.url}/client.js`);
      const talk = new Function(`${source}\nreturn talk;`)();
      Object.assign(globalThis, { talking: talk(ChatClient, what) });
    },
    [source, what] as const,
  );
  return (name) => page.evaluate((name) => talking[name](), name) as never;
}

testWith({ 'node on the PATH': Bun.which('node') })(
  'in a browser, in Node and in Bun, everything said arrives once and in order, through faults and a killed tab',
  async () => {
    const random = seeded(chooseSeed('client runtimes'));
    const folder = temporaryFolder();
    const files = await buildClient('index', '');
    files.set('package.json', '{ "type": "module" }');
    for (const [path, text] of files) writeFileSync(join(folder, path), text);
    const settings = { DATA_DIR: await dataFolder(), PRESENCE_GRACE: '0' };
    const { proxy, faults, stop } = await unreliableServer(settings, random);
    const room = 'runtimes';
    const what = (username: string, from = 0, to = MESSAGES) => {
      return { url: proxy.url, options: { username }, room, from, to };
    };
    const library = join(folder, 'index.js');
    const node = inProcess('node', { ...what('node'), library });
    const bun = inProcess(process.execPath, { ...what('bun'), library });
    let page = await emptyPage(site({}));
    let browser = await inPage(page, what('browser', 0, MESSAGES / 4));

    const told: string[] = [];
    for (let n = 0; n < FAULTS; n++) {
      const fault = random.pick(Object.keys(faults) as (keyof typeof faults)[]);
      told.push(fault);
      await faults[fault]();
      await Bun.sleep(random.integer(200));
      if (n !== FAULTS / 2) continue;
      // The tab is killed in the middle of sending: some of it the server has, and the tab cannot know.
      await until('the tab is live', async () => (await browser('state')).unsent === 0, 30_000);
      await until('it can be kept', async () => (await keptIn(page)) >= 0, 30_000);
      for (const [fault, to] of [
        ['isMute', (MESSAGES * 3) / 8],
        ['isStalled', MESSAGES / 2],
      ] as const) {
        proxy[fault] = true;
        await page.evaluate((to) => talking.goOn(to), to);
        await until('it has said it', async () => (await browser('state')).hasSaidAll);
      }
      const { unsent } = await browser('state');
      expect(unsent).toBeGreaterThan(MESSAGES / 8);
      await until('what is unsent is kept', async () => (await keptIn(page)) >= unsent);
      const next = await page.context().newPage();
      await page.close();
      proxy.isAway = true;
      proxy.isMute = proxy.isStalled = false;
      proxy.isAway = false;
      await next.goto('/');
      await until('the server can be reached', () =>
        fetch(`${proxy.url}/health`).catch(() => false),
      );
      page = next;
      browser = await inPage(page, what('browser', MESSAGES / 2, MESSAGES));
    }
    console.log(`client runtimes: ${told.join(', ')}`);

    const all = <Name extends 'state' | 'all'>(name: Name) =>
      Promise.all([node(name), bun(name), browser(name)]);
    await until(
      'all is said and seen',
      async () =>
        (await all('state')).every(
          (state) =>
            state.hasSaidAll && state.isLive && state.unsent === 0 && state.count === 3 * MESSAGES,
        ),
      60_000,
    );
    const seen = await all('all');
    const expected = (username: string) =>
      Array.from({ length: MESSAGES }, (_, n) => `${username} ${n}`);
    for (const { messages, shown, errors } of seen) {
      expect(errors).toEqual([]);
      expect(messages.map(({ id }) => id)).toEqual(seen[0].messages.map(({ id }) => id));
      expect(new Set(shown).size).toBe(shown.length);
      for (const username of ['node', 'bun', 'browser']) {
        const said = messages.filter(({ content }) => content.startsWith(`${username} `));
        expect(said.map(({ content }) => content)).toEqual(expected(username));
      }
    }
    expect(await stop()).toBe(0);
  },
  120_000,
);
