import { expect, test } from 'bun:test';
import { type Cancel, Clock, systemClock } from '../../src/lib/clock.ts';
import { fresh, startServer } from '../support/server.ts';

/** The clock of the machine, whose time of day a test sets. */
class ShiftedClock extends Clock {
  shift = 0;

  now(): number {
    return systemClock.now() + this.shift;
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  timer(ms: number, then: () => void): Cancel {
    return systemClock.timer(ms, then);
  }
}

const HOUR = 3_600_000;

test('a server whose clock is set back by an hour stores the next messages', async () => {
  const clock = new ShiftedClock();
  const server = await startServer({}, { clock });
  const room = fresh('clock');
  const reader = await server.enter(fresh('bo'), room);
  const writer = await server.enter(fresh('ana'), room);
  const post = async (content: string): Promise<string> => {
    writer.send({ type: 'message', content, id: content });
    return (await writer.until((frame) => 'id' in frame && frame.id === content)).type;
  };
  expect(await post('before')).toBe('ack');
  clock.shift = -HOUR;
  expect(await post('after')).toBe('ack');
  expect(await post('later')).toBe('ack');
  for (const content of ['before', 'after', 'later']) {
    expect(await reader.untilType('message')).toMatchObject({ content });
  }
});
