import fc from 'fast-check';
import type { Schema } from './openapi.ts';
import { chooseSeed } from './random.ts';

/** How long each property is tried, in seconds: `bun run fuzz` takes an hour for all. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 20);

/** Names and ids of existing things, in the room that every run shares. */
const known = ['ana', 'ben', 'admin', 'general', 'fuzz', 'dm:x', '1', '👍', '$', '*', 'user'];

const marks = fc
  .array(fc.constantFrom('\u0316', '\u0301', '\u0327', '\uff9e', 'a', '\ufe0f'), { maxLength: 200 })
  .map((units) => units.join(''));

const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...known) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 80 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }) },
  { weight: 1, arbitrary: marks },
  fc.constantFrom(
    '',
    ' ',
    '\0',
    '\ud800',
    '\u202e',
    '../ws',
    '%00',
    'x'.repeat(70),
    'x'.repeat(5000),
  ),
);

const deep = fc
  .tuple(fc.integer({ min: 1, max: 6000 }), fc.constantFrom(['[', ']'], ['{"a":', '}']))
  .map(([levels, [open = '', close = '']]) =>
    JSON.parse(`${open.repeat(levels)}1${close.repeat(levels)}`),
  );

/** Values that no schema asks for. */
const odd = fc.oneof(
  text,
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    Number.MAX_SAFE_INTEGER,
    2 ** 63,
    [],
    {},
    [null],
    ['ana'],
    { toString: 1, valueOf: 1 },
    JSON.parse('{"__proto__":{"x":1},"constructor":1}'),
  ),
  fc.jsonValue({ maxDepth: 4 }),
  deep,
);

/** Mostly a value that fits a schema, now and then another one. */
export function near(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 8, arbitrary: fitting(schema) },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: odd },
  );
}

function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(fitting));
  const [type] = [schema.type].flat();
  switch (type) {
    case 'string':
      return text;
    case 'integer':
    case 'number':
      return fc.oneof(
        fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 200, 200) }),
        fc.constantFrom(schema.minimum ?? 0, schema.maximum ?? 100),
      );
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(near(schema.items ?? {}), { maxLength: 5 });
    case 'object':
      return nearObject(schema);
    default:
      return odd;
  }
}

/** An object with most of the fields of a schema, and now and then one more. */
export function nearObject({ properties = {}, required = [] }: Schema): fc.Arbitrary<object> {
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, near(schema)]),
  );
  const most = Object.keys(fields).filter((name) => required.includes(name));
  return fc
    .tuple(
      fc.record(fields, { requiredKeys: most }),
      fc.option(fc.tuple(fc.constantFrom('x', '__proto__', 'timestamp', 'constructor'), odd), {
        freq: 12,
      }),
    )
    .map(([object, more]) => (more ? { ...object, [more[0]]: more[1] } : object));
}

/** JSON of a value, now and then with something wrong in it. */
export function nearJson(value: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  const whole = value.map((each) => JSON.stringify(each) ?? 'null');
  const broken = fc
    .tuple(
      whole,
      fc.nat(),
      fc.constantFrom('', '"', '{', ']', '\u0000', '\\', ',', 'e9', '\u{1F44D}'),
    )
    .map(([json, at, put]) => {
      const place = at % (json.length + 1);
      return json.slice(0, place) + put + json.slice(place + 1);
    });
  return fc.oneof({ weight: 9, arbitrary: whole }, { weight: 1, arbitrary: broken });
}

/**
 * Tries a property until its time is over, and prints the seed. A failure is reported with the smallest input
 * that fails.
 *
 * @param property returns how many frames or requests its input had
 */
export async function fuzz<T>(
  what: string,
  input: fc.Arbitrary<T>,
  property: (input: T) => Promise<number>,
): Promise<void> {
  let runs = 0;
  let sent = 0;
  let last: Promise<void> | undefined;
  const start = performance.now();
  try {
    await fc.assert(
      fc.asyncProperty(input, (each) => {
        runs += 1;
        last = patiently(() => property(each)).then((count) => {
          sent += count;
        });
        return last;
      }),
      {
        seed: chooseSeed(what) | 0,
        numRuns: Number.MAX_SAFE_INTEGER,
        interruptAfterTimeLimit: SECONDS * 1000,
        endOnFailure: process.env.SHRINK !== '1',
      },
    );
    // Out of time, the library does not wait for it.
    await last;
  } finally {
    const seconds = Math.round((performance.now() - start) / 1000);
    console.log(`${what}: ${sent} in ${runs} runs, ${seconds} s`);
  }
}

/** Failures that a machine without processor time for the server causes by itself. */
const BUSY = /timed out|no frame came|The database does not answer/;
/** Attempts of an input whose failure a busy machine may have caused; an input that always fails is a finding. */
const TRIES = 6;

async function patiently(attempt: () => Promise<number>): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === TRIES || !BUSY.test(String(error))) throw error;
      console.log(`tried again, as the machine may be busy: ${String(error).slice(0, 300)}`);
      await Bun.sleep(tries * 2000);
    }
  }
}

/** How long a test of a property may take, in milliseconds. */
export const FUZZ_TIMEOUT_MS = (SECONDS + 60) * 1000;
