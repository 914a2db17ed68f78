import { expect, test } from 'bun:test';
import { systemClock } from '../../src/lib/clock.ts';
import { TokenBucket } from '../../src/limits/token-bucket.ts';
import { TestClock } from '../support/clock.ts';

test('full buckets take no memory, however many there were', async () => {
  const clock = new TestClock();
  const limit = new TokenBucket({ clock, rate: 1000, burst: 5 });
  for (let n = 0; n < 10_000; n++) expect(limit.take(`${n}`)).toBe(0);
  await clock.advance(10);
  limit.take('one more');
  expect(limit.size).toBe(1);
});

test('a client that sends far beyond its rate delays the others no more than a client within it', () => {
  const limit = new TokenBucket({ clock: systemClock, rate: 1, burst: 5 });
  const waits = Array.from({ length: 10_000 }, () => limit.take('flood'));
  expect(waits.filter((wait) => wait === 0)).toHaveLength(5);
  expect(waits.at(-1)).toBeWithin(0.5, 1.01);
  expect(limit.size).toBe(1);
});

test('refunded permits are free again, and no others', () => {
  const limit = new TokenBucket({ clock: systemClock, rate: 0.001, burst: 2 });
  expect([limit.take('a'), limit.take('a')]).toEqual([0, 0]);
  expect(limit.wait('a')).toBeGreaterThan(900);
  limit.refund('a');
  expect(limit.take('a')).toBe(0);
  expect(limit.take('a')).toBeGreaterThan(900);
  limit.refund('b');
  expect([limit.take('b'), limit.take('b')]).toEqual([0, 0]);
  expect(limit.take('b')).toBeGreaterThan(900);
});

test('a rate of 0 is no limit', () => {
  const limit = new TokenBucket({ clock: systemClock, rate: 0, burst: 1 });
  expect(Array.from({ length: 100 }, () => limit.take('a')).every((wait) => wait === 0)).toBe(true);
  expect(limit.size).toBe(0);
});

test('a full bucket has a permit at any time', () => {
  for (const rate of [0.5, 0.7, 3]) {
    const limit = new TokenBucket({ clock: systemClock, rate, burst: 1 });
    for (let n = 0; n < 10_000; n++) expect(limit.take(`key ${n}`)).toBe(0);
  }
});
