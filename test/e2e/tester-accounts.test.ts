import { afterAll, describe, expect, test } from 'bun:test';
import { sql } from 'drizzle-orm';
import { openDatabase } from '../../src/db/index.ts';
import { visitor } from '../support/browser.ts';
import { fresh, PASSWORD, sharedDatabase, startServer } from '../support/server.ts';
import { guest, live, longRoom, message, say, signIn } from '../support/tester.ts';
import { mint, SECRET } from '../support/tokens.ts';

const server = await startServer({ authSecret: SECRET, maxContentLength: 100 });

/** More rooms than a page of the list holds, until the test is over. */
async function manyRooms(n: number): Promise<void> {
  const { db } = await sharedDatabase();
  const prefix = fresh('a');
  await db.execute(
    sql`insert into rooms (name) select ${prefix} || n from generate_series(1, ${n}::int) n`,
  );
  afterAll(() => db.execute(sql`delete from rooms where name like ${`${prefix}%`}`));
}

describe('people at the tester page', () => {
  test('a wrong name or room is explained at its field, and can be corrected', async () => {
    const { page } = await visitor('/test', server.url);
    await page.getByLabel('Name', { exact: true }).fill('two words');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByRole('alert').filter({ hasText: 'without spaces' }).waitFor();
    await page.getByLabel('Name', { exact: true }).fill('ana');
    await page.getByLabel('Room', { exact: true }).fill('not a room');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByRole('alert').filter({ hasText: 'a–z' }).waitFor();
    await page.getByLabel('Room', { exact: true }).fill(fresh('room'));
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await live(page);
  });

  test('a name becomes an account, which needs its password; the token is gone with the tab', async () => {
    const [name, room] = [fresh('u'), fresh('room')];
    const ana = await visitor('/test', server.url);
    await signIn(ana.page, name, room, true);
    expect(await ana.page.evaluate('Object.values(localStorage).join()')).not.toContain('eyJ');
    await ana.page.reload();
    await live(ana.page);
    expect(await ana.page.locator('.log').textContent()).toContain('token eyJ…');

    const other = await visitor('/test', server.url);
    await other.page.getByLabel('Name', { exact: true }).fill(name);
    await other.page.getByRole('button', { name: 'Connect', exact: true }).click();
    await other.page.getByText('This name belongs to an account').waitFor();
    await other.page.getByLabel('Password').fill('a wrong password');
    await other.page.getByRole('button', { name: 'Connect', exact: true }).click();
    await other.page.getByText('Wrong name, password or token.').waitFor();
    await other.page.getByLabel('Password').fill(PASSWORD);
    await other.page.getByRole('button', { name: 'Connect', exact: true }).click();
    await live(other.page);

    const session = { username: name, password: PASSWORD };
    const { token } = await (await server.post('/sessions', session)).json();
    await server.request('DELETE', '/sessions', token);
    for (const { page } of [ana, other])
      await page.getByRole('alert').filter({ hasText: 'Disconnected' }).waitFor();
  });

  test('a private room is for its members; muted and banned users see why they cannot write', async () => {
    const [owner, member, room] = [fresh('o'), fresh('m'), fresh('secret')];
    await manyRooms(150);
    const ana = await visitor('/test', server.url);
    await signIn(ana.page, owner, 'general', true);
    await ana.page.getByRole('button', { name: 'New room' }).click();
    await ana.page.getByLabel('Name of the room').fill(room);
    await ana.page.getByLabel('Private').check();
    await ana.page.getByRole('button', { name: 'Create room' }).click();
    await ana.page.getByRole('heading', { name: room }).waitFor();
    await say(ana.page, 'Between us');

    const ben = await visitor('/test', server.url);
    await signIn(ben.page, member, 'general', true);
    const rooms = ben.page.getByRole('navigation', { name: 'Rooms' });
    expect(await rooms.getByRole('button', { name: room }).count()).toBe(0);
    await ana.page.getByRole('button', { name: /person here/ }).click();
    await ana.page.getByLabel('Add a member by name').fill(member);
    await ana.page.getByRole('button', { name: 'Add', exact: true }).click();
    const row = ana.page.locator('.member-list li', { hasText: member });
    await row.waitFor();
    await ben.page.reload();
    await rooms.getByRole('button', { name: room }).click();
    await message(ben.page, 'Between us').waitFor();

    await row.getByRole('button', { name: 'Mute' }).click();
    await row.getByText('muted').waitFor();
    await say(ben.page, 'May I speak?');
    await message(ben.page, 'You are muted here').waitFor();
    await row.getByRole('button', { name: 'Unmute' }).click();
    await row.getByText('muted').waitFor({ state: 'detached' });
    await ben.page.getByRole('button', { name: 'Try again' }).click();
    await message(ana.page, 'May I speak?').waitFor();
    await row.getByRole('button', { name: 'Ban' }).click();
    await ben.page.locator('.banner').waitFor();
  });

  test('the rooms of the user are listed first, and the others page by page', async () => {
    // With a database of its own, since other tests make thousands of rooms.
    const database = await openDatabase({ dataDir: 'memory' });
    afterAll(() => database.close());
    const town = await startServer({}, { database });
    const [first, last, own] = ['a-first', 'y-last', 'z-own'];
    const names = Array.from({ length: 100 }, (_, n) => `${first}-${n}`);
    for (const name of [...names, last]) await (await town.join('ben', name)).close();
    await (await town.join('ana', own)).close();
    const { page } = await guest(town.url, 'ana', 'here');
    const rooms = page.getByRole('navigation', { name: 'Rooms' });
    const listed = () => rooms.locator('.clip').allInnerTexts();
    await rooms.getByRole('button', { name: `${first}-99` }).waitFor();
    const before = await listed();
    expect(before.indexOf(own)).toBeLessThan(before.indexOf(`${first}-0`));
    expect(before).not.toContain(last);
    await rooms.getByRole('button', { name: 'More rooms' }).click();
    await rooms.getByRole('button', { name: last }).waitFor();
  });

  test('a message that is refused is kept, and can be changed', async () => {
    const { page, say } = await guest(server.url, 'ana', fresh('room'));
    await say('y'.repeat(120));
    await page.getByRole('alert').filter({ hasText: '20 characters too many' }).waitFor();
    const box = page.locator('.composer textarea');
    expect(await box.inputValue()).toBe('y'.repeat(120));
    await box.fill('short enough');
    await box.press('Enter');
    await message(page, 'short enough').waitFor();

    const [name, room] = [fresh('u'), fresh('room')];
    const token = await server.register(name);
    const admin = await mint({ sub: 'root', role: 'admin' });
    const muted = await visitor('/test', server.url);
    await signIn(muted.page, name, room);
    await server.request('PUT', `/rooms/${room}/mutes/${name}`, admin);
    await muted.page.locator('.composer textarea').fill('Not lost');
    await muted.page.locator('.composer textarea').press('Enter');
    await muted.page.getByRole('button', { name: 'Change' }).click();
    expect(await muted.page.locator('.composer textarea').inputValue()).toBe('Not lost');
    expect(token).toBeString();
  });

  test('a mention waits until it is read, and leads to its message', async () => {
    const name = fresh('u');
    const { page, complaints } = await guest(server.url, name, fresh('room'));
    const ben = await server.enter('ben', fresh('elsewhere'));
    ben.send({ type: 'message', content: `Marmalade for @${name}` });
    await page.getByRole('button', { name: 'Notifications, 1 unread' }).click();
    await page.getByRole('dialog').getByText('Marmalade').click();
    await page.locator('.message:focus', { hasText: 'Marmalade' }).waitFor();
    // The badge clears, and stays so when the read cursor of the room is looked up again.
    await page.getByRole('button', { name: 'Notifications', exact: true }).click();
    await page.getByRole('dialog').getByText('Nothing waits for you.').waitFor();
    await page.keyboard.press('Escape');
    // A mention in view is read at once.
    ben.send({ type: 'message', content: `Toast for @${name}` });
    await message(page, 'Toast').waitFor();
    await page.getByRole('button', { name: 'Notifications', exact: true }).click();
    await page.getByRole('dialog').getByText('Nothing waits for you.').waitFor();
    expect(complaints).toEqual([]);
  });

  test('a search result leads to its message, by mouse and by keyboard', async () => {
    const room = await longRoom(1500);
    const { page, complaints } = await guest(server.url, 'ana', room);
    await say(page, 'Marmalade at the end');
    await message(page, 'Marmalade').waitFor();
    const box = page.getByRole('searchbox', { name: 'Search' });
    const marked = (text: string) => page.locator('.message.flash:focus', { hasText: text });

    await page.getByRole('button', { name: 'Search' }).click();
    await box.fill('number 77');
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /number 77 / })
      .click();
    await marked('number 77 ').waitFor();
    const list = await page.locator('.chat .messages').boundingBox();
    const found = await marked('number 77 ').boundingBox();
    expect(found?.y).toBeGreaterThan(list?.y ?? 0);
    expect((found?.y ?? 0) + (found?.height ?? 0)).toBeLessThan(
      (list?.y ?? 0) + (list?.height ?? 0),
    );

    await page.keyboard.press('/');
    await box.fill('marmalade');
    await page.locator('mark', { hasText: 'Marmalade' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await marked('Marmalade').waitFor();
    expect(complaints).toEqual([]);
  });

  test('an admin sees the metrics of the server, bans users and lifts bans', async () => {
    const { page } = await visitor('/test#admin', server.url);
    await page.getByRole('button', { name: 'Use an account' }).click();
    await page.getByText('I have a token').click();
    await page.getByLabel('Token').fill(await mint({ sub: fresh('root'), role: 'admin' }));
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByText('Live now').waitFor();
    await say(page, 'How long does this take?');
    await page.getByText('Of 1 message in the last minute.').waitFor();
    for (const kind of ['Arrival to ack', 'Commit to delivery']) {
      await page.getByRole('row', { name: new RegExp(`^${kind}( [\\d.,]+ ms){3}$`) }).waitFor();
    }
    const victim = fresh('v');
    const them = await server.enter(victim, fresh('room'));
    await page.locator('.panel').getByLabel('Name').fill(victim);
    await page.getByRole('button', { name: 'Ban', exact: true }).click();
    await page.getByText(`${victim} is banned from the server.`).waitFor();
    expect((await them.closed).code).toBe(4403);
    await page.getByRole('button', { name: 'Let in' }).click();
    await page.getByText(`${victim} may come in again.`).waitFor();
  });
});
