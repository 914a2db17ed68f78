import { afterEach, expect, spyOn, test } from 'bun:test';
import { Rush } from '../../src/lib/rush.ts';
import { TestClock } from '../support/clock.ts';

const collect = spyOn(Bun, 'gc').mockImplementation(() => {});
afterEach(() => {
  collect.mockClear();
});

function arrive(rush: Rush, count: number, present = count): void {
  for (let n = 0; n < count; n++) rush.arrived(present);
}

test('the garbage of a rush is collected once, when nobody comes any more', async () => {
  const clock = new TestClock();
  const rush = new Rush(clock);
  arrive(rush, 5000);
  await clock.advance(200);
  arrive(rush, 1);
  await clock.advance(200);
  expect(collect).toHaveBeenCalledTimes(0);
  await clock.advance(60_000);
  expect(collect).toHaveBeenCalledTimes(1);
  arrive(rush, 100);
  await clock.advance(60_000);
  expect(collect).toHaveBeenCalledTimes(1);
});

test('a few arrivals are no rush, and neither is a small share of those that are there', async () => {
  const clock = new TestClock();
  arrive(new Rush(clock), 1999);
  arrive(new Rush(clock), 5000, 100_000);
  await clock.advance(60_000);
  expect(collect).toHaveBeenCalledTimes(0);
});
