import { expect, test } from 'bun:test';
import { RateLimit } from '../../src/services/rate-limit.ts';

test('what is long past needs no memory, however many there were', async () => {
  const limit = new RateLimit(1000, 5);
  for (let n = 0; n < 10_000; n++) expect(limit.take(`${n}`)).toBe(0);
  await Bun.sleep(10);
  limit.take('one more');
  expect(limit.size).toBe(1);
});

test('one who goes on far beyond its rate takes the place of one', () => {
  const limit = new RateLimit(1, 5);
  const waits = Array.from({ length: 10_000 }, () => limit.take('flood'));
  expect(waits.filter((wait) => wait === 0)).toHaveLength(5);
  expect(waits.at(-1)).toBeWithin(0.5, 1.01);
  expect(limit.size).toBe(1);
});

test('a permit that is given back is there again, and no more than those', () => {
  const limit = new RateLimit(0.001, 2);
  expect([limit.take('a'), limit.take('a')]).toEqual([0, 0]);
  expect(limit.wait('a')).toBeGreaterThan(900);
  limit.giveBack('a');
  expect(limit.take('a')).toBe(0);
  expect(limit.take('a')).toBeGreaterThan(900);
  limit.giveBack('b');
  expect([limit.take('b'), limit.take('b')]).toEqual([0, 0]);
  expect(limit.take('b')).toBeGreaterThan(900);
});

test('a rate of 0 is no limit', () => {
  const limit = new RateLimit(0, 1);
  expect(Array.from({ length: 100 }, () => limit.take('a')).every((wait) => wait === 0)).toBe(true);
  expect(limit.size).toBe(0);
});

test('a full bucket has a permit, at whatever time it is asked', () => {
  for (const rate of [0.5, 0.7, 3]) {
    const limit = new RateLimit(rate, 1);
    for (let n = 0; n < 10_000; n++) expect(limit.take(`key ${n}`)).toBe(0);
  }
});
