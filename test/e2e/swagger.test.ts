import { describe, expect, test } from 'bun:test';
import { visitor } from '../support/browser.ts';
import { fresh, startServer } from '../support/server.ts';

const server = await startServer();

describe('Swagger UI', () => {
  test('is dark where the system is, fits a phone, leads back to the tester, and starts no stream', async () => {
    const { page, complaints } = await visitor('/swagger', server.url);
    await page.getByText('Stream a room as Server-Sent Events').waitFor();
    const isDark = () =>
      page.evaluate(() => {
        const colour = getComputedStyle(document.body).backgroundColor;
        return Math.max(...(colour.match(/\d+/g) ?? []).map(Number)) < 64;
      });
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await isDark()).toBe(false);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await isDark()).toBe(true);
    await page.waitForSelector('html.dark-mode');

    await page.setViewportSize({ width: 375, height: 700 });
    await page.getByText('Stream a room as Server-Sent Events').click();
    const stream = page.locator('.opblock-get', { hasText: '/events' });
    await stream.getByText('takes precedence over').waitFor();
    expect(await stream.getByRole('button', { name: 'Execute' }).count()).toBe(0);
    expect(await stream.getByRole('button', { name: 'Try it out' }).count()).toBe(0);
    const overflow = () =>
      document.documentElement.scrollWidth - document.documentElement.clientWidth;
    expect(await page.evaluate(overflow)).toBe(0);

    await page.getByRole('link', { name: 'Tester', exact: true }).click();
    await page.waitForURL('**/test');
    expect(complaints).toEqual([]);
  });

  test('shows every route and tries them out, with no other host', async () => {
    const { page, complaints } = await visitor('/swagger', server.url);
    await page.getByText('List the most recent messages of a room').waitFor();
    const routes = await page.locator('.opblock-summary-path').allTextContents();
    expect(routes).toHaveLength(42);

    const room = fresh('room');
    await server.join('ana', room);
    await page.getByText('Post a message', { exact: true }).click();
    const block = page.locator('.opblock-post', { hasText: '/messages' });
    await block
      .locator('textarea')
      .fill(JSON.stringify({ username: 'ana', content: 'tried', room }));
    await block.getByRole('button', { name: 'Execute' }).click();
    await block.locator('.live-responses-table .response-col_status', { hasText: '201' }).waitFor();
    expect(await (await server.fetch(`/messages?room=${room}`)).json()).toMatchObject([
      { content: 'tried' },
    ]);

    await page.getByText('List the most recent messages of a room').click();
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
  }, 90_000);
});
