import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { SmallMap } from '../../src/lib/small-map.ts';

test('a small map holds what a map holds, with few entries and with many', () => {
  const changes = fc.array(fc.tuple(fc.boolean(), fc.nat(15)), { maxLength: 60 });
  fc.assert(
    fc.property(changes, (changes) => {
      const expected = new Map<number, { n: number }>();
      const map = new SmallMap<number, { n: number }>();
      for (const [isAdded, key] of changes) {
        if (!isAdded) {
          expected.delete(key);
          map.delete(key);
        } else if (!expected.has(key)) {
          expected.set(key, { n: key });
          map.add(key, { n: key });
        }
        expect(map.get(key)).toEqual(expected.get(key));
        expect(map.size).toBe(expected.size);
      }
      expect(map.keys().sort()).toEqual([...expected.keys()].sort());
      expect([...map.values()]).toEqual([...expected.values()]);
    }),
  );
});
