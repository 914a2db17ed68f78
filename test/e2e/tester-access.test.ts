import { describe, expect, test } from 'bun:test';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';
import { en } from '../../public/tester/texts/en.ts';
import { id } from '../../public/tester/texts/id.ts';
import { visitor } from '../support/browser.ts';
import { fresh, startServer } from '../support/server.ts';
import { connect, guest, live, message, panel, say, signIn } from '../support/tester.ts';
import { mint, SECRET } from '../support/tokens.ts';

const server = await startServer({ authSecret: SECRET });
const axe = await Bun.file(Bun.fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))).text();

/** Fails on the faults that axe-core finds in the page as it is, in light and in dark. */
async function expectNoViolation(page: Page, state: string): Promise<void> {
  if (!(await page.evaluate('typeof axe === "object"'))) await page.evaluate(axe);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // Elements that fade in are checked once they are visible.
    await page.evaluate(async () => {
      const ends = document.getAnimations().flatMap((animation) => {
        const isEndless = animation.effect?.getComputedTiming().iterations === Infinity;
        return isEndless ? [] : animation.finished.catch(() => {});
      });
      await Promise.all(ends);
    });
    const { violations } = await page.evaluate<AxeResults>('axe.run()');
    const found = violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`),
    );
    expect([state, colorScheme, ...found]).toEqual([state, colorScheme]);
  }
}

/** Opens a sheet from the top of the page. */
async function openSheet(page: Page, name: string | RegExp): Promise<void> {
  await page.locator('.header').getByRole('button', { name }).click();
  await page.locator('dialog[open]').waitFor();
}

async function closeSheet(page: Page): Promise<void> {
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await page.locator('dialog').waitFor({ state: 'detached' });
}

describe('axe-core finds no violation, light or dark,', () => {
  test('on the first visit, and with an invalid name', async () => {
    const { page } = await visitor('/test', server.url);
    await expectNoViolation(page, 'first visit');
    await page.getByLabel('Name', { exact: true }).fill('two words');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByText('without spaces').waitFor();
    await expectNoViolation(page, 'a wrong name');
  });

  test('in a conversation beside its frames, wide and on a phone', async () => {
    const room = fresh('room');
    const { page, say } = await guest(server.url, 'ana', room);
    const ben = await server.enter('ben', room);
    await say('Hello `code` https://a.example');
    await message(page, 'Hello').waitFor();
    ben.send({ type: 'message', room, content: 'Hi ana' });
    await message(page, 'Hi ana').hover();
    await page.getByRole('button', { name: 'React with 🎉' }).click();
    await page.getByRole('button', { name: '🎉, 1 person' }).waitFor();
    await page.locator('.log .frame').first().click();
    await expectNoViolation(page, 'wide');
    await page.setViewportSize({ width: 375, height: 667 });
    await expectNoViolation(page, 'phone');
    await page.getByRole('button', { name: 'Wire', exact: true }).click();
    await expectNoViolation(page, 'the wire on a phone');
  });

  test('in the panels of the wire', async () => {
    const { page } = await guest(server.url, 'ana', fresh('room'));
    await panel(page, 'Compose');
    await expectNoViolation(page, 'Compose');
    await panel(page, 'Load');
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.locator('.compare').waitFor();
    await expectNoViolation(page, 'Load');
    await panel(page, 'Second person');
    await page.getByRole('button', { name: 'Bring in' }).click();
    await page.locator('.beside .who').waitFor();
    await expectNoViolation(page, 'Second person');
  });

  test('while the connection is cut, and when it is restored', async () => {
    const { page } = await guest(server.url, 'ana', fresh('room'));
    await panel(page, 'Cut the wire');
    await expectNoViolation(page, 'whole');
    await page.getByRole('button', { name: /^Kill/ }).click();
    await page.getByText('Connection lost').waitFor();
    await say(page, 'queued');
    await expectNoViolation(page, 'cut');
    await page.getByRole('button', { name: 'Mend the wire' }).click();
    await live(page);
    await expectNoViolation(page, 'mended');
  });

  test('in the sheets, with and without something in them', async () => {
    const [name, room] = [fresh('u'), fresh('room')];
    const { page, say } = await guest(server.url, name, room);
    await say('Marmalade');
    await openSheet(page, 'Notifications');
    await expectNoViolation(page, 'no notifications');
    await closeSheet(page);
    const ben = await server.enter('ben', fresh('elsewhere'));
    ben.send({ type: 'message', content: `Marmalade for @${name}` });
    await openSheet(page, 'Notifications, 1 unread');
    await expectNoViolation(page, 'notifications');
    await closeSheet(page);
    await openSheet(page, 'Search');
    await page.getByRole('searchbox', { name: 'Search' }).fill('marmalade');
    await page.getByText('1 message', { exact: true }).waitFor();
    await expectNoViolation(page, 'search');
    await closeSheet(page);
    await openSheet(page, 'Help and shortcuts');
    await expectNoViolation(page, 'help');
    await closeSheet(page);
    await page.getByRole('button', { name: 'New room', exact: true }).click();
    await page.locator('dialog[open]').waitFor();
    await expectNoViolation(page, 'new room');
  });

  test('in the room of an owner', async () => {
    const { page } = await visitor('/test', server.url);
    await signIn(page, fresh('u'), fresh('room'), true);
    await page.getByRole('button', { name: 'New room', exact: true }).click();
    await page.getByLabel('Name of the room').fill(fresh('mine'));
    await page.getByRole('button', { name: 'Create room' }).click();
    await openSheet(page, /here$/);
    await page.getByRole('heading', { name: 'Here now', exact: true }).waitFor();
    await expectNoViolation(page, 'room');
  });

  test('for admins', async () => {
    const { page } = await visitor(`/test#admin`, server.url);
    await page.getByRole('button', { name: 'Use an account' }).click();
    await page.getByText('I have a token').click();
    await page.getByLabel('Token').fill(await mint({ sub: fresh('root'), role: 'admin' }));
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByText('Live now').waitFor();
    await expectNoViolation(page, 'admin');
  });
});

