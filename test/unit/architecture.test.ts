import { expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { Glob } from 'bun';

const src = new URL('../../src/', import.meta.url).pathname;

/** From the front door down; a file imports from its own floor or from below. */
const floors = [
  ['index.ts'],
  ['app.ts'],
  ['routes', 'plugins'],
  ['ws'],
  ['services'],
  ['db', 'bus'],
  ['types'],
  ['errors.ts', 'config.ts', 'log.ts'],
];

function floorOf(file: string): number {
  const place = file.split('/')[0] as string;
  const floor = floors.findIndex((names) => names.includes(place));
  if (floor === -1) throw new Error(`src/${file} is on no floor; name its place here`);
  return floor;
}

/** Every module that a file names, those of which it takes only types included. */
function importsOf(file: string): string[] {
  const code = readFileSync(join(src, file), 'utf8');
  return [...code.matchAll(/\bfrom '([^']+)'|\bimport\(?'([^']+)'/g)].map(
    ([, a, b]) => a ?? b ?? '',
  );
}

test('imports run one way: from the front door to the database, never back', () => {
  const files = [...new Glob('**/*.ts').scanSync(src)];
  expect(files.length).toBeGreaterThan(20);
  const upward = files.flatMap((file) =>
    importsOf(file)
      .filter((path) => path.startsWith('.'))
      .map((path) => normalize(join(file, '..', path)))
      .filter((target) => !target.startsWith('..') && floorOf(target) < floorOf(file))
      .map((target) => `${file} imports ${target}`),
  );
  expect(upward).toEqual([]);
});

test('the services know no socket, no request and no Elysia', () => {
  const files = [...new Glob('services/*.ts').scanSync(src)];
  expect(files.length).toBeGreaterThan(3);
  for (const file of files) {
    expect(importsOf(file).filter((path) => /^(elysia|@elysiajs|bun)/.test(path))).toEqual([]);
  }
});

test('docs/security.md names tests, benchmarks and files that are there', () => {
  const root = join(src, '..');
  const named = [
    ...readFileSync(join(root, 'docs/security.md'), 'utf8').matchAll(
      /`((?:integration|unit|e2e|contracts|services)\/[\w.*-]+|bench [\w-]+)`/g,
    ),
  ].map(([, name]) => name as string);
  expect(named.length).toBeGreaterThan(50);
  const missing = named.filter((name) => {
    const [kind = '', rest = ''] = name.split(/[ /]/);
    if (kind === 'bench') return !existsSync(join(root, `bench/${rest}.ts`));
    if (kind === 'services') return !existsSync(join(src, name));
    return (
      [
        ...new Glob(`${kind}/${rest.replace(/\.test\.ts$/, '')}.test.ts`).scanSync(
          join(root, 'test'),
        ),
      ].length === 0
    );
  });
  expect(missing).toEqual([]);
});
