import { expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { Glob } from 'bun';

const root = new URL('../../', import.meta.url).pathname;
const src = join(root, 'src/');

/** From the front door down: a file imports from its own folder or from folders below it. */
const layers = [
  ['index.ts'],
  ['app.ts'],
  ['core.ts'],
  ['ws', 'http', 'ingest'],
  ['live'],
  ['notifications'],
  ['chat'],
  ['rooms'],
  ['users'],
  ['limits'],
  ['db', 'bus'],
  ['lib'],
  ['protocol'],
  ['log.ts'],
  ['config.ts', 'errors.ts'],
];

/** The packages that a folder may import, where that is limited; `node:` modules count as packages. */
const packages: Record<string, RegExp> = {
  protocol: /^@sinclair\/typebox(\/|$)/,
  lib: /^(node:|pino$)/,
  limits: /^ipaddr\.js$|^node:net$/,
  users: /^(jose|drizzle-orm)(\/|$)|^node:/,
  rooms: /^drizzle-orm(\/|$)/,
  chat: /^drizzle-orm(\/|$)|^node:crypto$/,
  notifications: /^drizzle-orm(\/|$)/,
  live: /^$/,
  ws: /^bun$/,
  ingest: /^@sinclair\/typebox(\/|$)/,
};

const files = [...new Glob('**/*.ts').scanSync(src)];
const codeOf = (file: string) => readFileSync(join(src, file), 'utf8');

function folderOf(file: string): string {
  return file.split('/')[0] as string;
}

function layerOf(file: string): number {
  const layer = layers.findIndex((names) => names.includes(folderOf(file)));
  if (layer === -1) throw new Error(`src/${file} is in no layer; give it one here`);
  return layer;
}

/** Every module that a file names, those of which it takes only types included. */
function importsOf(file: string): string[] {
  return [...codeOf(file).matchAll(/\bfrom '([^']+)'|\bimport\(?'([^']+)'/g)].map(
    ([, a, b]) => a ?? b ?? '',
  );
}

/** The files of `src/` that a file imports. */
function targetsOf(file: string): string[] {
  return importsOf(file)
    .filter((path) => path.startsWith('.'))
    .map((path) => normalize(join(file, '..', path)))
    .filter((target) => !target.startsWith('..'));
}

test('imports run one way: from the front door to the database, never back', () => {
  expect(files.length).toBeGreaterThan(80);
  const upward = files.flatMap((file) =>
    targetsOf(file)
      .filter((target) => layerOf(target) < layerOf(file))
      .map((target) => `${file} imports ${target}`),
  );
  expect(upward).toEqual([]);
});

test('folders of one layer do not import each other', () => {
  const sideways = files.flatMap((file) =>
    targetsOf(file)
      .filter((target) => layerOf(target) === layerOf(file) && folderOf(target) !== folderOf(file))
      .map((target) => `${file} imports ${target}`),
  );
  expect(sideways).toEqual([]);
});

test('no file imports itself, directly or by others', () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (path.includes(file) || done.has(file)) return;
    for (const target of targetsOf(file)) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test('each folder imports only its packages', () => {
  const foreign = files.flatMap((file) =>
    importsOf(file)
      .filter((path) => !path.startsWith('.') && packages[folderOf(file)]?.test(path) === false)
      .map((path) => `${file} imports ${path}`),
  );
  expect(foreign).toEqual([]);
});

test('the time, timers and random ids come from the clock and the ids that are handed in', () => {
  const direct =
    /\b(Date\.now|performance\.now|set(Timeout|Interval)|clear(Timeout|Interval)|Bun\.sleep|AbortSignal\.timeout|randomUUID\w*|getRandomValues|Math\.random)\b|new Date\(\)|\bDate\(\)/g;
  const calls = files
    .filter((file) => !['lib/clock.ts', 'lib/ids.ts'].includes(file))
    .flatMap((file) => (codeOf(file).match(direct) ?? []).map((call) => `${file}: ${call}`));
  expect(calls).toEqual([]);
  // Those of the machine are chosen where the parts are constructed; a database has its own time anyway.
  const choosers = files.filter((file) => /import .*\bsystem(Clock|Ids)\b/.test(codeOf(file)));
  const constructors = ['app.ts', 'index.ts', 'bus/memory.ts'];
  expect(
    choosers.filter((file) => folderOf(file) !== 'db' && !constructors.includes(file)),
  ).toEqual([]);
});

test('the client library takes only types of the protocol and the errors, and needs no package', () => {
  const library = join(root, 'client/');
  const tools = ['build.ts', 'pack.ts'];
  const foreign = [
    ...new Glob('*.ts').scanSync(library),
    ...new Glob('store/*.ts').scanSync(library),
  ]
    .filter((file) => !tools.includes(file))
    .flatMap((file) => {
      const code = readFileSync(join(library, file), 'utf8');
      const imports = [...code.matchAll(/^(?:import|export)( type)?[^;]*? from '([^']+)'/gm)];
      return imports
        .filter(([, , path = '']) => !/^\.\.?\/(?!\.\.|src)/.test(path))
        .filter(([, type, path = '']) => !type || !/^\.\.\/src\/(protocol|errors)/.test(path))
        .map(([, , path]) => `client/${file} imports ${path}`);
    });
  expect(foreign).toEqual([]);
});

test('no file has more than 300 lines', () => {
  const long = files.filter((file) => codeOf(file).trimEnd().split('\n').length > 300);
  expect(long).toEqual([]);
});

test('no folder holds more than a fifth of the lines', () => {
  const lines = new Map<string, number>();
  for (const file of files) {
    const folder = folderOf(file);
    lines.set(folder, (lines.get(folder) ?? 0) + codeOf(file).split('\n').length);
  }
  const total = [...lines.values()].reduce((sum, count) => sum + count, 0);
  expect([...lines].filter(([, count]) => count > total / 5)).toEqual([]);
});

test('docs/security.md names tests, benchmarks and files that exist', () => {
  const named = [
    ...readFileSync(join(root, 'docs/security.md'), 'utf8').matchAll(
      /`((?:integration|unit|e2e|contracts|hostile|src)\/[\w.*-]+|bench [\w-]+)`/g,
    ),
  ].map(([, name]) => name as string);
  expect(named.length).toBeGreaterThan(50);
  const missing = named.filter((name) => {
    const [kind = '', rest = ''] = name.split(/[ /]/);
    if (kind === 'bench') return !existsSync(join(root, `bench/${rest}.ts`));
    if (kind === 'src') return !existsSync(join(root, name));
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

test('the walks in CONTRIBUTING.md name files that exist', () => {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const named = [
    ...text.matchAll(/`((?:ws|http|ingest|live|chat|protocol|bus|db)\/[\w./-]+)`/g),
  ].map(([, name = '']) => name.replace(/(\.ts)?$/, '.ts'));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !existsSync(join(src, name)))).toEqual([]);
});
