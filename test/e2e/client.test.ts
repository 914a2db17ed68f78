import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import type { ChatClient, ChatOptions, Platform } from '../../client/index.ts';
import { flakyProxy } from '../support/flaky-proxy.ts';
import { emptyPage, freeze, keptIn, site } from '../support/pages.ts';
import { fresh, startServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const hello = read('examples/hello.html');

declare const chat: ChatClient;

/**
 * Loads the library into a page, and opens a chat there, as `chat`.
 *
 * @param speed how many times as fast as others its clock runs
 */
function open(page: Page, url: string, options: ChatOptions, speed = 1): Promise<void> {
  return page.evaluate(
    async ([url, options, speed]) => {
      const { ChatClient } = await import(`${url}/client.js`);
      const platform: Platform = {
        now: () => speed * Date.now(),
        random: Math.random,
        after: (delay, run) => {
          const timer = setTimeout(run, delay / speed);
          return () => clearTimeout(timer);
        },
        onWake: (run) => {
          addEventListener('online', run);
          document.addEventListener('resume', run);
          return () => {};
        },
      };
      const chat = new ChatClient(url, { ...options, ...(speed > 1 && { platform }) });
      Object.assign(globalThis, { chat });
    },
    [url, options, speed] as const,
  );
}

const contents = (page: Page, room: string) =>
  page.evaluate((room) => chat.room(room).messages.map(({ content }) => content), room);

const isLive = (page: Page, room: string) =>
  page.evaluate((room) => chat.room(room).status.state === 'live', room);

test('a chat in 15 lines of HTML works from an empty file', async () => {
  expect(hello.trimEnd().split('\n').length).toBeLessThanOrEqual(15);
  for (const readme of ['README.md', 'client/README.md']) expect(read(readme)).toContain(hello);
  const server = await startServer();
  const base = site({ '/hello': hello.replaceAll('http://localhost:3000', server.url) });
  const open = async (name: string) => {
    const page = await emptyPage(base);
    page.on('dialog', (dialog) => void dialog.accept(name));
    await page.goto('/hello');
    return page;
  };
  const [ana, ben] = [await open(fresh('ana')), await open(fresh('ben'))];
  await ana.fill('input', '<b>Hello</b>');
  await ana.press('input', 'Enter');
  await ben.waitForSelector('li:last-child:has-text("<b>Hello</b> (sent)")');
  await ana.waitForSelector('li:last-child:has-text("<b>Hello</b> (sent)")');
  expect(await ana.inputValue('input')).toBe('');
}, 60_000);

test('the unsent messages of a killed tab are sent by the next one, once and in order', async () => {
  const server = await startServer();
  const proxy = await flakyProxy(server.url);
  const [username, room] = [fresh('ana'), fresh('room')];
  const page = await emptyPage(site({}));
  await open(page, proxy.url, { username });
  await page.evaluate((room) => void chat.room(room), room);
  await until('live', () => isLive(page, room));
  await until('it can be kept', async () => (await keptIn(page)) >= 0);

  proxy.isStalled = true;
  await page.evaluate((room) => {
    for (let n = 0; n < 30; n++) void chat.room(room).send(`message ${n}`);
  }, room);
  await until('all are kept', async () => (await keptIn(page)) === 30);
  const next = await page.context().newPage();
  await page.close();
  proxy.isStalled = false;

  await next.goto('/');
  await open(next, proxy.url, { username });
  const all = Array.from({ length: 30 }, (_, n) => `message ${n}`);
  const stored = async () => {
    const messages = await (await server.fetch(`/messages?room=${room}&limit=100`)).json();
    return messages.map(({ content }: { content: string }) => content);
  };
  await until('all are stored', async () => (await stored()).length === 30);
  expect(await stored()).toEqual(all);
  await until('all are shown as sent', () =>
    next.evaluate(
      (room) =>
        chat
          .room(room)
          .messages.slice(-20)
          .every(({ state }) => state === 'sent'),
      room,
    ),
  );
}, 60_000);

test('a part of the library that could not be loaded when it was first needed is loaded when it can be', async () => {
  const server = await startServer();
  const room = fresh('room');
  const page = await emptyPage(site({}));
  let refused = 0;
  await page.route('**/client/*.js', (route) => {
    refused += 1;
    return route.abort();
  });
  await open(page, server.url, { username: fresh('ana') });
  await page.evaluate((room) => void chat.room(room).send('hi'), room);
  await until('live', () => isLive(page, room));
  await until('the same was asked for twice', () => refused > 2);
  await page.unroute('**/client/*.js');
  await until('it can be kept', async () => (await keptIn(page)) >= 0);
  const changed = await page.evaluate(async (room) => {
    const message = await chat.room(room).send('there');
    await chat.room(room).edit(message, 'here');
    return chat.room(room).messages.map(({ content }) => content);
  }, room);
  expect(changed).toEqual(['hi', 'here']);
}, 60_000);

test('two users of one browser, who are identified by their tokens alone, do not share a connection', async () => {
  const server = await startServer();
  const [ana, ben, room] = [fresh('ana'), fresh('ben'), fresh('room')];
  const tokens = [await server.register(ana), await server.register(ben)];
  const base = site({});
  const first = await emptyPage(base);
  const tabs = [first, await first.context().newPage()];
  for (const [n, tab] of tabs.entries()) {
    await tab.goto(base);
    await open(tab, server.url, { token: `${tokens[n]}`, shareTabs: true });
    await tab.evaluate((room) => chat.room(room).send('hi'), room);
  }
  expect(await Promise.all(tabs.map((tab) => tab.evaluate(() => chat.username)))).toEqual([
    ana,
    ben,
  ]);
  const stored = await (await server.fetch(`/messages?room=${room}`)).json();
  expect(stored.map(({ username }: Record<string, string>) => username)).toEqual([ana, ben]);
}, 60_000);

test('two users of one browser, who are identified by their tokens alone, do not share an outbox', async () => {
  const server = await startServer();
  const proxy = await flakyProxy(server.url);
  const [ana, ben, room] = [fresh('ana'), fresh('ben'), fresh('room')];
  const tokens = [await server.register(ana), await server.register(ben)] as const;
  const anas = await emptyPage(site({}));
  await open(anas, proxy.url, { token: tokens[0] });
  await anas.evaluate((room) => void chat.room(room), room);
  await until('live', () => isLive(anas, room));
  await until('it can be kept', async () => (await keptIn(anas)) >= 0);

  const bens = await anas.context().newPage();
  await bens.goto('/');
  await open(bens, server.url, { token: tokens[1] });
  await bens.evaluate((room) => chat.room(room).send('of ben'), room);
  expect(await bens.evaluate(() => chat.username)).toBe(ben);

  proxy.isStalled = true;
  await anas.evaluate((room) => void chat.room(room).send('of ana'), room);
  await until('it is kept', async () => (await keptIn(anas)) === 1);
  await anas.close();
  await bens.reload();
  proxy.isAway = true;
  proxy.isStalled = proxy.isAway = false;
  for (const [n, token] of [tokens[1], tokens[0]].entries()) {
    await open(bens, proxy.url, { token });
    await bens.evaluate(([room, n]) => chat.room(room).send(`next ${n}`), [room, n] as const);
    if (n === 0) await bens.reload();
  }
  const stored = await (await server.fetch(`/messages?room=${room}`)).json();
  expect(
    stored.map(({ username, content }: Record<string, string>) => `${username}: ${content}`),
  ).toEqual([`${ben}: of ben`, `${ben}: next 0`, `${ana}: of ana`, `${ana}: next 1`]);
}, 60_000);

test('all tabs of a page share one socket, which another tab takes over when its tab is closed', async () => {
  const server = await startServer();
  const proxy = await flakyProxy(server.url);
  const [username, room] = [fresh('ana'), fresh('room')];
  const first = await emptyPage(site({}));
  const tabs = [first, await first.context().newPage(), await first.context().newPage()];
  for (const tab of tabs) {
    await tab.goto(first.url());
    await open(tab, proxy.url, { username, shareTabs: true, backoff: { first: 50 } });
    await tab.evaluate((room) => void chat.room(room, { since: 0 }), room);
    await until('live', () => isLive(tab, room));
  }
  const sockets = () => server.fetch('/users/active').then(() => proxy.sockets());
  expect(await sockets()).toBe(1);
  for (const [n, tab] of tabs.entries()) {
    await tab.evaluate(([room, n]) => chat.room(room).send(`from ${n}`), [room, n] as const);
  }
  const expected = ['from 0', 'from 1', 'from 2'];
  for (const tab of tabs) {
    await until('all of them', async () => (await contents(tab, room)).length === 3);
    expect(await contents(tab, room)).toEqual(expected);
  }
  // The one that has the socket sends, and is gone before there is an answer.
  await first.evaluate((room) => void chat.room(room).send('last words'), room);
  await first.close();
  const rest = tabs.slice(1);
  const [second] = rest as [Page];
  await second.evaluate((room) => chat.room(room).send('from the second'), room);
  for (const tab of rest) {
    await until('what came since', async () =>
      (await contents(tab, room)).includes('from the second'),
    );
  }
  expect(await sockets()).toBe(1);
  const seen = await contents(second, room);
  expect(new Set(seen).size).toBe(seen.length);
}, 60_000);

test('when the tab with the shared socket freezes, another one takes over, and there is a single socket again when it wakes', async () => {
  const server = await startServer();
  const proxy = await flakyProxy(server.url);
  const [username, room] = [fresh('ana'), fresh('room')];
  const first = await emptyPage(site({}));
  const second = await first.context().newPage();
  await second.goto(first.url());
  const tabs = [first, second];
  for (const tab of tabs) {
    await open(tab, proxy.url, { username, shareTabs: true, transport: 'websocket' }, 10);
    await tab.evaluate((room) => void chat.room(room, { since: 0 }), room);
    await until('live', () => isLive(tab, room));
  }
  const wake = await freeze(first);
  await second.evaluate((room) => chat.room(room).send('while it was frozen'), room);
  await wake();
  await first.evaluate((room) => chat.room(room).send('awake'), room);
  for (const tab of tabs) {
    await until('both messages', async () => (await contents(tab, room)).length === 2);
    expect(await contents(tab, room)).toEqual(['while it was frozen', 'awake']);
  }
  await until('one socket', () => proxy.sockets() === 1);
}, 60_000);

test('a page that was frozen or had no network is live again at once, without a second socket', async () => {
  const server = await startServer();
  const proxy = await flakyProxy(server.url);
  const [username, room] = [fresh('ana'), fresh('room')];
  const page = await emptyPage(site({}));
  await open(page, proxy.url, { username, backoff: { first: 60_000, most: 60_000 } });
  await page.evaluate((room) => void chat.room(room, { since: 0 }), room);
  await until('live', () => isLive(page, room));
  const say = (content: string) => server.post('/messages', { username, room, content });

  const wake = await freeze(page);
  for (let n = 0; n < 50; n++) await say(`frozen ${n}`);
  // The connection does not outlive it, and the page does not see that.
  proxy.isAway = true;
  proxy.isAway = false;
  await wake();
  await until('what came meanwhile', async () => (await contents(page, room)).length === 50);
  expect(proxy.sockets()).toBe(1);

  proxy.isAway = true;
  await until('it is noticed', () => page.evaluate(() => chat.status.state === 'reconnecting'));
  await say('offline');
  proxy.isAway = false;
  // The network is back long before the next try.
  await page.evaluate(() => void dispatchEvent(new Event('online')));
  await until('the rest', async () => (await contents(page, room)).length === 51);
  expect(proxy.sockets()).toBe(1);
  expect(await page.evaluate(() => chat.status.state)).toBe('live');
}, 60_000);
