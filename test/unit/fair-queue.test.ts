import { expect, test } from 'bun:test';
import { FairQueue, type Keys } from '../../src/lib/fair-queue.ts';

/** A queue whose works run until they are ended by name. */
function startQueue(waiting = 100) {
  const tooMany = () => new Error('full');
  const queue = new FairQueue({ atOnce: 4, atOncePerKey: 2, waiting, tooMany });
  const running = new Map<string, () => void>();
  const refused: string[] = [];
  const add = (name: string, ...keys: Keys) =>
    void queue
      .run(keys, () => new Promise<void>((end) => running.set(name, end)))
      .catch(() => refused.push(name));
  return {
    add,
    refused,
    running: async () => {
      await Bun.sleep(0);
      return [...running.keys()].sort();
    },
    end: (name: string) => {
      running.get(name)?.();
      running.delete(name);
    },
  };
}

test('an account keeps to its bound, from however many networks', async () => {
  const { add, end, running } = startQueue();
  for (const n of [1, 2, 3]) add(`a${n}`, `network ${n}`, 'ana');
  add('b', 'network 4', 'ben');
  expect(await running()).toEqual(['a1', 'a2', 'b']);
  end('a1');
  expect(await running()).toEqual(['a2', 'a3', 'b']);
});

test('works of a network overtake one whose account has reached its bound', async () => {
  const { add, end, running } = startQueue();
  add('a1', 'network 1', 'ana');
  add('a2', 'network 2', 'ana');
  add('c1', 'network 3', 'cem');
  add('c2', 'network 3', 'cem');
  add('a3', 'network 4', 'ana');
  add('b', 'network 4', 'ben');
  expect(await running()).toEqual(['a1', 'a2', 'c1', 'c2']);
  end('c1');
  expect(await running()).toEqual(['a1', 'a2', 'b', 'c2']);
});

test('the end of a work starts all works that waited for it', async () => {
  const { add, end, running } = startQueue();
  add('a1', 'network 1', 'ana');
  add('a2', 'network 2', 'ana');
  add('d', 'network 1', 'dora');
  add('a3', 'network 3', 'ana');
  add('e', 'network 1', 'eva');
  expect(await running()).toEqual(['a1', 'a2', 'd']);
  end('a1');
  expect(await running()).toEqual(['a2', 'a3', 'd', 'e']);
});

test('when the queue is full, a work of the network with most works is refused', async () => {
  const { add, running, refused } = startQueue(3);
  for (const n of [1, 2, 3, 4, 5]) add(`a${n}`, 'network 1');
  for (const n of [1, 2]) add(`b${n}`, 'network 2');
  add('b3', 'network 2');
  expect(await running()).toEqual(['a1', 'a2', 'b1', 'b2']);
  expect(refused).toEqual(['a5']);
});
