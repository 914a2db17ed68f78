import { afterEach, expect, spyOn, test } from 'bun:test';
import { testWith } from '../support/services.ts';

const warn = spyOn(console, 'warn').mockImplementation(() => {});
const required = process.env.REQUIRE_SERVICES;
afterEach(() => {
  warn.mockClear();
  process.env.REQUIRE_SERVICES = required ?? '';
});

test('a skipped test names the missing services, and no others', () => {
  process.env.REQUIRE_SERVICES = '';
  expect(testWith({ nginx: null, Postgres: true, 'redis-server': false })).toBe(test.skip);
  expect(warn.mock.calls).toEqual([['skipped, for want of nginx and redis-server:']]);
});

test('a test with all of its services is not skipped', () => {
  expect(testWith({ Postgres: true, nginx: '/usr/sbin/nginx' })).toBe(test);
  expect(warn).not.toHaveBeenCalled();
});
