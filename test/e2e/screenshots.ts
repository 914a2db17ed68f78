import { expect, test } from 'bun:test';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { visitor } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { connect, live, message, panel, say, signIn } from '../support/tester.ts';
import { mint, SECRET } from '../support/tokens.ts';

/*
 * Pictures of the tester page for the README: `bun run screenshots`. Each state is driven as a person would,
 * so this fails where the page does.
 */

const folder = process.env.SCREENSHOTS ?? join(import.meta.dirname, '../../docs/screenshots');
const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 375, height: 720 };

async function take(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  // Fonts and figures have settled once two frames of the screen look the same.
  await page.waitForTimeout(400);
  await page.screenshot({
    path: join(folder, `${name}.png`),
    animations: 'disabled',
    caret: 'hide',
  });
}

/** Users that have talked for a while. */
async function talk(server: TestServer, room: string): Promise<void> {
  const post = async (username: string, content: string, more = {}) => {
    const response = await server.post('/messages', { username, content, room, ...more });
    return (await response.json()).id as number;
  };
  for (const name of ['ana', 'ben', 'citra', 'دينا']) await server.enter(name, room);
  await post('ben', 'Morning! The new build is on staging: https://staging.example.com/builds/318');
  await post('ben', 'It resumes after a drop now, see `room.history(50)`.');
  const question = await post(
    'citra',
    'Does it hold when the server restarts in the middle of a send?',
  );
  await post(
    'ana',
    'Yes. The outbox keeps it and sends the same id again:\n```\nconst sent = await room.send("hi");\n```',
    { replyTo: question },
  );
  await post('دينا', 'صباح الخير! جرّبتُها على الهاتف وتعمل جيّدًا.');
  const last = await post('citra', 'Nice. I pulled the plug twice and nothing was missing.');
  for (const name of ['ana', 'ben', 'دينا']) {
    await server.request(
      'PUT',
      `/messages/${last}/reactions/${encodeURIComponent('🎉')}?username=${encodeURIComponent(name)}`,
    );
  }
  await server.request(
    'PUT',
    `/messages/${question}/reactions/${encodeURIComponent('👍')}?username=ben`,
  );
  const slip = await post('ben', 'Rolling it out at noo');
  await server.request('PATCH', `/messages/${slip}?username=ben`, undefined, {
    content: 'Rolling it out at noon.',
  });
  const gone = await post('citra', 'wrong window');
  await server.request('DELETE', `/messages/${gone}?username=citra`);
}

async function open(
  server: TestServer,
  size = WIDE,
  scheme: 'light' | 'dark' = 'light',
): Promise<Page> {
  const { page } = await visitor('/test', server.url);
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: scheme });
  return page;
}

const server = await startServer({ authSecret: SECRET, presenceGrace: 1 });
await talk(server, 'general');
await talk(server, 'lobby');
const admin = await mint({ sub: 'root-admin', role: 'admin' });

test('the first visit, the chat, and the wire cut', async () => {
  const first = await open(server);
  await take(first, '01-first-visit');

  const page = await open(server);
  await connect(page, 'ana', 'general');
  await message(page, 'at noon.').waitFor();
  await say(page, 'I will watch the wire while you do.');
  await page.locator('.log .frame', { hasText: 'ack' }).first().click();
  await take(page, '02-chat-and-wire');
  await page.emulateMedia({ colorScheme: 'dark' });
  await take(page, '03-dark');
  await page.emulateMedia({ colorScheme: 'light' });

  await panel(page, 'Cut the wire');
  await page.getByRole('button', { name: /^Kill/ }).click();
  await page.getByText('Connection lost').waitFor();
  for (let n = 1; n <= 24; n++)
    await server.post('/messages', { username: 'ben', content: `Step ${n} done`, room: 'general' });
  await say(page, 'Written while the wire is cut');
  await take(page, '04-wire-cut');
  await page.getByRole('button', { name: 'Mend the wire' }).click();
  await message(page, 'Step 24 done').waitFor();
  for (let n = 25; n <= 40; n++)
    await server.post('/messages', { username: 'ben', content: `Step ${n} done`, room: 'general' });
  await message(page, 'Step 40 done').waitFor();
  await page.getByText('0 missing, 0 twice, in order').first().waitFor();
  await take(page, '05-resumed');

  await panel(page, 'Second person');
  await page.getByRole('button', { name: 'Bring in' }).click();
  const box = page.locator('.beside .composer textarea');
  await box.fill('And I sit right beside you.');
  await box.press('Enter');
  await message(page, 'right beside').waitFor();
  await say(page, 'Two people, one page.');
  await take(page, '06-side-by-side');

  await panel(page, 'Load');
  await page.getByRole('button', { name: 'Compare' }).click();
  await page.locator('.compare dd', { hasText: 'ms' }).nth(1).waitFor();
  await page.getByRole('button', { name: 'Send 100' }).click();
  await page.getByRole('definition').filter({ hasText: /^100$/ }).nth(3).waitFor();
  await page.emulateMedia({ colorScheme: 'dark' });
  await take(page, '07-load-dark');
  await page.close();
}, 120_000);

