import { expect } from 'bun:test';
import type { TestServer } from './server.ts';

/** The fenced blocks of a guide that are in some language; '' for those that name none. */
export async function blocksOf(file: string, language: string): Promise<string[]> {
  const text = await Bun.file(new URL(`../../docs/${file}`, import.meta.url)).text();
  const blocks = text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...blocks].flatMap(([, name, block = '']) => (name === language ? [block] : []));
}

/** Values that a guide shows as examples, and that each server draws anew. */
const DRAWN = new Set(['id', 'seq', 'timestamp']);

/**
 * Plays an exchange: sends the frames after a `→`, and waits for those after a `←`, in which the value `…`
 * matches anything.
 */
export async function walk(server: TestServer, exchange: string): Promise<void> {
  const client = await server.connect();
  let sent: { id?: string } = {};
  for (const line of exchange.trim().split('\n')) {
    const [arrow, json = ''] = [line.slice(0, 1), line.slice(2)];
    if (!json.startsWith('{')) continue;
    const frame = JSON.parse(json);
    if (arrow === '→') {
      sent = frame;
      client.send(frame);
      continue;
    }
    const isKept = ([name, value]: [string, unknown]) =>
      value !== '…' && (!DRAWN.has(name) || value === sent.id);
    const expected = Object.fromEntries(Object.entries(frame).filter(isKept));
    // Earlier messages come first.
    const came = await client.until(
      (each) => each.type === 'error' || Bun.deepMatch(expected, each),
    );
    expect(came).toMatchObject(expected);
  }
  await client.close();
}
