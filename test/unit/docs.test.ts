import { expect, test } from 'bun:test';
import { withTables } from '../../docs/generate.ts';
import { closeCodes, errorCodes } from '../../src/errors.ts';
import { clientFrames } from '../../src/protocol/client-frames.ts';
import { serverFrames } from '../../src/protocol/server-frames.ts';

const protocol = await Bun.file(new URL('../../docs/protocol.md', import.meta.url)).text();

test('the tables of docs/protocol.md are those of the schemas and codes; `bun run docs` writes them', () => {
  expect(withTables(protocol) === protocol ? 'fresh' : 'stale: run `bun run docs`').toBe('fresh');
});

test('docs/protocol.md has every frame, error code and close code', () => {
  const rows = new Set([...protocol.matchAll(/^\| `?([\w]+)`? \|/gm)].map(([, name]) => name));
  const all = [
    ...Object.keys(clientFrames),
    ...Object.keys(serverFrames),
    ...Object.keys(errorCodes),
    ...Object.values(closeCodes).map(({ code }) => String(code)),
  ];
  expect(all.filter((name) => !rows.has(name))).toEqual([]);
});

test('the rules of delivery are numbered, and tests cite only existing ones', async () => {
  const rules = [...protocol.matchAll(/^(\d+)\. \*\*/gm)].map(([, n]) => Number(n));
  expect(rules).toEqual(Array.from({ length: 10 }, (_, n) => n + 1));
  const cited: number[] = [];
  for await (const file of new Bun.Glob('**/*.ts').scan(new URL('../', import.meta.url).pathname)) {
    const text = await Bun.file(new URL(`../${file}`, import.meta.url)).text();
    for (const [, numbers = ''] of text.matchAll(/\(delivery rules? ([\d, and]+)\)/g)) {
      cited.push(...[...numbers.matchAll(/\d+/g)].map(Number));
    }
  }
  expect(cited.length).toBeGreaterThan(5);
  expect(cited.filter((n) => !rules.includes(n))).toEqual([]);
});
