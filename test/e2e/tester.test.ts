import { describe, expect, test } from 'bun:test';
import type { Page } from 'playwright-core';
import { visitor } from '../support/browser.ts';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();

async function join(page: Page, username: string, room: string): Promise<void> {
  await page.getByLabel('Name').fill(username);
  await page.getByLabel('Room').fill(room);
  await page.getByRole('button', { name: 'Connect' }).click();
  await page.locator('#status', { hasText: `Connected as ${username}` }).waitFor();
}

async function say(page: Page, content: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(content);
  await page.getByRole('button', { name: 'Send' }).click();
}

const line = (page: Page, text: string) => page.locator('#messages li', { hasText: text });
const people = (page: Page) => page.locator('#people li');

describe('the tester page', () => {
  test('two browsers see each other’s messages, joins and leaves', async () => {
    const room = fresh('room');
    const ana = await visitor('/test', server.url);
    const ben = await visitor('/', server.url);
    expect(new URL(ben.page.url()).pathname).toBe('/test');

    await join(ana.page, 'ana', room);
    await join(ben.page, 'ben', room);
    await line(ana.page, 'ben joined the chat').waitFor();
    await people(ana.page).getByText('ben').waitFor();
    expect(await people(ana.page).allTextContents()).toEqual(['ana', 'ben']);

    await say(ana.page, 'Hello Ben');
    await line(ben.page, 'Hello Ben').waitFor();
    await say(ben.page, 'Hello Ana');
    await line(ana.page, 'Hello Ana').waitFor();
    const own = ana.page.locator('#messages .own');
    expect(await own.locator('p').allTextContents()).toEqual(['Hello Ben']);

    await ben.page.getByRole('button', { name: 'Disconnect' }).click();
    await line(ana.page, 'ben left the chat').waitFor();
    await people(ana.page).getByText('ben').waitFor({ state: 'detached' });

    // One who closes the window is seen to leave too.
    await join(ben.page, 'ben', room);
    await line(ben.page, 'Hello Ana').waitFor();
    await ben.page.close();
    await line(ana.page, 'ben left the chat').nth(1).waitFor();
    expect(ana.complaints).toEqual([]);
    expect(ben.complaints).toEqual([]);
  });

  test('what others write is shown as text, whatever it is', async () => {
    const room = fresh('room');
    const { page, complaints } = await visitor('/test', server.url);
    await join(page, 'ana', room);
    const hostile = '<img src=x onerror="document.title=\'owned\'"><script>alert(1)</script>';
    await say(page, hostile);
    await line(page, 'onerror').waitFor();
    expect(await page.locator('#messages .message p').textContent()).toBe(hostile);
    expect(await page.title()).toBe('ws-chat');
    expect(complaints).toEqual([]);
  });

  test('a name that the server refuses is explained, and can be corrected', async () => {
    const { page } = await visitor('/test', server.url);
    await page.getByLabel('Name').fill('two words');
    await page.getByRole('button', { name: 'Connect' }).click();
    await line(page, '"username" must be a name').waitFor();
    await page.locator('#status', { hasText: 'Not connected' }).waitFor();
    await join(page, 'ana', fresh('room'));
  });

  test('a name is made an account, and from then on only its password lets one in', async () => {
    const name = fresh('u');
    const room = fresh('room');
    const ana = await visitor('/test', server.url);
    const fill = async (page: Page, password: string) => {
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('Room').fill(room);
      await page.getByLabel('Password').fill(password);
    };
    await fill(ana.page, 'short');
    await ana.page.getByRole('button', { name: 'Create account' }).click();
    await line(ana.page, '8 to 256 characters').waitFor();
    await fill(ana.page, 'correct horse battery');
    await ana.page.getByRole('button', { name: 'Create account' }).click();
    await ana.page.locator('#status', { hasText: `Connected as ${name}` }).waitFor();
    await say(ana.page, 'This is me');
    await line(ana.page, 'This is me').waitFor();
    const frames = (await ana.page.locator('#frames').textContent()) ?? '';
    expect(frames).toContain('"token":"eyJhbGci…"');

    const other = await visitor('/test', server.url);
    await fill(other.page, '');
    await other.page.getByRole('button', { name: 'Connect' }).click();
    await line(other.page, 'This name is an account’s').waitFor();
    await fill(other.page, 'a wrong password');
    await other.page.getByRole('button', { name: 'Connect' }).click();
    await line(other.page, 'Wrong name or password').waitFor();
    await other.page.getByRole('button', { name: 'Create account' }).click();
    await line(other.page, 'is an account; choose another name').waitFor();
    await fill(other.page, 'correct horse battery');
    await other.page.getByRole('button', { name: 'Connect' }).click();
    await other.page.locator('#status', { hasText: `Connected as ${name}` }).waitFor();

    // Signed out everywhere: both windows say so.
    const session = { username: name, password: 'correct horse battery' };
    const { token } = await (await server.post('/sessions', session)).json();
    await server.request('DELETE', '/sessions', token);
    for (const { page } of [ana, other]) {
      await page.locator('#status', { hasText: 'The token has been ended' }).waitFor();
    }
  });

  test('a server that stops is told apart from a wanted end', async () => {
    const passing = await startServer();
    const { page } = await visitor('/test', passing.url);
    await join(page, 'ana', fresh('room'));
    await passing.stop();
    await page.locator('#status', { hasText: 'The server is restarting' }).waitFor();
  });

  test('it fits a phone: nothing is wider than the screen, and the message box is in view', async () => {
    const { page } = await visitor('/test', server.url);
    await page.setViewportSize({ width: 360, height: 640 });
    await join(page, 'a'.repeat(32), fresh('room'));
    await say(page, 'x'.repeat(500));
    await line(page, 'xxx').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    const box = await page.getByRole('button', { name: 'Send' }).boundingBox();
    expect((box?.y ?? 999) + (box?.height ?? 0)).toBeLessThan(640);
  });
});

