import { expect, test } from 'bun:test';
import { systemClock } from '../../src/lib/clock.ts';
import { TestClock } from '../support/clock.ts';

test('timers run in the order of their times, each once, and not after they are cancelled', async () => {
  const clock = new TestClock();
  const ran: string[] = [];
  clock.timer(20, () => ran.push(`late at ${clock.monotonic()}`));
  clock.timer(10, () => ran.push(`early at ${clock.monotonic()}`));
  clock.timer(10, () => ran.push('never'))();
  await clock.advance(15);
  expect(ran).toEqual(['early at 10']);
  await clock.advance(100);
  expect(ran).toEqual(['early at 10', 'late at 20']);
});

test('a repeated call goes on until it is cancelled, also by itself', async () => {
  const clock = new TestClock();
  let times = 0;
  const cancel = clock.every(10, () => {
    times += 1;
    if (times === 3) cancel();
  });
  await clock.advance(100);
  expect(times).toBe(3);
  expect(clock.pending).toBe(0);
});

test('a call at a time of day waits longer when the clock is set back', async () => {
  const clock = new TestClock(1000);
  let doneAt: number | undefined;
  clock.at(1100, () => {
    doneAt = clock.now();
  });
  await clock.advance(50);
  clock.set(1000);
  await clock.advance(99);
  expect(doneAt).toBeUndefined();
  await clock.advance(1);
  expect(doneAt).toBe(1100);
});

test('a call in a year does not run at once, and a call yesterday does', async () => {
  let isDone = false;
  const cancel = systemClock.timer(365 * 24 * 3600 * 1000, () => {
    isDone = true;
  });
  await new Promise<void>((done) => systemClock.at(Date.now() - 24 * 3600 * 1000, done));
  await systemClock.sleep(5);
  expect(isDone).toBe(false);
  cancel();
});
