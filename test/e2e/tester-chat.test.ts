import { describe, expect, test } from 'bun:test';
import { visitor } from '../support/browser.ts';
import { fresh, startServer } from '../support/server.ts';
import { connect, guest, longRoom, message, say } from '../support/tester.ts';

const server = await startServer();

describe('the chat of the tester page', () => {
  test('two people see each other’s messages, joins and leaves', async () => {
    const room = fresh('room');
    const ana = await guest(server.url, 'ana', room);
    await ana.say('Is anybody here?');
    const ben = await visitor('/', server.url);
    expect(new URL(ben.page.url()).pathname).toBe('/test');
    await connect(ben.page, 'ben', room);
    await ana.page.locator('.traffic', { hasText: 'ben joined' }).waitFor();
    expect(await ana.page.locator('#people .clip').allTextContents()).toEqual(['ana', 'ben']);

    await say(ben.page, 'Hello Ana');
    await message(ana.page, 'Hello Ana').waitFor();
    await ana.say('Hello Ben');
    await message(ben.page, 'Hello Ben').waitFor();
    expect(await ana.page.locator('.message.own .text').allTextContents()).toEqual([
      'Is anybody here?',
      'Hello Ben',
    ]);
    await ben.page.getByRole('button', { name: 'Disconnect' }).click();
    await ana.page.locator('.traffic', { hasText: 'ben left' }).waitFor();
    expect([...ana.complaints, ...ben.complaints]).toEqual([]);
  });

  test('an edit, a deletion, a reaction and a reply are seen by the other', async () => {
    const room = fresh('room');
    const ana = await guest(server.url, 'ana', room);
    const ben = await guest(server.url, 'ben', room);
    await ana.say('Lunch at noo');
    await message(ben.page, 'Lunch at noo').hover();
    await ben.page.getByRole('button', { name: 'React with 👍' }).click();
    await ana.page.getByRole('button', { name: '👍, 1 person' }).waitFor();

    await message(ana.page, 'Lunch').hover();
    await ana.page.getByRole('button', { name: 'Edit', exact: true }).click();
    await ana.page.getByLabel('Edit message').fill('Lunch at noon');
    await ana.page.getByRole('button', { name: 'Save', exact: true }).click();
    await message(ben.page, 'Lunch at noon(edited)').waitFor();

    await message(ben.page, 'Lunch').hover();
    await ben.page.getByRole('button', { name: 'Reply', exact: true }).click();
    await ben.say('I come');
    await message(ana.page, 'I come').locator('.quote', { hasText: 'Lunch at noon' }).click();
    await ana.page.locator('.message:focus', { hasText: 'Lunch at noon' }).waitFor();

    await message(ana.page, 'Lunch').first().hover();
    await ana.page.getByRole('button', { name: 'Delete', exact: true }).click();
    await message(ben.page, 'This message was deleted.').first().waitFor();
    expect([...ana.complaints, ...ben.complaints]).toEqual([]);
  });

  test('a direct message reaches the other in a conversation of the two', async () => {
    const room = fresh('room');
    const [a, b] = [fresh('a'), fresh('b')];
    const ana = await guest(server.url, a, room);
    const ben = await guest(server.url, b, room);
    await ana.page.locator('#people').getByRole('button', { name: b }).click();
    await ana.say('Just for you');
    const rooms = ben.page.getByRole('navigation', { name: 'Rooms' });
    await rooms.getByRole('button', { name: `${a} 1 unread` }).click();
    await message(ben.page, 'Just for you').waitFor();
    await ben.say('Thank you');
    await message(ana.page, 'Thank you').waitFor();
  });

  test('messages are shown as plain text, except for links and code', async () => {
    const { page, say, complaints } = await guest(server.url, 'ana', fresh('room'));
    const hostile = '<img src=x onerror="document.title=\'owned\'"> https://a.example/b?c, `<b>`';
    await say(hostile);
    await message(page, 'onerror').waitFor();
    expect(await message(page, 'onerror').locator('.text a').getAttribute('href')).toBe(
      'https://a.example/b?c',
    );
    expect(await message(page, 'onerror').locator('.text code').textContent()).toBe('<b>');
    expect(await page.locator('.text img, .text b').count()).toBe(0);
    expect(await page.title()).toStartWith('#room');
    expect(complaints).toEqual([]);
  });

  test('scrolling up loads earlier messages, and keeps the scroll position to the pixel', async () => {
    const { page } = await guest(server.url, 'ana', await longRoom(400));
    await message(page, 'number 400').waitFor();
    const jumps = await page.locator('.chat .messages').evaluate(async (list) => {
      const edge = list.getBoundingClientRect().top;
      const topOf = (element: Element) => element.getBoundingClientRect().top;
      const inSight = () =>
        [...list.querySelectorAll('.message .text')].find((text) => topOf(text) > edge);
      const painted = () =>
        new Promise<void>((done) => requestAnimationFrame(() => setTimeout(done, 0)));
      const found: string[] = [];
      for (let step = 0; step < 600 && !list.querySelector('.beginning'); step++) {
        list.scrollTop -= 150;
        const text = inSight();
        const before = text ? topOf(text) : 0;
        await painted();
        await painted();
        if (!text?.isConnected) continue;
        const moved = topOf(text) - before;
        if (Math.abs(moved) > 1) found.push(`${text.textContent} moved by ${moved}`);
      }
      list.scrollTop = 0;
      return found;
    });
    expect(jumps).toEqual([]);
    await page
      .locator('.message .text')
      .getByText(/^number 1 /)
      .waitFor();
  });

  test('messages that arrive while the user reads earlier ones are counted, and a key press away', async () => {
    const room = fresh('room');
    const bob = await server.enter('bob', room);
    const { page } = await guest(server.url, 'ana', room);
    for (let n = 1; n <= 60; n++) bob.send({ type: 'message', room, content: `number ${n}` });
    await message(page, 'number 60').waitFor();
    await page.locator('.chat .messages').evaluate((element) => element.scrollTo(0, 300));
    await page.waitForFunction(() => (document.querySelector('.messages')?.scrollTop ?? 999) < 400);
    for (let n = 61; n <= 63; n++) bob.send({ type: 'message', room, content: `number ${n}` });
    await page.getByRole('button', { name: '3 new' }).click();
    await message(page, 'number 63').waitFor();
    await page.getByText('New messages', { exact: true }).waitFor();
  });

  test('a reload brings back the name and the room', async () => {
    const room = fresh('room');
    const { page, say } = await guest(server.url, 'ana', room);
    await say('Before the reload');
    await message(page, 'Before the reload').waitFor();
    await page.reload();
    await page.locator('.chat .who [data-state="live"]').waitFor();
    await message(page, 'Before the reload').waitFor();
    await page.getByRole('heading', { name: room }).waitFor();
  });
});
