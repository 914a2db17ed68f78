import { describe, expect, test } from 'bun:test';
import { visitor } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import { fresh, startServer } from '../support/server.ts';
import { guest, live, message, panel } from '../support/tester.ts';

const server = await startServer();

describe('the wire of the tester page', () => {
  test('shows each frame with its time, its size and its answer; filters, clears and saves', async () => {
    const { page, say, complaints } = await guest(server.url, 'ana', fresh('room'));
    await say('Look at the wire');
    const row = (text: RegExp) => page.locator('.log .frame', { hasText: text });
    await row(/^↑.*message.*\d+ ms/).click();
    await page.locator('.detail pre', { hasText: '"content": "Look at the wire"' }).waitFor();
    await page.getByRole('button', { name: /^answered by ack/ }).click();
    await page.locator('.detail header strong', { hasText: 'ack' }).waitFor();

    await page.getByLabel('Type').selectOption('ack');
    expect(await page.locator('.log .frame strong').allTextContents()).toEqual(['ack']);
    await page.getByLabel('Type').selectOption('');
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as JSON' }).click();
    const log = await Bun.file(await (await saving).path()).json();
    expect(log.map(({ type }: { type: string }) => type)).toContain('joined');
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByText('No frames yet.').waitFor();
    expect(complaints).toEqual([]);
  });

  test('a saved log is a test that passes against the server', async () => {
    const { page, say } = await guest(server.url, fresh('u'), fresh('room'));
    await say('For the record');
    await message(page, 'For the record').waitFor();
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as a test' }).click();
    const file = `${await (await saving).path()}.test.ts`;
    await Bun.write(file, Bun.file(await (await saving).path()));
    const run = Bun.spawn(['bun', 'test', file], { stderr: 'pipe' });
    expect([await run.exited, await new Response(run.stderr).text()]).toEqual([
      0,
      expect.stringContaining('1 pass'),
    ]);
  });

  for (const kind of ['Kill', 'Drop', 'Hold']) {
    test(`${kind}: all messages of the meantime are there afterwards, once and in order`, async () => {
      const room = fresh('room');
      const bob = await server.enter('bob', room);
      const { page, say } = await guest(server.url, 'ana', room);
      await panel(page, 'Cut the wire');
      await page.getByRole('button', { name: new RegExp(`^${kind}`) }).click();
      for (let n = 1; n <= 30; n++)
        bob.send({ type: 'message', room, content: `number ${n}`, id: `n${n}` });
      await bob.until((frame) => frame.type === 'ack' && frame.id === 'n30');
      if (kind === 'Kill') {
        await page.getByText('Connection lost').waitFor();
        await say('queued meanwhile');
        await message(page, 'queued meanwhile').getByText('Sending').waitFor();
      }
      expect(await message(page, 'number 30').count()).toBe(0);
      await page.getByRole('button', { name: 'Mend the wire' }).click();
      bob.send({ type: 'message', room, content: 'the last' });
      await message(page, 'the last').waitFor();
      await page.getByRole('status').filter({ hasText: '0 missing, 0 twice, in order' }).waitFor();
      const texts = await page.locator('.chat .message .text').allTextContents();
      const numbers = Array.from({ length: 30 }, (_, n) => `number ${n + 1}`);
      expect(texts.filter((text) => text.startsWith('number'))).toEqual(numbers);
      if (kind === 'Kill')
        expect(texts.filter((text) => text === 'queued meanwhile')).toHaveLength(1);
    });
  }

  test('the page shows that the server was killed, and continues when it is back', async () => {
    const port = await freePort();
    const room = fresh('room');
    const first = await startServer({ port });
    const { page, say } = await guest(first.url, 'ana', room);
    await say('Before');
    await message(page, 'Before').waitFor();
    await first.stop();
    await page.getByRole('button', { name: 'Try now' }).waitFor();
    await message(page, 'Before').waitFor();
    await say('While it was away');
    const again = await startServer({ port });
    await page
      .getByRole('button', { name: 'Try now' })
      .click({ timeout: 2000 })
      .catch(() => {});
    await live(page);
    await page.locator('.chat .message:not(.sending)', { hasText: 'While it was away' }).waitFor();
    const stored = await (await again.fetch(`/messages?room=${room}`)).json();
    expect(stored.map(({ content }: { content: string }) => content)).toEqual([
      'Before',
      'While it was away',
    ]);
  });

  test('hand-written frames are checked while they are typed, and sent on a connection of their own', async () => {
    const { page, complaints } = await guest(server.url, 'ana', fresh('room'));
    await panel(page, 'Compose');
    const box = page.getByLabel('Frame', { exact: true });
    await box.fill('{ "type": "join", ');
    await page.getByText('This is not JSON.').waitFor();
    await box.fill('{ "type": "dance" }');
    await page.getByText('There is no such type').waitFor();
    await box.fill('{ "type": "delete", "messageId": "seven" }');
    await page.locator('.problems', { hasText: 'messageId' }).waitFor();
    await page.getByLabel('Template').selectOption('join');
    await page.getByText('Fits the schema').waitFor();
    await page.locator('.wire').getByRole('button', { name: 'Connect' }).click();
    await page.getByRole('button', { name: 'Send frame' }).click();
    await page.locator('.wire .frame', { hasText: /^↓.*joined/ }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('a link opens the page in the same state', async () => {
    const frame = JSON.stringify({ type: 'ping', id: 'from a link' });
    const { page } = await visitor(
      `/test#${new URLSearchParams({ panel: 'compose', username: 'zoe', room: 'lab', frame })}`,
      server.url,
    );
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('zoe');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await live(page);
    expect(await page.getByLabel('Frame', { exact: true }).inputValue()).toBe(frame);
  });

  test('two people sit side by side in one page; WebSocket and SSE are compared', async () => {
    const { page, say, complaints } = await guest(server.url, 'ana', fresh('room'));
    await panel(page, 'Second person');
    await page.getByRole('button', { name: 'Bring in' }).click();
    const box = page.locator('.beside textarea');
    await box.fill('From the right');
    await box.press('Enter');
    await message(page, 'From the right').waitFor();
    await say('From the left');
    await page.locator('.beside .message', { hasText: 'From the left' }).waitFor();
    await panel(page, 'Load');
    await page.getByRole('button', { name: 'Compare' }).click();
    await page
      .locator('.compare section')
      .filter({ hasText: /SSE.*Connected in[\d.]+ ms/ })
      .waitFor();
    await page.getByRole('button', { name: 'Send 100' }).click();
    await page
      .locator('.compare section')
      .filter({ hasText: /^WebSocket.*Received100/ })
      .waitFor();
    await page
      .locator('.compare section')
      .filter({ hasText: /^SSE.*Received100/ })
      .waitFor();
    expect(complaints).toEqual([]);
  });
});
