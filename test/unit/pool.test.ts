import { expect, test } from 'bun:test';
import { SQL } from 'bun';
import { ConnectionPool } from '../../src/db/pool.ts';
import { TestClock } from '../support/clock.ts';

/** A pool of one connection, whose statements end when they are told to. */
function open() {
  const clock = new TestClock();
  const pulse = { isAnswering: true };
  const connect = () => ({ client: undefined, close() {} });
  const pool = new ConnectionPool({ pulse, connect, max: 1, timeout: 4, clock });
  const start = () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const outcome = pool.run(() => promise).catch((error: Error) => error.message);
    return { resolve, reject, outcome };
  };
  return { clock, pulse, start };
}

const refusal = (errno: string) =>
  new SQL.PostgresError('refused', { code: 'ERR_POSTGRES_SERVER_ERROR', errno });

test('a database whose every answer is a timeout of its own does not count as answering', async () => {
  const { clock, pulse, start } = open();
  const { reject, outcome } = start();
  await clock.advance(3500);
  reject(refusal('57014'));
  expect(await outcome).toBe('refused');
  expect(pulse.isAnswering).toBe(false);
});

test('a database that refuses a statement at once is answering', async () => {
  const { clock, pulse, start } = open();
  const unanswered = start();
  await clock.advance(4000);
  expect(await unanswered.outcome).toBe('the database did not answer in time');
  expect(pulse.isAnswering).toBe(false);
  const { reject, outcome } = start();
  await clock.advance(500);
  reject(refusal('55P03'));
  expect(await outcome).toBe('refused');
  expect(pulse.isAnswering).toBe(true);
});
