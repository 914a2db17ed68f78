import { afterAll, describe, expect, test } from 'bun:test';
import { clientFrames } from '../../src/protocol/client-frames.ts';
import { Client } from '../support/client.ts';
import { operationsOf } from '../support/openapi.ts';
import { API_KEY } from '../support/people.ts';
import { dataFolder, startReady } from '../support/process.ts';
import { Witness } from '../support/witness.ts';

/** The delay, in milliseconds, that nobody else may have. */
const MOST_MS = 50;

const server = await startReady({ DATA_DIR: await dataFolder(), API_KEY });
const operations = await operationsOf(server.url);
const witness = await Witness.join(server);
afterAll(() => server.kill('SIGKILL'));

const fill = (unit: string, length: number) =>
  unit.repeat(Math.ceil(length / unit.length)).slice(0, length);
const marks = (count: number) => fill('\u0316\u0301\u0327', count);

/** The most expensive known inputs, of any length in UTF-16 units. */
const kinds: Record<string, (length: number) => string> = {
  'marks in a row': (length) => `a${marks(length - 1)}`,
  'thirty marks on each letter': (length) => fill(`a${marks(30)}`, length),
  'letters that become marks': (length) => fill('\uff9e\u0316', length),
  'letters that become phrases': (length) => fill('\ufdfa', length),
  'words without spaces': (length) => fill('สวัสดีครับผมชื่อ東京特許許可局', length),
  mentions: (length) => fill(`@${'a.'.repeat(15)} `, length),
  emoji: (length) => fill('👨‍👩‍👧‍👦', length),
  'one word': (length) => fill('x', length),
};
/** The lengths of a name, its raw form, a search and a content, and the maximum. */
const lengths = [32, 128, 512, 4000];
/** The maximum for a frame of 64 KiB, the line of a request, and a body of 1 MiB. */
const longest = { frame: 20_000, line: 1500, body: 300_000 };

const inputs = (most: number) =>
  Object.values(kinds).flatMap((kind) =>
    [...lengths, most].flatMap((length) => (length <= most ? kind(length) : [])),
  );
/** For fields that take any JSON. */
const deep = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

/** Sends frames over a few connections, since too many that make no sense end one. */
async function sendAll(frames: string[]): Promise<void> {
  for (let from = 0; from < frames.length; from += 15) {
    const client = await Client.connect(server.ws);
    client.send({ type: 'join', username: 'hostile', room: 'hostile', protocol: 1 });
    await client.untilType('joined');
    for (const frame of frames.slice(from, from + 15)) client.send(frame);
    await client.settle();
    await client.close();
  }
}

/** Sends all inputs; where others were delayed, each by itself, since a busy machine delays many more than one. */
async function expectNoDelay(all: string[], send: (some: string[]) => Promise<void>) {
  if ((await witness.leastDelay(() => send(all), MOST_MS)) < MOST_MS) return;
  for (const each of all) {
    const delay = await witness.leastDelay(() => send([each]), MOST_MS);
    expect({ input: each.slice(0, 80), length: each.length, isSlow: delay >= MOST_MS }).toEqual({
      input: each.slice(0, 80),
      length: each.length,
      isSlow: false,
    });
  }
}

describe('the worst known input of every length delays no other client', () => {
  for (const [type, schema] of Object.entries(clientFrames)) {
    for (const [field, { type: kind }] of Object.entries(schema.properties) as [
      string,
      { type?: string },
    ][]) {
      if (field === 'type' || (kind !== undefined && kind !== 'string')) continue;
      test(`"${field}" of a "${type}"`, async () => {
        const values: unknown[] =
          kind === 'string' ? inputs(longest.frame) : [deep(31), deep(30_000)];
        const frames = values.map((value) =>
          JSON.stringify({ ...schema.examples?.[0], room: 'hostile', [field]: value })
            .replace('"username":"string"', '"username":"hostile"')
            .replace(type === 'ping' ? '"room":"hostile",' : '\n', ''),
        );
        await expectNoDelay(frames, sendAll);
      }, 60_000);
    }
  }

  for (const operation of operations) {
    for (const field of operation.fields) {
      if (![field.schema.type ?? 'string'].flat().includes('string')) continue;
      test(`"${field.name}" of ${operation.method} ${operation.path}`, async () => {
        const values = inputs(field.place === 'body' ? longest.body : longest.line);
        const statuses = new Set<number>();
        await expectNoDelay(values, async (some) => {
          for (const value of some) {
            const reply = await fetch(...operation.request(server.url, { [field.name]: value }));
            await reply.body?.cancel();
            statuses.add(reply.status);
          }
        });
        expect([...statuses].filter((status) => status >= 500)).toEqual([]);
      }, 60_000);
    }
  }
});
