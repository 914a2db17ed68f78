import { afterAll, expect, test } from 'bun:test';
import { Ajv2020 } from 'ajv/dist/2020';
import fc from 'fast-check';
import { memoryOf } from '../../bench/support.ts';
import { closeCodes } from '../../src/errors.ts';
import { clientFrames } from '../../src/protocol/client-frames.ts';
import { serverFrames } from '../../src/protocol/server-frames.ts';
import { Client } from '../support/client.ts';
import { FUZZ_TIMEOUT_MS, fuzz, nearJson, nearObject } from '../support/fuzz.ts';
import type { Schema } from '../support/openapi.ts';
import { dataFolder, startReady } from '../support/process.ts';
import { Witness } from '../support/witness.ts';

/** The delay, in milliseconds, that others may have; the machine of a test is busy by itself. */
const MOST_MS = 500;
const MOST_MEMORY_MIB = 250;

const server = await startReady({ DATA_DIR: await dataFolder(), LOG_LEVEL: 'error' });
afterAll(() => server.kill('SIGKILL'));

const ajv = new Ajv2020({ strict: false, validateFormats: false });
const checks = new Map(
  Object.entries(serverFrames).map(([type, schema]) => [type, ajv.compile(schema as object)]),
);
const codes: Record<string, number | { code: number }> = closeCodes;
const known = new Set([
  ...Object.values(codes).map((each) => (typeof each === 'number' ? each : each.code)),
  ...[1000, 1002, 1007, 1009],
]);

const frame = fc.oneof(
  ...Object.entries(clientFrames).map(([type, schema]) =>
    nearObject(schema as Schema).map((object) => ({ ...object, type })),
  ),
);
interface Conversation {
  /** The protocol of the join, if it begins with one. */
  join: 0 | 1 | null;
  frames: string[];
  isBinary: boolean;
}
const conversation: fc.Arbitrary<Conversation> = fc.record({
  join: fc.option(fc.constantFrom<0 | 1>(0, 1), { freq: 6 }),
  frames: fc.array(nearJson(frame), { minLength: 1, maxLength: 12 }),
  isBinary: fc.boolean(),
});

/** The frames that the server sends on a connection with these frames, until all are handled. */
async function converse({ join, frames, isBinary }: Conversation) {
  const client = await Client.connect(server.ws);
  if (join !== null) {
    const room = ['general', 'fuzz'][frames.length % 2];
    client.send({ type: 'join', username: ['ana', 'ben'][join], room, protocol: join });
  }
  for (const each of frames) {
    client.send(isBinary && each.isWellFormed() ? new TextEncoder().encode(each) : each);
  }
  const code = await Promise.race([
    client.settle().then(() => undefined),
    client.closed.then((closed) => closed.code),
  ]);
  if (code === undefined) await client.close();
  else expect(known).toContain(code);
  return client.received;
}

test(
  'random frames get answers that match their schemas, other clients are served, and memory is released',
  async () => {
    const witness = await Witness.join(server);
    let before = Number.NaN;
    let runs = 0;
    const several = fc.array(conversation, { minLength: 1, maxLength: 10 });
    await fuzz('frames near the schemas', several, async (input) => {
      let received: Awaited<ReturnType<typeof converse>> = [];
      const delay = await witness.leastDelay(async () => {
        received = (await Promise.all(input.map(converse))).flat();
      }, MOST_MS);
      expect(delay).toBeLessThan(MOST_MS);
      for (const reply of received) {
        const check = checks.get(reply.type);
        expect({ reply, errors: check?.(reply) ? null : (check?.errors ?? 'no schema') }).toEqual({
          reply,
          errors: null,
        });
        if (reply.type === 'error') expect(reply).not.toMatchObject({ code: 'internal' });
      }
      runs += 1;
      if (runs === 50) before = memoryOf(server.pid);
      return input.flatMap(({ frames }) => frames).length;
    });
    await witness.close();
    if (runs > 50) expect(memoryOf(server.pid) - before).toBeLessThan(MOST_MEMORY_MIB);
    server.kill('SIGTERM');
    expect((await server.output).stdout).not.toContain('a frame failed');
  },
  FUZZ_TIMEOUT_MS,
);
