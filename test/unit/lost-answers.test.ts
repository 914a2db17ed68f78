import { expect, test } from 'bun:test';
import { DatabaseTimeout } from '../../src/db/failures.ts';
import { LostAnswers } from '../../src/db/lost-answers.ts';
import { settle, TestClock } from '../support/clock.ts';

/** A statement that fails with an error, and the times in seconds at which its outcome is looked at. */
async function failWith(error: Error) {
  const clock = new TestClock();
  const answers = new LostAnswers(clock);
  const looks: number[] = [];
  const statement = answers.watch(Promise.reject(error), () =>
    looks.push(clock.monotonic() / 1000),
  );
  await expect(statement).rejects.toBe(error);
  return { clock, answers, looks };
}

test('a statement without an answer is looked at for a minute', async () => {
  const { clock, looks } = await failWith(new DatabaseTimeout(true));
  await clock.advance(600_000);
  expect(looks).toEqual([0, 1, 5, 20, 60]);
});

test('a statement that was never sent is not looked at', async () => {
  const { clock, looks } = await failWith(new DatabaseTimeout(false));
  await clock.advance(600_000);
  expect(looks).toEqual([]);
});

test('nothing is looked at after the close, not even for a statement that fails later', async () => {
  const { clock, answers, looks } = await failWith(new DatabaseTimeout(true));
  await clock.advance(2000);
  const { promise, reject } = Promise.withResolvers();
  const late = answers.watch(promise, () => looks.push(-1));
  answers.close();
  reject(new DatabaseTimeout(true));
  await expect(late).rejects.toThrow();
  await settle();
  expect(clock.pending).toBe(0);
  expect(looks).toEqual([0, 1]);
});
