import { afterAll, expect, test } from 'bun:test';
import type { Page } from 'playwright-core';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { visitor } from '../support/browser.ts';
import { bundle } from '../support/bundle.ts';
import { site } from '../support/pages.ts';
import { App, type probe as Probe, type ProbeProps } from '../support/react-probe.tsx';
import { fresh, startServer } from '../support/server.ts';
import { until } from '../support/until.ts';

declare const probe: typeof Probe;

const server = await startServer({ apiKey: 'key-of-a-back-end' });
const script = await bundle('test/support/react-probe.tsx');

/** A page with the components, and the frames between it and the server. */
async function open(html = '') {
  const base = site({ '/': `<!doctype html><title>React</title><body>${html}</body>` });
  const { page, complaints } = await visitor('about:blank', server.url);
  let sockets = 0;
  const sent: { type: string; room?: string }[] = [];
  page.on('websocket', (socket) => {
    sockets++;
    socket.on('framesent', ({ payload }) => sent.push(JSON.parse(`${payload}`)));
    socket.on('close', () => sockets--);
  });
  await page.goto(base);
  await page.addScriptTag({ content: script, type: 'module' });
  const count = (type: string, room: string) =>
    sent.filter((frame) => frame.type === type && frame.room === room).length;
  // The page itself is of another origin.
  const faults = () => complaints.filter((text) => !text.startsWith('http://127.0.0.1'));
  return { page, sockets: () => sockets, count, faults };
}

const show = (page: Page, props: ProbeProps) => page.evaluate((props) => probe.show(props), props);

const renders = (page: Page, name: string) =>
  page.evaluate((name) => probe.renders[name] ?? 0, name);

const text = (page: Page, id: string) => page.textContent(`[id="${id}"]`);

const isLive = (page: Page) => until('live', async () => (await text(page, 'status')) === 'live');

test('in strict mode there is one socket, a room is entered once and left once, and shown again without either', async () => {
  const { page, sockets, count, faults } = await open();
  const [username, ben, room] = [fresh('ana'), fresh('ben'), fresh('room')];
  const props = { url: server.url, username, rooms: [room], isStrict: true };
  const other = await server.enter(ben, room);
  await show(page, props);
  await isLive(page);
  await until('both are there', async () => (await text(page, `people-${room}`))?.startsWith('2:'));
  other.send({ type: 'message', room, content: 'hi' });
  await page.waitForSelector('li:has-text("hi")');
  expect(await page.locator('li').count()).toBe(1);
  expect([sockets(), count('join', room), count('leave', room)]).toEqual([1, 1, 0]);

  // As a reload of the code does.
  await page.evaluate((props) => {
    probe.hide();
    probe.show(props);
  }, props);
  await page.waitForSelector('li:has-text("hi")');
  await show(page, { ...props, rooms: [] });
  await until('the room is left', () => count('leave', room) === 1);
  expect([sockets(), count('join', room)]).toEqual([1, 1]);
  expect(await other.untilType('presence')).toMatchObject({ status: 'online' });
  expect(await other.untilType('presence')).toMatchObject({ username, status: 'offline' });

  await page.evaluate(() => probe.hide());
  await until('the socket is closed', () => sockets() === 0);
  expect(faults()).toEqual([]);
}, 60_000);

test('a message renders once, and only in components that show messages of its room', async () => {
  const { page, faults } = await open();
  const [busy, quiet] = [fresh('busy'), fresh('quiet')];
  await show(page, { url: server.url, username: fresh('ana'), rooms: [busy, quiet] });
  await isLive(page);
  const ben = await server.enter(fresh('ben'), busy);
  await until('both are there', async () => (await text(page, `people-${busy}`))?.startsWith('2:'));
  await until('alone there', async () => (await text(page, `people-${quiet}`))?.startsWith('1:'));
  const names = ['messages', 'people', 'typing', 'unread'];
  const counts = (room: string) =>
    Promise.all(names.map((name) => renders(page, `${name} ${room}`)));
  const before = [await counts(busy), await counts(quiet), await renders(page, 'status')] as const;

  for (let n = 0; n < 20; n++) {
    ben.send({ type: 'message', room: busy, content: `message ${n}` });
    await page.waitForSelector(`li:has-text("message ${n}")`);
  }
  await until('all are unread', async () => (await text(page, `unread-${busy}`)) === '20');
  const [messages = 0, people = 0, typing = 0, unread = 0] = before[0];
  expect(await counts(busy)).toEqual([messages + 20, people, typing, unread + 20]);
  for (let n = 0; n < 20; n++) expect(await renders(page, `line message ${n} sent`)).toBe(1);

  ben.send({ type: 'typing', room: busy });
  await until('it shows', async () => (await text(page, `typing-${busy}`)) !== '');
  expect(await counts(busy)).toEqual([messages + 20, people, typing + 1, unread + 20]);
  expect(await counts(quiet)).toEqual(before[1]);
  expect(await renders(page, 'status')).toBe(before[2]);
  expect(faults()).toEqual([]);
}, 60_000);