test('a private room', async () => {
  const owner = await open(server);
  const name = 'mira';
  await signIn(owner, name, 'general', true);
  await owner.getByRole('button', { name: 'New room' }).click();
  const room = 'release-team';
  await owner.getByLabel('Name of the room').fill(room);
  await owner.getByLabel('Topic').fill('What ships next');
  await owner.getByLabel('Private').check();
  await owner.getByRole('button', { name: 'Create room' }).click();
  await owner.getByRole('heading', { name: room }).waitFor();
  await server.register('jonas');
  await server.register('wei');
  await say(owner, 'Only members see this.');
  await owner.getByRole('button', { name: /person here|people here/ }).click();
  for (const member of ['jonas', 'wei']) {
    await owner.getByLabel('Add a member by name').fill(member);
    await owner.getByRole('button', { name: 'Add', exact: true }).click();
    await owner.locator('.member-list li', { hasText: member }).waitFor();
  }
  await owner
    .locator('.member-list li', { hasText: 'wei' })
    .getByRole('button', { name: 'Mute' })
    .click();
  await owner.locator('.member-list', { hasText: 'muted' }).waitFor();
  await take(owner, '08-private-room');
  await owner.close();
}, 60_000);

test('a refused message, and the search', async () => {
  const refused = await open(server);
  const muted = await mint({ sub: 'oleg' });
  await refused.getByRole('button', { name: 'Use an account' }).click();
  await refused.getByText('I have a token').click();
  await refused.getByLabel('Room', { exact: true }).fill('lobby');
  await refused.getByLabel('Token').fill(muted);
  await refused.getByRole('button', { name: 'Connect', exact: true }).click();
  await live(refused);
  await server.request('PUT', '/rooms/lobby/mutes/oleg', admin);
  await say(refused, 'May I say something?');
  await refused.getByRole('button', { name: 'Try again' }).waitFor();
  await refused.locator('.log .frame', { hasText: 'error' }).last().click();
  await take(refused, '09-refused');
  await refused.keyboard.press('Escape');
  await refused.getByRole('button', { name: 'Search' }).click();
  await refused.getByRole('searchbox', { name: 'Search' }).fill('nothing missing');
  await refused.getByText(/^1 message$/).waitFor();
  await refused.keyboard.press('ArrowDown');
  await take(refused, '10-search');
  await refused.keyboard.press('Enter');
  await refused.locator('.message.flash').waitFor();
  await refused.close();
}, 60_000);

test('the page for admins', async () => {
  const root = await visitor('/test#admin', server.url);
  await root.page.setViewportSize(WIDE);
  await root.page.getByRole('button', { name: 'Use an account' }).click();
  await root.page.getByText('I have a token').click();
  await root.page.getByLabel('Room', { exact: true }).fill('lobby');
  await root.page.getByLabel('Token').fill(admin);
  await root.page.getByRole('button', { name: 'Connect', exact: true }).click();
  await live(root.page);
  await root.page.getByText('Live now').waitFor();
  const sensors = await Promise.all(
    ['sensor-1', 'sensor-2', 'sensor-3'].map((name) => server.enter(name, 'telemetry')),
  );
  for (let second = 0; second < 30; second++) {
    for (let n = 0; n < 10 + ((second * 7) % 20); n++)
      sensors[n % 3]?.send({ type: 'message', room: 'telemetry', content: `${second}.${n}` });
    await root.page.waitForTimeout(1000);
  }
  await take(root.page, '11-admin');
  await root.page.close();
}, 60_000);

test('the notifications', async () => {
  const name = 'maya';
  const page = await open(server, WIDE, 'dark');
  await connect(page, name, 'lobby');
  await server.post('/users', { username: 'ben' });
  const post = (username: string, content: string, more: object) =>
    server.post('/messages', { username, content, ...more });
  await post('citra', `@${name} can you watch the rollout at noon? I am on a train.`, {
    room: 'general',
  });
  await post('ben', 'Are you around? One question about the outbox.', { to: name });
  await post('دينا', `شكرًا @${name}، وصلت كلّ الرسائل.`, { room: 'general' });
  await server.request('POST', '/notifications', admin, {
    to: [name],
    data: { text: 'The server restarts at noon.' },
  });
  await page.getByRole('button', { name: 'Notifications, 4 unread' }).click();
  await page.locator('.found li').nth(3).waitFor();
  await take(page, '17-notifications-dark');
  await page.setViewportSize(PHONE);
  await page.emulateMedia({ colorScheme: 'light' });
  await take(page, '18-phone-notifications');
  await page.close();
}, 60_000);

test('phones, and Indonesian', async () => {
  const phone = await open(server, PHONE);
  await connect(phone, 'citra', 'lobby');
  await message(phone, 'at noon.').waitFor();
  await take(phone, '12-phone-chat');
  await phone.emulateMedia({ colorScheme: 'dark' });
  await phone.getByRole('button', { name: 'Wire', exact: true }).click();
  await take(phone, '13-phone-wire-dark');
  await phone.emulateMedia({ colorScheme: 'light' });
  await phone.getByRole('button', { name: 'Chat', exact: true }).click();
  await phone.setViewportSize({ width: 640, height: 360 });
  await take(phone, '14-640x360');
  await phone.setViewportSize({ width: 320, height: 640 });
  await take(phone, '15-320');
  await phone.setViewportSize(WIDE);
  await phone.getByRole('button', { name: 'Bahasa Indonesia' }).click();
  await phone.getByRole('tab', { name: 'Putuskan' }).click();
  await take(phone, '16-indonesian');
  await phone.close();
  expect(await Bun.file(join(folder, '16-indonesian.png')).exists()).toBe(true);
}, 60_000);
