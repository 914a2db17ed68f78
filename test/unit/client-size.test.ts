import { expect, test } from 'bun:test';
import { dirname, join } from 'node:path';
import { buildClient, buildReact } from '../../client/build.ts';

/** The bytes, after gzip, that a page loads before it can send a message. */
const MAX_CORE_BYTES = 6 * 1024;
const MAX_REACT_BYTES = 2 * 1024;

test('the core of the client library is at most 6 KB gzipped, and the rest is loaded on demand', async () => {
  const files = await buildClient('client', 'client/');
  const core = files.get('client.js') ?? '';
  expect(Bun.gzipSync(core, { level: 9 }).length).toBeLessThanOrEqual(MAX_CORE_BYTES);
  expect(core).not.toContain('indexedDB.open');
  expect(core).not.toContain('BroadcastChannel(');
  expect(core).not.toContain('last-event-id');
});

test('every part that is loaded on demand is at the address of its import', async () => {
  const files = await buildClient('client', 'client/');
  const missing: string[] = [];
  let loaded = 0;
  for (const [path, text] of files) {
    if (!path.endsWith('.js')) continue;
    for (const [, part = ''] of text.matchAll(/(?:import\(|from)"(\.[^"]+)"/g)) {
      loaded += 1;
      if (!files.has(join(dirname(path), part))) missing.push(`${path} loads ${part}`);
    }
  }
  expect(loaded).toBeGreaterThan(8);
  expect(missing).toEqual([]);
});

test('the hooks for React are at most 2 KB gzipped, beside React and the core', async () => {
  const hooks = (await buildReact()).get('react/index.js') ?? '';
  expect(Bun.gzipSync(hooks, { level: 9 }).length).toBeLessThanOrEqual(MAX_REACT_BYTES);
  const imported = [...hooks.matchAll(/from"([^"]+)"/g)].map(([, path]) => path);
  expect(imported).toEqual(['react', '../index.js']);
  expect(hooks).toStartWith('"use client";');
});
