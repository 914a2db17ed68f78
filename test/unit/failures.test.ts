import { expect, test } from 'bun:test';
import { DrizzleQueryError } from 'drizzle-orm';
import { isOutcomeUnknown, sqlState, toChatError } from '../../src/db/failures.ts';

/** An error as Drizzle hands it on, around the error of a driver. */
const failed = (cause: object) =>
  new DrizzleQueryError('select 1', [], Object.assign(new Error('failed'), cause));

test('a lost connection and an answer are distinguished with every driver', () => {
  for (const [cause, state] of [
    [{ errno: '23505', code: 'ERR_POSTGRES_SERVER_ERROR' }, '23505'],
    [{ code: 'XX000' }, 'XX000'],
    [{ code: 'ERR_POSTGRES_CONNECTION_CLOSED' }, undefined],
    [{ code: 'ECONNRESET', errno: -104 }, undefined],
    [{ code: 'EPIPE', errno: -32 }, undefined],
  ] as const) {
    expect({ cause, state: sqlState(failed(cause)) }).toEqual({ cause, state });
    expect(isOutcomeUnknown(failed(cause))).toBe(state === undefined);
    expect(toChatError(failed(cause)).code).toBe(state === undefined ? 'unavailable' : 'internal');
  }
  expect(isOutcomeUnknown(failed({ code: '57P01' }))).toBe(true);
  // A statement that timed out while it waited for a lock has certainly stored nothing.
  expect(isOutcomeUnknown(failed({ code: '57014' }))).toBe(false);
  for (const code of ['53300', '53100', '57P03', '57014', '55P03', '40P01', '08006']) {
    expect({ code, told: toChatError(failed({ code })).code }).toEqual({
      code,
      told: 'unavailable',
    });
  }
});
