import { expect, test } from 'bun:test';
import { withTables } from '../../docs/generate.ts';
import { closeCodes, errorCodes } from '../../src/errors.ts';
import { clientFrames } from '../../src/protocol/client-frames.ts';
import { serverFrames } from '../../src/protocol/server-frames.ts';

const root = new URL('../../', import.meta.url).pathname;
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

test('every claim of docs/security.md names tests that exist, or says why it has none', async () => {
  const security = await Bun.file(`${root}docs/security.md`).text();
  const benches = await Bun.file(`${root}bench/index.ts`).text();
  const isThere = (name: string) => {
    const [kind, bench] = name.split(' ');
    if (kind === 'bench') return new RegExp(`^  '?${bench}'?[,:]`, 'm').test(benches);
    const path = name.startsWith('src/') ? name : `test/${name}.test.ts`;
    return [...new Bun.Glob(path).scanSync(root)].length > 0;
  };
  const tables = [...security.matchAll(/\| held by +\|\n\|[- |]+\n((?:\|.+\n)+)/g)];
  expect(tables).toHaveLength(3);
  const claims = tables.flatMap(([, rows = '']) => rows.trim().split('\n'));
  expect(claims.length).toBeGreaterThan(50);
  const unheld = claims.filter((claim) => {
    const heldBy = claim.split('|').at(-2) ?? '';
    const names = [...heldBy.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    return names.length === 0 ? !heldBy.includes('does not apply') : !names.every(isThere);
  });
  expect(unheld).toEqual([]);
  const inText = security.match(/(?<=`)(?:bench|(?:integration|hostile|unit|e2e)\/)[^`]+(?=`)/g);
  expect(inText?.filter((name) => !isThere(name))).toEqual([]);
});
