import { describe, expect, test } from 'bun:test';
import type { Page } from 'playwright-core';
import { fresh, startServer } from '../support/server.ts';
import { guest, message } from '../support/tester.ts';

const server = await startServer();

/** What a person feels as a stutter, in milliseconds of work. */
const LONG = 100;

interface TraceEvent {
  name: string;
  /** Microseconds that the thread worked; what others do to the machine is not in it. */
  tdur?: number;
}

/** Writes down what the page does. @returns the milliseconds of work of each task longer than {@link LONG} */
async function watch(page: Page): Promise<() => Promise<number[]>> {
  const browser = page.context().browser();
  await browser?.startTracing(page, { categories: ['disabled-by-default-devtools.timeline'] });
  return async () => {
    const { traceEvents } = JSON.parse(`${await browser?.stopTracing()}`);
    const tasks = (traceEvents as TraceEvent[]).filter(
      ({ name, tdur }) => name === 'RunTask' && tdur,
    );
    expect(tasks.length).toBeGreaterThan(100);
    return tasks
      .filter(({ tdur = 0 }) => tdur > LONG * 1000)
      .map(({ tdur = 0 }) => Math.round(tdur / 1000));
  };
}

/** Returns when the page has let go of what is out of sight; ten thousand messages are 100,000 elements. */
const staysSmall = (page: Page) =>
  page.waitForFunction(() => document.querySelectorAll('*').length < 12_000);

/** A busy machine stutters once; a page that is slow does so in every run. */
async function twice(run: () => Promise<number[]>): Promise<number[]> {
  const first = await run();
  return first.length ? run() : first;
}

describe('the tester page under load', () => {
  test('ten thousand messages are scrolled from end to start without a stutter, in bounded space', async () => {
    const room = fresh('room');
    const bob = await server.enter('bob', room);
    for (let n = 1; n <= 10_000; n++) {
      const id = n % 500 ? {} : { id: `n${n}` };
      bob.send({ type: 'message', room, content: `number ${n} ${'word '.repeat(n % 30)}`, ...id });
      if (n % 500 === 0) await bob.until((frame) => frame.type === 'ack' && frame.id === `n${n}`);
    }
    const long = await twice(async () => {
      const { page } = await guest(server.url, 'ana', room);
      await message(page, 'number 10000').waitFor();
      const longTasks = await watch(page);
      await page.locator('.chat .messages').evaluate(async (element) => {
        const isOver = () => element.scrollTop === 0 && element.querySelector('.beginning');
        while (!isOver()) {
          element.scrollTop -= 3000;
          await new Promise(requestAnimationFrame);
        }
      });
      await page
        .locator('.message .text')
        .getByText('number 1', { exact: false })
        .first()
        .waitFor();
      const found = await longTasks();
      await staysSmall(page);
      await page.close();
      return found;
    });
    expect(long).toEqual([]);
  }, 240_000);

  test('two hundred messages a second for ten seconds are drawn without a stutter, in bounded space', async () => {
    const room = fresh('room');
    const bob = await server.enter('bob', room);
    const long = await twice(async () => {
      const { page } = await guest(server.url, 'ana', room);
      const longTasks = await watch(page);
      const start = performance.now();
      for (let n = 1; n <= 2000; n++) {
        bob.send({ type: 'message', room, content: `number ${n}` });
        const ahead = n * 5 - (performance.now() - start);
        if (ahead > 5) await Bun.sleep(ahead);
      }
      await message(page, 'number 2000').last().waitFor();
      const found = await longTasks();
      await staysSmall(page);
      await page.close();
      return found;
    });
    expect(long).toEqual([]);
  }, 180_000);
});