describe('Swagger UI', () => {
  test('shows every route and tries them out, with no other host', async () => {
    const { page, complaints } = await visitor('/swagger', server.url);
    await page.getByText('The most recent messages of a room').waitFor();
    const routes = await page.locator('.opblock-summary-path').allTextContents();
    expect(routes).toHaveLength(37);

    const room = fresh('room');
    await server.join('ana', room);
    await page.getByText('Say something', { exact: true }).click();
    const block = page.locator('.opblock-post', { hasText: '/messages' });
    await block
      .locator('textarea')
      .fill(JSON.stringify({ username: 'ana', content: 'tried', room }));
    await block.getByRole('button', { name: 'Execute' }).click();
    await block.locator('.live-responses-table .response-col_status', { hasText: '201' }).waitFor();
    expect(await (await server.fetch(`/messages?room=${room}`)).json()).toMatchObject([
      { content: 'tried' },
    ]);

    await page.getByText('The most recent messages of a room').click();
    const list = page.locator('.opblock-get', { hasText: '/messages' });
    await list.locator('tr', { hasText: 'room' }).first().locator('input').fill(room);
    await list.getByRole('button', { name: 'Execute' }).click();
    await list.locator('.live-responses-table', { hasText: 'tried' }).waitFor();

    const name = fresh('u');
    await page.getByRole('button', { name: 'Authorize' }).click();
    await page.locator('.auth-container input').fill(await server.register(name));
    await page.locator('.auth-container').getByRole('button', { name: 'Apply' }).click();
    await page.getByRole('button', { name: 'Close' }).click();
    await block
      .locator('textarea')
      .fill(JSON.stringify({ username: name, content: 'as an account', room }));
    await block.getByRole('button', { name: 'Execute' }).click();
    await block.locator('.live-responses-table', { hasText: 'as an account' }).waitFor();
    expect(complaints).toEqual([]);
  });
});
