import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
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
