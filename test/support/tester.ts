import { sql } from 'drizzle-orm';
import type { Page } from 'playwright-core';
import { type Visitor, visitor } from './browser.ts';
import { fresh, PASSWORD, sharedDatabase } from './server.ts';

/** A person at the tester page. */
export interface Guest extends Visitor {
  say(content: string): Promise<void>;
}

/** Opens the page, and connects. */
export async function guest(base: string, username: string, room: string): Promise<Guest> {
  const opened = await visitor('/test', base);
  await connect(opened.page, username, room);
  return { ...opened, say: (content) => say(opened.page, content) };
}

export async function connect(page: Page, username: string, room: string): Promise<void> {
  await page.getByLabel('Name', { exact: true }).fill(username);
  await page.getByLabel('Room', { exact: true }).fill(room);
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  await live(page);
}

/** Connects as an account, which is made by that where it is new. */
export async function signIn(
  page: Page,
  username: string,
  room: string,
  isNew = false,
): Promise<void> {
  await page.getByLabel('Name', { exact: true }).fill(username);
  await page.getByLabel('Room', { exact: true }).fill(room);
  const password = page.getByLabel('Password');
  if (!(await password.isVisible()))
    await page.getByRole('button', { name: 'Use an account' }).click();
  await password.fill(PASSWORD);
  const name = isNew ? 'Create this account' : 'Connect';
  await page.getByRole('button', { name, exact: true }).click();
  await live(page);
}

/** Until the connection stands. */
export async function live(page: Page): Promise<void> {
  await page.locator('.chat .who [data-state="live"]').waitFor();
}

export async function say(page: Page, content: string): Promise<void> {
  const box = page.locator('.chat .composer textarea');
  await box.fill(content);
  await box.press('Enter');
}

/** A message of the conversation, by its text. */
export const message = (page: Page, text: string | RegExp) =>
  page.locator('.chat .message', { hasText: text });

/** Opens a panel of the wire. */
export async function panel(page: Page, name: string): Promise<void> {
  await page.getByRole('tab', { name, exact: true }).click();
}

/** A room with messages `number 1` to `number n` of different lengths, as so many posts would have stored them. */
export async function longRoom(n: number): Promise<string> {
  const room = fresh('room');
  const { db } = await sharedDatabase();
  await db.execute(sql`
    with teller as (
      insert into users (key, username) values (${`teller-${room}`}, ${`teller-${room}`}) returning id
    ), made as (insert into rooms (name, rev) values (${room}, ${n}) returning id)
    insert into messages (room_id, seq, rev, user_id, content, created_at)
      select made.id, n, n, teller.id, 'number ' || n || ' ' || repeat('word ', n % 30), now()
      from made, teller, generate_series(1, ${n}::int) n`);
  return room;
}
