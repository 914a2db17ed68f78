import { afterAll, expect, test } from 'bun:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020';
import fc from 'fast-check';
import { memoryOf } from '../../bench/support.ts';
import { FUZZ_TIMEOUT_MS, fuzz, near, nearJson } from '../support/fuzz.ts';
import { type Operation, operationsOf, type Schema } from '../support/openapi.ts';
import { API_KEY } from '../support/people.ts';
import { dataFolder, startReady } from '../support/process.ts';
import { mint, SECRET } from '../support/tokens.ts';
import { Witness } from '../support/witness.ts';

/** The delay, in milliseconds, that others may have; the machine of a test is busy by itself. */
const MOST_MS = 500;
const MOST_MEMORY_MIB = 250;
/** Characters of a URL that the runtime takes. */
const MOST_URL = 12_000;

const server = await startReady({
  DATA_DIR: await dataFolder(),
  LOG_LEVEL: 'error',
  API_KEY,
  AUTH_SECRET: SECRET,
});
afterAll(() => server.kill('SIGKILL'));
const operations = await operationsOf(server.url);
const document = await (await fetch(`${server.url}/swagger/json`)).json();

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(document, 'openapi');
const compiled = new Map<Schema, ValidateFunction>();
/** Compiled once; a `$ref` in it is one of the document. */
function checkOf(schema: Schema): ValidateFunction {
  const known = compiled.get(schema);
  if (known) return known;
  const whole = JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"openapi#/'));
  const check = ajv.compile(whole);
  compiled.set(schema, check);
  return check;
}

const tokens = await Promise.all([
  mint({ sub: 'ana' }),
  mint({ sub: 'admin', role: 'admin' }),
  mint({ sub: 'ben', rooms: ['general'] }),
  mint({ sub: 'ana', exp: 1 }),
]);
const credential = fc.option(fc.constantFrom(API_KEY, ...tokens, 'x', '..', ' '), { freq: 4 });

const routeOf = ({ method, path }: Operation) => `${method} ${path}`;
const byRoute = new Map(operations.map((operation) => [routeOf(operation), operation]));

interface Asked {
  route: string;
  values: Record<string, unknown>;
  credential: string | null;
  /** Replaces the outcome of the values, if it is given. */
  body: string | undefined;
  contentType: string;
}

function valuesFor({ fields }: Operation): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(fields.map(({ name, schema }) => [name, near(schema)])), {
    requiredKeys: [],
  }) as fc.Arbitrary<Record<string, unknown>>;
}

const asked: fc.Arbitrary<Asked> = fc.constantFrom(...operations).chain((operation) =>
  fc.record({
    route: fc.constant(routeOf(operation)),
    values: valuesFor(operation),
    credential,
    body: fc.option(nearJson(valuesFor(operation)), { freq: 5, nil: undefined }),
    contentType: fc.oneof(
      { weight: 9, arbitrary: fc.constant('application/json') },
      fc.constantFrom(
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/json; charset=latin1',
        'multipart/form-data',
      ),
    ),
  }),
);

/** Sends the request, and checks the reply against the document. */
async function ask({ route, values, credential, body, contentType }: Asked): Promise<void> {
  const operation = byRoute.get(route) as Operation;
  const [url, init] = operation.request(server.url, values, {
    ...(credential !== null && { authorization: `Bearer ${credential}` }),
  });
  // The runtime refuses these by itself, without a body.
  if (url.length > MOST_URL) return;
  if (init.body !== undefined) {
    if (body !== undefined) init.body = body;
    init.headers = { ...init.headers, 'content-type': contentType };
  }
  const reply = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
  const { status } = reply;
  const what = { route: `${operation.method} ${url}`, sent: init.body, status };
  const type = reply.headers.get('content-type')?.split(';')[0] ?? '';
  if (type === 'text/event-stream') {
    await reply.body?.cancel();
    return;
  }
  const text = await reply.text();
  // Many requests may be refused for a while; any other status of 500 or more is a fault.
  if (status >= 500)
    expect({ ...what, text }).toMatchObject({ text: expect.stringContaining('"overloaded"') });
  // A path that no longer matches the route is about another one.
  const isSame = new URL(url).pathname.split('/').length === operation.path.split('/').length;
  if (!isSame || status === 302) return;
  if (status >= 400)
    expect({ ...what, type }).toEqual({ ...what, type: 'application/problem+json' });
  expect({
    ...what,
    isDocumented: operation.mayReply(status) || [404, 405, 413, 415, 429].includes(status),
  }).toEqual({ ...what, isDocumented: true });
  const schema = operation.replySchema(status, type);
  if (!schema || !type.includes('json')) return;
  const check = checkOf(schema);
  expect({ ...what, errors: check(JSON.parse(text)) ? null : check.errors }).toEqual({
    ...what,
    errors: null,
  });
}

test(
  'random requests cause no fault of the server, get answers that match their schemas, and other clients are served',
  async () => {
    const witness = await Witness.join(server);
    let before = Number.NaN;
    let runs = 0;
    const several = fc.array(asked, { minLength: 1, maxLength: 12 });
    await fuzz('requests near the document', several, async (input) => {
      const delay = await witness.leastDelay(() => Promise.all(input.map(ask)), MOST_MS);
      expect(delay).toBeLessThan(MOST_MS);
      runs += 1;
      if (runs === 50) before = memoryOf(server.pid);
      return input.length;
    });
    await witness.close();
    if (runs > 50) expect(memoryOf(server.pid) - before).toBeLessThan(MOST_MEMORY_MIB);
    server.kill('SIGTERM');
    expect((await server.output).stdout).not.toContain('a request failed');
  },
  FUZZ_TIMEOUT_MS,
);