test('a room of a discarded render is left again', async () => {
  const { page, count } = await open();
  const [room, suspended] = [fresh('room'), fresh('suspended')];
  await show(page, { url: server.url, username: fresh('ana'), rooms: [room], suspended });
  await isLive(page);
  await until('it is left', () => count('leave', suspended) === count('join', suspended));
  expect(count('join', room)).toBe(1);
  expect(count('leave', room)).toBe(0);
}, 60_000);

test('rendering on a server sends no request to the chat', async () => {
  const asked: string[] = [];
  const knocked = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ url }) => {
      asked.push(new URL(url).pathname);
      return new Response();
    },
  });
  afterAll(() => knocked.stop(true));
  const url = `http://127.0.0.1:${knocked.port}`;
  renderToString(createElement(App, { url, username: fresh('ana'), rooms: ['a', '@ben'] }));
  // Requests of the rendering would come before these.
  for (const path of ['/first', '/second']) await fetch(url + path);
  expect(asked).toEqual(['/first', '/second']);
});

test('server-rendered markup hydrates without a warning, and becomes live', async () => {
  const [username, room] = [fresh('ana'), fresh('room')];
  const ben = await server.enter(fresh('ben'), room);
  ben.send({ type: 'message', room, content: 'from before' });
  await ben.untilType('message');
  const props = { url: server.url, username, rooms: [room] };
  const html = renderToString(createElement(App, props));
  expect(html).toContain('connecting');
  expect(html).toContain(`<p id="people-${room}">0: </p>`);
  const { page, sockets, faults } = await open(html);
  await page.evaluate((props) => probe.hydrate(props), props);
  await page.waitForSelector('li:has-text("from before")');
  await isLive(page);
  expect(sockets()).toBe(1);
  expect(faults()).toEqual([]);
}, 60_000);

test('notifications that are first shown on an open connection arrive live', async () => {
  const { page, sockets, faults } = await open();
  const username = fresh('ana');
  const props = { url: server.url, username, rooms: [], hasBell: false };
  await show(page, props);
  await isLive(page);
  await show(page, { ...props, hasBell: true });
  await until('it is shown', async () => (await text(page, 'bell')) === '0: ');
  const notice = { to: [username], data: { text: 'The build is green' } };
  const notify = () => server.request('POST', '/notifications', 'key-of-a-back-end', notice);
  // The user is made by the first join.
  await until('it is sent', async () => (await notify()).status === 204);
  await until('it came', async () => (await text(page, 'bell')) === '1: notice');
  expect(sockets()).toBe(1);
  expect(faults()).toEqual([]);
}, 60_000);

test('notifications are loaded, arrive live, and are gone once they are read', async () => {
  const { page, faults } = await open();
  const username = fresh('ana');
  await server.post('/users', { username });
  const notify = async () => {
    const notice = { to: [username], data: { text: 'The build is green' } };
    const reply = await server.request('POST', '/notifications', 'key-of-a-back-end', notice);
    expect(reply.status).toBe(204);
  };
  await notify();
  // No room is shown: the client enters one by itself.
  await show(page, { url: server.url, username, rooms: [] });
  await until('it is loaded', async () => (await text(page, 'bell')) === '1: notice');
  await notify();
  await until('it came', async () => (await text(page, 'bell')) === '2: notice notice');
  await page.click('#bell');
  await until('it is read', async () => (await text(page, 'bell')) === '1: notice');
  expect(faults()).toEqual([]);
}, 60_000);