describe('the tester page for everybody', () => {
  test('the keyboard alone is enough to connect, chat, edit, react and find help', async () => {
    const { page } = await visitor('/test', server.url);
    const keys = page.keyboard;
    await page.locator('input:focus').waitFor();
    await keys.type('ana');
    await keys.press('Tab');
    await keys.press('ControlOrMeta+a');
    await keys.type(fresh('room'));
    await keys.press('Enter');
    await page.locator('.composer textarea:focus').waitFor();
    await keys.type('First line');
    await keys.press('Shift+Enter');
    await keys.type('second line');
    await keys.press('Enter');
    await message(page, 'First line\nsecond line').and(page.locator(':not(.sending)')).waitFor();
    await keys.press('ArrowUp');
    await page.locator('.editor textarea:focus').waitFor();
    await keys.press('End');
    await keys.type(', edited');
    await keys.press('Enter');
    await message(page, 'second line, edited(edited)').waitFor();

    await page.locator('.messages').focus();
    await keys.press('ArrowUp');
    await page.locator('.message:focus').waitFor();
    await keys.press('+');
    await page.getByRole('button', { name: '👍, 1 person' }).waitFor();
    await keys.press('r');
    await page.getByText('Reply to ana').waitFor();
    await page.locator('.composer textarea:focus').waitFor();
    await keys.press('Escape');
    await page.locator('.messages').focus();
    await keys.press('?');
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
    await keys.press('Escape');
    await keys.press('/');
    await page.getByRole('searchbox', { name: 'Search' }).and(page.locator(':focus')).waitFor();
    await keys.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await keys.press('m');
    await page.locator('.composer textarea:focus').waitFor();
  });

  test('speaks English and Indonesian, by the browser’s setting and by a switch', async () => {
    const { page } = await guest(server.url, 'ana', fresh('room'));
    await page.getByRole('button', { name: 'Bahasa Indonesia' }).click();
    await page.getByRole('button', { name: 'Keluar', exact: true }).waitFor();
    expect(await page.locator('html').getAttribute('lang')).toBe('id');
    const other = await visitor('/test', server.url, { locale: 'id-ID' });
    await other.page.getByRole('button', { name: 'Sambungkan' }).waitFor();
  });

  test('every text of the page is in both tables of languages', async () => {
    expect(Object.keys(id)).toEqual(Object.keys(en));
    for (const [key, text] of Object.entries({ ...en, ...id }))
      expect([key, text.trim()]).not.toEqual([key, '']);
    const places = (text: string) => [...new Set(text.match(/\{\w+\}/g))].sort();
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      expect([key, ...places(id[key])]).toEqual([key, ...places(en[key])]);
    }
    const outside: string[] = [];
    for (const file of new Bun.Glob('*.tsx').scanSync('public/tester')) {
      const source = await Bun.file(`public/tester/${file}`).text();
      for (const [, text = ''] of source.matchAll(/>\s*([A-Z][a-z]+(?: [a-z]+)+)\s*</g))
        outside.push(`${file}: ${text}`);
      for (const [, text] of source.matchAll(/(?:aria-label|title|placeholder)="([^"{]+)"/g))
        outside.push(`${file}: ${text}`);
    }
    // A name that is an example in every language.
    expect(outside.filter((one) => !/: (ana|general)$/.test(one))).toEqual([]);
  });

  for (const [width, height] of [
    [375, 667],
    [640, 360],
    [320, 568],
  ] as const) {
    test(`fits ${width} × ${height}: nothing is wider, and the text being typed is in view`, async () => {
      const { page } = await visitor('/test', server.url);
      await page.setViewportSize({ width, height });
      await connect(page, 'W'.repeat(28) + fresh('').slice(-4), fresh('room'));
      await say(page, `${'x'.repeat(500)} שלום ${'Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢'.repeat(5)}`);
      await message(page, 'xxx').waitFor();
      const box = await page.getByRole('button', { name: 'Send', exact: true }).boundingBox();
      expect((box?.y ?? 999) + (box?.height ?? 0)).toBeLessThan(height);
      for (const side of ['Wire', 'Chat']) {
        await page.getByRole('button', { name: side, exact: true }).click();
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
          width,
        );
        expect(await page.evaluate('document.documentElement.scrollHeight')).toBeLessThanOrEqual(
          height,
        );
      }
    });
  }
});
