import { afterAll, expect, test } from 'bun:test';
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { visitor } from '../support/browser.ts';
import { emptyPage, site } from '../support/pages.ts';
import { temporaryFolder } from '../support/process.ts';
import { fresh, startServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const root = join(import.meta.dirname, '../..');
const examples = join(root, 'examples');
const read = (name: string) => readFileSync(join(examples, name), 'utf8');

const API_KEY = 'key-of-a-back-end';
const server = await startServer({ apiKey: API_KEY });
const DEFAULT_URL = /http:\/\/localhost:3000/g;
const here = (text: string) => text.replaceAll(DEFAULT_URL, server.url);

/** The address that a program prints when it serves. */
const ADDRESS = /http:\/\/localhost:\d+/;

/** A page of the examples, opened by somebody of this name. */
async function open(name: string, username = ''): Promise<Page> {
  const page = await emptyPage(site({ [`/${name}`]: here(read(name)) }));
  page.on('dialog', (dialog) => void dialog.accept(username));
  await page.goto(`/${name}`);
  return page;
}

/** A program of the examples. */
function run(name: string, ...args: string[]): Bun.Subprocess {
  const child = Bun.spawn([process.execPath, join(examples, name), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', API_KEY, CHAT_URL: server.url },
    stdout: 'ignore',
    stderr: 'inherit',
  });
  afterAll(() => child.kill());
  return child;
}

/** A user in a room, with the messages there. */
async function inRoom(username: string, room: string) {
  const client = await server.enter(username, room);
  const say = (content: string) => client.send({ type: 'message', room, content });
  const hears = (content: RegExp) =>
    client.until((frame) => frame.type === 'message' && content.test(frame.content));
  return { say, hears };
}

test('every example is listed, and everything listed is there', () => {
  const listed = [...read('README.md').matchAll(/\[`([^`]+?)\/?`\]/g)].map(([, name]) => name);
  const there = readdirSync(examples).filter((name) => name !== 'README.md');
  expect(listed.toSorted()).toEqual(there.toSorted());
});

test('a bot of less than 20 lines rolls dice, and another one greets users who join', async () => {
  for (const bot of ['dice-bot.mjs', 'welcome-bot.ts']) {
    expect(read(bot).split('\n').length).toBeLessThan(20);
    run(bot);
  }
  const ana = await inRoom(fresh('ana'), 'general');
  await until('both are there', async () => {
    const active = await (await server.fetch('/users/active')).json();
    return active.includes('dice') && active.includes('welcome');
  });
  ana.say('/roll');
  await ana.hears(/^ana\S* rolls [1-6] and [1-6]$/);
  const ben = fresh('ben');
  await (await inRoom(ben, 'general')).hears(new RegExp(`^Hello ${ben}! There are \\d+ of us.$`));
}, 60_000);

test('prices and figures of the server are shown live, and only those from the back end', async () => {
  const [ticker, dashboard] = [await open('ticker.html'), await open('dashboard.html')];
  run('ticker.mjs');
  run('dashboard.mjs');
  await ticker.waitForSelector('tr.up:has-text("ACME"), tr.down:has-text("ACME")');
  const price = () => ticker.textContent('tr:first-child td:last-child');
  const first = await price();
  expect(first).toMatch(/^\d+\.\d\d$/);
  await until('another price', async () => (await price()) !== first);
  await dashboard.waitForSelector('label:has-text("memory") polyline');
  expect(
    Number(await dashboard.textContent('label:has-text("connections") output')),
  ).toBeGreaterThan(1);

  const guest = await server.enter(fresh('guest'), 'stocks');
  guest.send({ type: 'event', room: 'stocks', name: 'prices', data: { FAKE: 1 }, id: 'e' });
  await guest.untilType('ack');
  const shown = await price();
  await until('another price', async () => (await price()) !== shown);
  expect(await ticker.textContent('table')).not.toContain('FAKE');
}, 60_000);

test('a game of two players survives a reload, and refuses invalid moves', async () => {
  const [ana, ben] = [fresh('ana'), fresh('ben')];
  const first = await open('game.html', ana);
  const second = await open('game.html', ben);
  await second.goto(`/game.html${new URL(first.url()).hash}`);
  await second.reload();
  const board = (page: Page) =>
    page.evaluate(() =>
      [...document.querySelectorAll('button')]
        .map(({ textContent }) => textContent || '.')
        .join(''),
    );
  const shows = (page: Page, cells: string) =>
    until(cells, async () => (await board(page)) === cells);
  const move = (page: Page, cell: number) => page.click(`button:nth-child(${cell + 1})`);

  await move(first, 0);
  await shows(second, 'X........');
  await move(second, 4);
  await shows(first, 'X...O....');
  // Not their turn, and a cell that is taken.
  await move(second, 8);
  await move(first, 4);
  await move(first, 1);
  await shows(second, 'XX..O....');
  await first.reload();
  await shows(first, 'XX..O....');
  await move(second, 8);
  await shows(first, 'XX..O...O');
  await move(first, 2);
  for (const page of [first, second]) {
    await page.waitForSelector(`p:has-text("${ana} has won")`);
    await shows(page, 'XXX.O...O');
  }
}, 60_000);

test('a back end notifies an offline user and an online one', async () => {
  const ana = fresh('ana');
  await server.post('/users', { username: ana });
  expect(await run('notify.mjs', ana, 'Your order is on its way').exited).toBe(0);
  const page = await open('notifications.html', ana);
  await page.waitForSelector('li:has-text("Your order is on its way")');
  expect(await run('notify.mjs', ana, 'It is at your door').exited).toBe(0);
  await page.waitForSelector('li:first-child:has-text("It is at your door")');
  expect(await page.title()).toBe('It is at your door');
  expect(await page.textContent('output')).toBe('2');
  await page.click('li:first-child');
  await until('it is read', async () => (await page.textContent('output')) === '1');
}, 60_000);

test('an echo comes by WebSocket and by SSE, with the time it took', async () => {
  const page = await open('latency.html');
  for (const text of ['one', 'two']) {
    await page.fill('input', text);
    await page.press('input', 'Enter');
    const row = `tr:has-text("${text}")`;
    await until('it is there by all ways', async () => {
      const cells = await page.locator(`${row} td`).allTextContents();
      return cells.length === 4 && cells.slice(1).every((cell) => /^\d+\.\d ms$/.test(cell));
    });
  }
}, 60_000);

test('the chat in React runs with its own start command, and hot reload keeps its socket', async () => {
  const project = temporaryFolder();
  for (const part of ['client', 'examples/react-chat', 'src', 'tsconfig.json', 'package.json']) {
    cpSync(join(root, part), join(project, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'));
  const file = (name: string) => join(project, 'examples/react-chat', name);
  writeFileSync(file('main.tsx'), here(read('react-chat/main.tsx')));
  const child = Bun.spawn([process.execPath, '--port=0', 'examples/react-chat/index.html'], {
    cwd: project,
    stdout: 'pipe',
    stderr: 'inherit',
  });
  afterAll(() => child.kill());
  let text = '';
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream() as never)) {
    text += chunk;
    if (ADDRESS.test(text)) break;
  }
  const [base = ''] = ADDRESS.exec(text) ?? [];

  const ana = fresh('ana');
  const { page } = await visitor('about:blank', base);
  const sockets: string[] = [];
  page.on('websocket', (socket) => socket.url().endsWith('/ws') && sockets.push(socket.url()));
  page.on('dialog', (dialog) => void dialog.accept(ana));
  await page.goto(base);
  await page.waitForSelector('p:has-text("Connected")');
  const ben = await inRoom(fresh('ben'), 'general');
  await page.fill('input', 'Hello');
  await page.press('input', 'Enter');
  await ben.hears(/^Hello$/);
  await page.waitForSelector('li:has-text("Hello sent")');
  ben.say('Hello yourself');
  await page.waitForSelector('li:has-text("Hello yourself")');

  writeFileSync(file('Chat.tsx'), read('react-chat/Chat.tsx').replace('Connected', 'Here we are'));
  await page.waitForSelector('p:has-text("Here we are")');
  expect(await page.locator('li:has-text("Hello yourself")').count()).toBe(1);
  expect(sockets.length).toBe(1);
}, 60_000);
